package targets

import (
	"slices"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/results"
)

// The stages of a write, by place in RaftStages.
const (
	stageQueue = iota
	stageWait
	stageAppend
	stageSync
	stageReplicate
	stageCommit
	stageRead
)

// RaftStages are what a Raft target times, on the leader. A batch is stamped once and counts for each
// write in it.
func RaftStages() []results.Stage {
	return []results.Stage{
		stageQueue:     {Name: "queue", Doc: "asked by the client until its batch is given to log and network"},
		stageWait:      {Name: "wait", Doc: "then until the leader's log takes the batch up: mostly the sync of the one before"},
		stageAppend:    {Name: "append", Doc: "then until the log has encoded it"},
		stageSync:      {Name: "sync", Doc: "then until it is written and synced on the leader"},
		stageReplicate: {Name: "replicate", Doc: "beside wait, append and sync: given out until enough others have said that it is durable there"},
		stageCommit:    {Name: "commit", Doc: "after the later of both until the client is answered"},
		stageRead:      {Name: "read-index", Doc: "a read asked until a quorum has confirmed the leader and the index is applied"},
	}
}

// raftBatch is what the leader put into its log in one Ready.
type raftBatch struct {
	last   raft.Index
	number uint64 // of the Ready
	ops    int
	// given is when it was given out, durable when the leader's log had it, replicated when enough
	// others had it; 0 = not yet.
	given, durable, replicated time.Duration
}

// noteDurable stamps the batches that the leader's own log has.
func (m *raftMember) noteDurable(d raftDurable) {
	for i := range m.batches.len() {
		b := m.batches.at(i)
		if b.number > d.number {
			return
		}
		if b.durable == 0 {
			b.durable = d.at
		}
	}
}

// noteAnswer looks at a message to a leader before the core does, and stamps the batches that enough
// others have: a quorum but for the leader.
func (m *raftMember) noteAnswer(msg *raft.Message) {
	if msg.Type != raft.MsgAppResp || msg.Reject || !m.leads || msg.Term != m.term {
		return
	}
	if from := &m.match[msg.From-1]; msg.Index > *from {
		*from = msg.Index
	} else {
		return
	}
	others := len(m.match) / 2
	m.ranked = append(m.ranked[:0], m.match...)
	slices.Sort(m.ranked)
	has := m.ranked[len(m.ranked)-others]
	for i := range m.batches.len() {
		b := m.batches.at(i)
		if b.last > has {
			return
		}
		if b.replicated == 0 {
			b.replicated = m.g.now()
			m.g.stages.Record(stageReplicate, b.replicated-b.given, b.ops)
		}
	}
}
