package replica

import (
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/raft"
)

// Cut is what is to be done to the log: note that a snapshot at At can be had, then forget the entries up to
// Through.
type Cut struct {
	At   raft.Index
	Conf raft.ConfState
	// Through is at most At; 0: nothing is to be forgotten.
	Through raft.Index
}

// cutter decides when and where the log is cut: every so many applied entries, when the state machine
// holds them durably, leaving some for members that are a little behind.
type cutter struct {
	every, keep raft.Index
	// last is the newest cut.
	last raft.Index
	// mark is where the next one will be, once durable reaches it; 0: not decided.
	mark     raft.Index
	markConf raft.ConfState
	durable  raft.Index
	// conf is the membership as of appliedAt. changes are newer ones, not applied yet.
	conf      raft.ConfState
	appliedAt raft.Index
	changes   []confAt
}

type confAt struct {
	at   raft.Index
	conf raft.ConfState
}

func newCutter(c *MemberConfig, applied raft.Index, conf raft.ConfState) (cutter, error) {
	cut := cutter{every: c.SnapshotEntries, keep: c.KeepEntries, appliedAt: applied, conf: conf}
	s, err := c.Raft.Storage.Snapshot()
	switch {
	case err == nil:
		cut.last = s.Index
	case !errors.Is(err, raft.ErrSnapshotUnavailable):
		return cut, fmt.Errorf("replica: reading the log's snapshot: %w", err)
	}
	return cut, nil
}

// changed notes the membership that the entry at i brought; it may not be applied yet.
func (c *cutter) changed(i raft.Index, conf raft.ConfState) {
	c.changes = append(c.changes, confAt{i, conf})
}

// applied notes how far the state machine is.
func (c *cutter) applied(i, durable raft.Index) {
	c.appliedAt, c.durable = i, durable
	for len(c.changes) > 0 && c.changes[0].at <= i {
		c.conf = c.changes[0].conf
		c.changes = c.changes[1:]
	}
	if c.mark == 0 && i >= c.last+c.every {
		c.mark, c.markConf = i, c.conf.Clone()
	}
}

// replaced notes that a snapshot at i is to be written to the log: a cut before it comes too late.
func (c *cutter) replaced(i raft.Index) { c.last, c.mark = i, 0 }

// restored notes that it was installed.
func (c *cutter) restored(i raft.Index) { c.applied(i, i) }

// due returns the next cut when its time has come.
func (c *cutter) due(m *Member) *Cut {
	if c.mark == 0 || c.durable < c.mark {
		return nil
	}
	cut := &Cut{At: c.mark, Conf: c.markConf}
	if c.mark > c.keep {
		cut.Through = c.mark - c.keep
	}
	c.last, c.mark = c.mark, 0
	return cut
}
