package replica

import "time"

// Stage is a part of the way of a proposal. Each batch is stamped once, and counts for every proposal
// in it.
type Stage uint8

// The stages, in the order in which a proposal passes them, each at the member that does it.
const (
	// StageQueue: from the oldest proposal's arrival until the batch is given to the core.
	StageQueue Stage = iota
	// StageAppend: until the log writer begins with it; what is written before is waited for.
	StageAppend
	// StageSync: writing and syncing the log.
	StageSync
	// StageReplicate: on a leader, from when the batch was given out to be written and sent until it
	// is committed; sync is part of it.
	StageReplicate
	// StageApply: from commitment until the applier begins with it.
	StageApply
	// StageCommit: the state machine's Apply, with the engine's commit.
	StageCommit
	// StageReply: waking everybody who waits for the batch.
	StageReply
	// Stages is how many there are.
	Stages
)

// String names the stage.
func (s Stage) String() string {
	if s < Stages {
		return [...]string{"queue", "append", "sync", "replicate", "apply", "commit", "reply"}[s]
	}
	return "unknown"
}

// stamp measures stages; without a receiver it does not look at the clock.
type stamp struct {
	tell func(Stage, time.Duration, int)
}

func (s stamp) now() time.Time {
	if s.tell == nil {
		return time.Time{}
	}
	return time.Now()
}

// since reports the stage that began at from and returns when it ended.
func (s stamp) since(stage Stage, from time.Time, proposals int) time.Time {
	if s.tell == nil {
		return time.Time{}
	}
	now := time.Now()
	if !from.IsZero() {
		s.tell(stage, now.Sub(from), proposals)
	}
	return now
}
