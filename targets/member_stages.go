package targets

import "github.com/etalon-kv/etalon/results"

// MemberStages are what a replicated member times on the way of a write, in the order of
// replica.Stage; those of the leader are kept. A batch is stamped once and counts for each write in
// it. A write takes about queue + replicate + apply + engine-commit + reply; append and sync are
// parts of replicate.
func MemberStages() []results.Stage {
	return []results.Stage{
		{Name: "queue", Doc: "asked of the leader until its batch is given to the consensus core; of the oldest in the batch"},
		{Name: "append", Doc: "then until the leader's log takes the batch up: mostly the sync of the one before"},
		{Name: "sync", Doc: "then until it is written and synced there"},
		{Name: "replicate", Doc: "given out to log and network until committed; append and sync are part of it"},
		{Name: "apply", Doc: "committed until the state machine begins with its batch"},
		{Name: "engine-commit", Doc: "then until the state machine has applied it, the engine's commit included"},
		{Name: "reply", Doc: "then until everybody who waits for the batch is told"},
	}
}
