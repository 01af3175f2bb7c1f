package replica

import (
	"fmt"
	"os"
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// install replaces the state machine by the image of s, which was received before. The applier has
// nothing to do meanwhile: the core gives out a snapshot only when everything before was applied.
func (r *Replica) install(s *raft.Snapshot) (err error) {
	f, err := r.spool.open(s)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("replica: %w", cerr)
		}
	}()
	r.cfg.Logger.Info("installing a snapshot", "index", uint64(s.Index), "term", uint64(s.Term))
	if err := r.cfg.State.Restore(r.ctx, f); err != nil {
		return fmt.Errorf("replica: installing the snapshot at %d: %w", s.Index, err)
	}
	if at := r.cfg.State.Applied(); at.Index != s.Index || at.Term != s.Term || !at.Conf.Equal(&s.Conf) {
		return fmt.Errorf("replica: the image for %d/%d %s brought the state machine to %d/%d %s",
			s.Term, s.Index, s.Conf, at.Term, at.Index, at.Conf)
	}
	return nil
}

// sendSnapshot sends a message that asks for a snapshot, with an image of the state as it is now, which
// may be newer than what the core asked for.
func (r *Replica) sendSnapshot(m raft.Message) {
	if r.cfg.Transport == nil {
		return
	}
	r.running.Go(func() {
		image, err := r.cfg.State.Save()
		if err != nil {
			r.cfg.Logger.Warn("no image of the state", "error", err)
			handler{r}.SnapshotSent(m.To, false)
			return
		}
		at := image.At()
		at.Data = nil
		m.Snapshot = &at
		r.cfg.Transport.SendSnapshot(m, image)
	})
}

// recoverLog puts into the log what a first start, or a crash in the middle of an installation, left for
// it.
func recoverLog(cfg *Config) error {
	state := cfg.State.Applied()
	last, err := cfg.Log.LastIndex()
	if err != nil {
		return fmt.Errorf("replica: reading the log: %w", err)
	}
	if last == 0 && state.Index == 1 && state.Term == 1 && cfg.Found {
		return writeSnapshot(cfg.Log, state)
	}
	if state.Index == 0 || cfg.Dir == "" {
		return nil
	}
	s := spool{dir: cfg.Dir}
	if _, err := os.Stat(s.path(keyOf(&state))); err != nil {
		return nil // nothing was being installed
	}
	return FinishInstall(cfg.Log, state)
}

// FinishInstall completes, before a member starts, the installation of a snapshot that a crash has
// interrupted: the state machine holds it and the log may not know. The caller is certain that it
// was being installed, and did not come to this state by applying the log. Where the log knows, nothing happens.
func FinishInstall(log Log, state raft.Snapshot) error {
	if agree(log, &state) == nil {
		return nil
	}
	return writeSnapshot(log, state)
}

func writeSnapshot(log Log, state raft.Snapshot) error {
	snap := raft.Snapshot{Index: state.Index, Term: state.Term, Conf: state.Conf.Clone()}
	if err := log.Write(&snap, nil, raft.HardState{}, true); err != nil {
		return fmt.Errorf("replica: writing the snapshot at %d to the log: %w", snap.Index, err)
	}
	return nil
}

// split sends what needs an image by another road than the other messages, which it returns.
func (r *Replica) split(messages []raft.Message) []raft.Message {
	snapshot := func(m raft.Message) bool { return m.Type == raft.MsgSnap }
	if !slices.ContainsFunc(messages, snapshot) {
		return messages
	}
	var rest []raft.Message
	for _, m := range messages {
		if snapshot(m) {
			r.sendSnapshot(m)
		} else {
			rest = append(rest, m)
		}
	}
	return rest
}
