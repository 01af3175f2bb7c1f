package replica

import (
	"fmt"

	"github.com/etalon-kv/etalon/raft"
)

// MemberConfig says how a Member is made.
type MemberConfig struct {
	// Raft is the core's: ID, Group, Storage and Rand are required, Applied and Conf are set from State.
	Raft raft.Config
	// State is what the state machine holds (StateMachine.Applied).
	State raft.Snapshot
	// FirstRequest is where the numbers of requests begin. A number must never come twice from a
	// member, not even over restarts: pass a random number above a counter of 40 bits.
	FirstRequest uint64
	// SnapshotEntries is how many entries are applied between two cuts of the log; 0 means 10,000.
	SnapshotEntries raft.Index
	// KeepEntries is how many applied entries the log keeps for members that are a little behind; 0 means
	// 5,000, NoEntries none.
	KeepEntries raft.Index
	// ReadTicks is after how many ticks without an answer a read asks again; 0 means
	// Raft.ElectionTicks/2, but at least 1.
	ReadTicks int
	// RequestTicks is after how many ticks a request is answered with ErrTimeout, at the next Sweep; 0 means
	// never.
	RequestTicks uint64
	// Loose lets membership changes pass that put the quorum at risk; see Member.CheckChange.
	Loose bool
}

// NoEntries as KeepEntries keeps none.
const NoEntries raft.Index = 1 << 62

// Validate fills in defaults and refuses what makes no sense.
func (c *MemberConfig) Validate() error {
	if err := c.Raft.Validate(); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	if c.SnapshotEntries == 0 {
		c.SnapshotEntries = 10_000
	}
	switch c.KeepEntries {
	case 0:
		c.KeepEntries = 5_000
	case NoEntries:
		c.KeepEntries = 0
	}
	if c.ReadTicks == 0 {
		c.ReadTicks = max(1, c.Raft.ElectionTicks/2)
	}
	if c.ReadTicks < 0 {
		return fmt.Errorf("replica: ReadTicks is %d; at least 1 is needed", c.ReadTicks)
	}
	return nil
}
