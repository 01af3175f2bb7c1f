package replica

import (
	"context"
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// Alone makes the member that cfg describes decide by itself, before it is opened: for a group whose
// other members are lost for good. All that its log holds counts as committed, also what it did not
// know to be: what was acknowledged elsewhere is not lost if it arrived here. Then it applies
// what changes returns, which is asked for when the state machine has applied all of the log, and must leave
// the member as the only voter; none: it is that already. Transport and Peers of cfg are not used.
//
// What the log holds is the decision: a crash before it is written leaves the group as it was, or with
// more of the log committed, and a crash after it is made good by the next start, with Alone or
// without. It is nothing for a group that others still run: they go on, and the two will disagree.
func Alone(ctx context.Context, cfg Config, changes func() ([]raft.ConfChange, error)) error {
	cfg.Transport, cfg.Peers = nil, nil
	last, hard, err := logEnd(cfg.Log)
	if err != nil {
		return err
	}
	if last > hard.Commit {
		hard.Commit = last
		if err := cfg.Log.Write(nil, nil, hard, true); err != nil {
			return fmt.Errorf("replica: committing the log's end: %w", err)
		}
	}
	if err := settle(ctx, cfg); err != nil {
		return err
	}
	list, err := changes()
	if err != nil || len(list) == 0 {
		return err
	}
	if err := decide(&cfg, list); err != nil {
		return err
	}
	return settle(ctx, cfg)
}

// decide appends changes to the log as committed, in a term of the member's own.
func decide(cfg *Config, changes []raft.ConfChange) error {
	last, hard, err := logEnd(cfg.Log)
	if err != nil {
		return err
	}
	hard.Term, hard.Vote = hard.Term+1, cfg.ID
	number := random()
	var entries []raft.Entry
	for i, cc := range changes {
		cc.Context = append(appendEnvelope(nil, cfg.ID, number+uint64(i)), cc.Context...)
		entries = append(entries, raft.Entry{Index: last + 1 + raft.Index(i), Term: hard.Term, Type: raft.EntryConfChange, Data: cc.Append(nil)})
	}
	hard.Commit = last + raft.Index(len(entries))
	if err := cfg.Log.Write(nil, entries, hard, true); err != nil {
		return fmt.Errorf("replica: writing the membership: %w", err)
	}
	return nil
}

func logEnd(log Log) (last raft.Index, hard raft.HardState, err error) {
	if last, err = log.LastIndex(); err == nil {
		var stored raft.StoredState
		stored, err = log.InitialState()
		hard = stored.Hard
	}
	if err != nil {
		return 0, hard, fmt.Errorf("replica: reading the log: %w", err)
	}
	return last, hard, nil
}

// settlePoll is how often settle looks.
const settlePoll = 5 * time.Millisecond

// settle runs the member, whom nobody hears, until it has applied what its log says is committed.
func settle(ctx context.Context, cfg Config) (err error) {
	_, hard, err := logEnd(cfg.Log)
	if err != nil {
		return err
	}
	r, err := Open(cfg)
	if err != nil {
		return err
	}
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for err == nil && cfg.State.Applied().Index < hard.Commit {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-r.Done():
			err = r.Err()
		case <-tick.C:
		}
	}
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return err
}
