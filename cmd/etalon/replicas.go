package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

// noPolicy is the policy of an engine that commits each batch of entries at once.
const noPolicy = "none"

// behind puts b behind the policy of that name.
func behind(b engine.Backend, name string) (engine.Backend, error) {
	return behindInTurn(b, name, turn{})
}

// turn is a member's place among those that take the same writes, 0 to of-1.
type turn struct{ place, of int }

// phase spreads the members' commits evenly over the interval.
func (t turn) phase(interval time.Duration) time.Duration {
	if t.of < 2 {
		return 0
	}
	return interval * time.Duration(2*t.place+1) / time.Duration(2*t.of)
}

// behindInTurn is behind, with commits at other times than those of the other members.
func behindInTurn(b engine.Backend, name string, t turn) (engine.Backend, error) {
	if name == noPolicy || name == suite.NotApplicable {
		return b, nil
	}
	policy, err := parsePolicy(name)
	if err == nil {
		err = policy.Validate()
	}
	if err == nil {
		policy.Phase = t.phase(policy.Interval)
		var buffered engine.Backend
		if buffered, err = engine.Buffered(b, policy); err == nil {
			return buffered, nil
		}
	}
	return nil, errors.Join(err, b.Close())
}

// memberState is a state machine and the engine that it stands on.
type memberState struct {
	*apply.Machine
	backend atomic.Pointer[engine.Backend] // the one opened last
}

// openState opens the state machine of a member, on the cell's engine and index.
func (j job) openState(ctx context.Context, dir string) (*memberState, error) {
	f := j.Run.Factors
	if _, err := newIndex(f["index"]); err != nil {
		return nil, err
	}
	s := &memberState{}
	var err error
	s.Machine, err = apply.Open(ctx, apply.Config{
		Dir: dir,
		Open: func(dir string) (engine.Backend, error) {
			b, err := openEngine(f["engine"], dir, j.Options[f["engine"]], nil)
			if err == nil {
				b, err = behind(b, f["policy"])
			}
			if err == nil {
				s.backend.Store(&b)
			}
			return b, err
		},
		Index: func() index.Index { i, _ := newIndex(f["index"]); return i }, // checked before
	})
	return s, err
}

func (s *memberState) gauges() bench.Gauges {
	st := (*s.backend.Load()).Stats()
	return bench.Gauges{DiskBytes: st.DiskBytes, LiveBytes: st.LiveBytes, LogBytes: st.LogBytes, WrittenBytes: st.WrittenBytes, Syncs: st.Syncs}
}

func (s *memberState) drain(ctx context.Context) error {
	b := *s.backend.Load()
	if d, ok := b.(engine.Drainer); ok && b.Caps().Drain {
		return d.Drain(ctx)
	}
	return nil
}

// openReplicas opens the replicated store of the job's cell, with a directory a member in dir. The
// figures are those of engines and logs together.
func (j job) openReplicas(ctx context.Context, s *stack, dir string, d results.Durability) error {
	f := j.Run.Factors
	nodes, err := strconv.Atoi(f["nodes"])
	if err != nil {
		return err
	}
	cfg := targets.ReplicaConfig{Persistent: f["log"] != "mem", Durability: d, Seed: j.Run.Seed, Dir: dir, Options: map[string]map[string]string{}}
	var gauges []func() bench.Gauges
	var states []*memberState
	for i := range nodes {
		member := filepath.Join(dir, fmt.Sprint("member-", i+1))
		state, err := j.openState(ctx, filepath.Join(member, "state"))
		if err != nil {
			return err
		}
		s.closers = append(s.closers, state)
		log, err := openLog(f["log"], filepath.Join(member, "log"), uint64(i+1), j.Options[f["log"]], nil)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, log)
		cfg.Members = append(cfg.Members, targets.ReplicaMember{Log: log, State: state.Machine, Dir: filepath.Join(member, "snapshots")})
		states, gauges = append(states, state), append(gauges, state.gauges, diskLog(log.gauges))
		cfg.Options["log"] = log.options
		if b, ok := (*state.backend.Load()).(engine.Described); ok {
			cfg.Options["engine"] = b.Options()
		}
	}
	cfg.Gauges = func() bench.Gauges { return sumGauges(gauges) }
	cfg.DrainStores = func(ctx context.Context) error {
		for _, state := range states {
			if err := state.drain(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	group, err := targets.NewReplica(ctx, cfg)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, group)
	s.target, s.hash = group, group.Hash
	return nil
}

// diskLog counts what a log takes as disk, too: beside an engine it is part of what the store needs.
func diskLog(gauges func() bench.Gauges) func() bench.Gauges {
	return func() bench.Gauges {
		g := gauges()
		g.DiskBytes, g.LiveBytes = g.LogBytes, 0
		return g
	}
}
