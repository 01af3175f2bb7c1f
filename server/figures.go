package server

import (
	"context"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/raft"
)

// ClusterVersion and StorageVersion are what etcd of this version says of its cluster and its files.
const (
	ClusterVersion = "3.7.0"
	StorageVersion = storageVersion
)

// Figures are a member's figures at a moment, cheap enough to be read every second.
type Figures struct {
	HasLeader, IsLeader, IsLearner bool
	LeaderChanges                  int64
	Committed, Applied             raft.Index
	Pending                        int
	QuotaBytes                     int64
	// DiskBytes and LiveBytes are of the engine's files, or of its content where it has none; -1 where it
	// cannot tell.
	DiskBytes, LiveBytes int64
	Keys                 int64
	Revision, Compacted  int64
	Leases               int
	// Stages are those on the way of a proposal; empty where nobody measures them.
	Stages []StageFigures
}

// Figures returns them.
func (s *Server) Figures() Figures {
	st := s.replica.Status()
	f := Figures{
		HasLeader: st.Leader != raft.None, IsLeader: st.Leader == s.config.Member, IsLearner: s.learner.Load(),
		LeaderChanges: s.leaderChanges.Load(), Committed: st.Committed, Applied: st.Applied, Pending: st.Queued + st.Waiting,
		QuotaBytes: max(s.config.QuotaBytes, 0), Revision: s.state.Rev(), Compacted: s.state.Compacted(), Leases: len(s.state.Leases()),
	}
	if stats, keys, err := s.state.Stats(); err == nil {
		f.DiskBytes, f.LiveBytes, f.Keys = storeBytes(stats), stats.LiveBytes, int64(keys.Keys)
	}
	if s.config.Stages != nil {
		f.Stages = s.config.Stages.Figures()
	}
	return f
}

// storeBytes is the size of the store, which the quota bounds: of files where the engine has some, and
// otherwise of what it holds.
func storeBytes(s engine.Stats) int64 {
	if s.DiskBytes < 0 {
		return s.LiveBytes
	}
	return s.DiskBytes
}

// Leader reports whether the member knows a leader.
func (s *Server) Leader() bool { return s.leader() != raft.None }

// Learner reports whether the member is a learner.
func (s *Server) Learner() bool { return s.learner.Load() }

// Alarms are the names of the alarms that are raised.
func (s *Server) Alarms() (names []string) {
	for _, a := range s.state.Alarms(apply.AlarmNone) {
		names = append(names, pbAlarm(a).Alarm.String())
	}
	return names
}

// Read reads a key that need not exist: as this member has it, or linearizably.
func (s *Server) Read(ctx context.Context, serializable bool) error {
	if !serializable {
		if err := s.replica.ReadIndex(ctx); err != nil {
			return err
		}
	}
	return s.state.Range(&apply.Range{Key: []byte("health"), CountOnly: true}, &apply.RangeResult{})
}

// countLeaders counts how often another member became leader, until the server stops.
func (s *Server) countLeaders() {
	var last raft.NodeID
	for {
		l, changed := s.replica.Leadership()
		if l.Leader != raft.None && l.Leader != last {
			last = l.Leader
			s.leaderChanges.Add(1)
		}
		select {
		case <-s.stopping:
			return
		case <-changed:
		}
	}
}
