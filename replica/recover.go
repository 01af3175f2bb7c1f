package replica

import (
	"fmt"

	"github.com/etalon-kv/etalon/raft"
)

// recoverLog puts into the log what a first start, or a crash in the middle of installing a snapshot, left
// for it.
func recoverLog(cfg *Config) error {
	state := cfg.State.Applied()
	last, err := cfg.Log.LastIndex()
	if err != nil {
		return fmt.Errorf("replica: reading the log: %w", err)
	}
	if last == 0 && state.Index == 1 && state.Term == 1 && cfg.Found {
		if err := cfg.Log.Write(raft.FoundingSnapshot(state.Conf), nil, raft.HardState{}, true); err != nil {
			return fmt.Errorf("replica: founding: %w", err)
		}
	}
	return nil
}
