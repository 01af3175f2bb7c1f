package targets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/replica/peers"
	"github.com/etalon-kv/etalon/results"
)

// Replica is the target of a replicated store without its wire: a group of members in one process, each
// with a log and a state machine of its own, joined in memory. A write is one command in the log,
// answered when the leader has applied it; a read is a ReadIndex and then a read of the leader's
// state. A read-modify-write reads a key, then puts it in a transaction that compares its mod
// revision with the one read; if it has changed meanwhile the operation reads again, so conflicts
// show as time and never as errors.
//
// All sessions ask the member that leads. Sessions may run side by side.
type Replica struct {
	cfg     ReplicaConfig
	label   results.Durability
	members []*replicaMember
	stages  *bench.Stages
	device  func() int64
	leader  atomic.Int64 // who leads, as an index into members; the newest that was heard of
}

// ReplicaMember is what one member stands on. Log and State are of whoever opened them, and are closed
// after the group.
type ReplicaMember struct {
	Log   replica.Log
	State *apply.Machine
	// Dir is where images of snapshots wait; it outlasts the process.
	Dir string
}

// ReplicaConfig describes a group.
type ReplicaConfig struct {
	// Members are 1 to 7, all new or all of a group of as many that was closed before.
	Members []ReplicaMember
	// Persistent says that the logs survive the process: otherwise the label is none. The state
	// machines need not: what they lose is in the log.
	Persistent bool
	// Durability is how the logs are written: group lets all proposals that wait share a sync, none asks
	// for no sync, which Raft does not allow: it says what the syncs cost. The state machine's engine
	// commits by a policy of its own, which the label does not depend on.
	Durability results.Durability
	// Gauges tells the sizes and counts of all members together, safe for concurrent use; DeviceBytes
	// is filled in here. nil = unknown.
	Gauges func() bench.Gauges
	// DrainStores waits for the background work of the members' engines. nil = there is none.
	DrainStores func(context.Context) error
	// Options are the effective options of engine and log by component, for the record.
	Options map[string]map[string]string
	// Dir is where the files are, for the count of the device below; "" = nowhere.
	Dir string
	// Seed draws the election timeouts.
	Seed uint64
	// Tick is the unit of the core's time; an election takes 10 to 20. 0 = 100 ms.
	Tick time.Duration
}

// Validate fills in defaults and refuses nonsense.
func (c *ReplicaConfig) Validate() error {
	if n := len(c.Members); n < 1 || n > 7 {
		return fmt.Errorf("targets: a group of %d replicas, accepted: 1 to 7", n)
	}
	switch c.Durability {
	case results.DurabilityGroup, results.DurabilityNone:
	default:
		return fmt.Errorf("targets: durability %q of a replica, accepted: group, none", c.Durability)
	}
	if c.Tick < 0 {
		return fmt.Errorf("targets: replica tick %v, accepted is nothing negative", c.Tick)
	}
	if c.Tick == 0 {
		c.Tick = 100 * time.Millisecond
	}
	if c.Gauges == nil {
		c.Gauges = unknownGauges
	}
	return nil
}

func unknownGauges() bench.Gauges {
	return bench.Gauges{DiskBytes: -1, LiveBytes: -1, LogBytes: -1, WrittenBytes: -1, Syncs: -1, DeviceBytes: -1}
}

// replicaMember is a member while it runs.
type replicaMember struct {
	*replica.Replica
	state *apply.Machine
}

// replicaElectionTicks is an election timeout.
const replicaElectionTicks = 10

// NewReplica founds a group on empty members, or goes on with one, and returns when it has a leader. ctx
// bounds that alone. The caller closes the group, then logs and state machines.
func NewReplica(ctx context.Context, cfg ReplicaConfig) (*Replica, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Replica{cfg: cfg, label: cfg.Durability, stages: bench.NewStages(MemberStages()...), device: deviceCounter(cfg.Dir)}
	if !cfg.Persistent {
		g.label = results.DurabilityNone
	}
	var founders []apply.Member
	for i := range cfg.Members {
		founders = append(founders, apply.Member{ID: uint64(i + 1), Name: fmt.Sprint("member-", i+1)})
	}
	net := peers.NewNet()
	for i := range cfg.Members {
		if err := g.start(i, founders, net); err != nil {
			return nil, errors.Join(fmt.Errorf("targets: replica %d: %w", i+1, err), g.Close())
		}
	}
	if err := g.members[0].ReadIndex(ctx); err != nil { // which waits for a leader
		return nil, errors.Join(fmt.Errorf("targets: the group has no leader: %w", err), g.Close())
	}
	return g, nil
}

// start opens the i-th member, and founds it if it is new.
func (g *Replica) start(i int, founders []apply.Member, net *peers.Net) error {
	parts := g.cfg.Members[i]
	found := parts.State.Applied().Index == 0
	if found {
		if err := parts.State.Found(founders); err != nil {
			return err
		}
	}
	var opened atomic.Pointer[replica.Replica]
	cfg := replica.Config{
		ID: raft.NodeID(i + 1), Group: 1, Log: parts.Log, State: parts.State, Found: found, Dir: parts.Dir, TickInterval: g.cfg.Tick,
		Raft: raft.Config{
			ElectionTicks: replicaElectionTicks, HeartbeatTicks: 1, Rand: rand.New(rand.NewPCG(g.cfg.Seed, uint64(i+1))),
		},
		Stages: func(s replica.Stage, took time.Duration, proposals int) {
			r := opened.Load() // nil: it is being opened
			if r != nil && r.Progress().Leads {
				g.stages.Record(int(s), took, proposals)
			}
		},
	}
	if len(founders) > 1 {
		cfg.Transport = net.Member(cfg.ID)
		for _, other := range founders {
			if other.ID != uint64(i+1) {
				cfg.Peers = append(cfg.Peers, peers.Peer{ID: raft.NodeID(other.ID)})
			}
		}
	}
	if g.cfg.Durability == results.DurabilityNone {
		cfg.Log = unsyncedLog{parts.Log}
	}
	r, err := replica.Open(cfg)
	if err != nil {
		return err
	}
	opened.Store(r)
	g.members = append(g.members, &replicaMember{r, parts.State})
	return nil
}

// unsyncedLog is a log that is never asked to sync.
type unsyncedLog struct{ replica.Log }

func (l unsyncedLog) Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, _ bool) error {
	return l.Log.Write(snap, entries, hard, false)
}

func (l unsyncedLog) Sync() error { return nil }

// lead is the member that leads, or that did when last heard of.
func (g *Replica) lead() *replicaMember {
	m := g.members[g.leader.Load()]
	now, _ := m.Leadership()
	if now.Leads {
		return m
	}
	if id := int64(now.Leader); id > 0 && id <= int64(len(g.members)) {
		g.leader.Store(id - 1)
		return g.members[id-1]
	}
	return m
}

// Close stops all members and waits for them; operations under way are answered replica.ErrClosed. It
// returns what had stopped a member before, nil if nothing had.
func (g *Replica) Close() error {
	var errs []error
	for _, m := range g.members {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// Hash is that of all keys and revisions, the same whatever engine and index hold them.
func (g *Replica) Hash(ctx context.Context) (string, error) {
	h, err := g.lead().state.HashKV(ctx, 0)
	return fmt.Sprintf("%08x", h.Hash), err
}

// Durability is the label of what the target gives.
func (g *Replica) Durability() results.Durability { return g.label }

// Consistency is linearizable: writes go through the log, reads ask a quorum.
func (g *Replica) Consistency() results.Consistency { return results.Linearizable }

// Options are those of the group, and of its engines and logs.
func (g *Replica) Options() map[string]map[string]string {
	all := map[string]map[string]string{
		"replica": {
			"nodes": strconv.Itoa(len(g.members)), "tick": g.cfg.Tick.String(), "electionTicks": strconv.Itoa(replicaElectionTicks),
			"heartbeatTicks": "1", "preVote": "true", "checkQuorum": "true", "readMode": "quorum", "transport": "memory",
			"asked": "the leader",
		},
	}
	for component, options := range g.cfg.Options {
		all[component] = options
	}
	return all
}

// Gauges are the sums over all members, and the device's.
func (g *Replica) Gauges() bench.Gauges {
	all := g.cfg.Gauges()
	all.DeviceBytes = g.device()
	return all
}

// TakeStages implements bench.Staged.
func (g *Replica) TakeStages() []results.Stage { return g.stages.TakeStages() }

// Drain returns when every member has applied everything that was acknowledged, and the engines have
// nothing left to do.
func (g *Replica) Drain(ctx context.Context) error {
	for _, m := range g.members {
		if err := m.ReadIndex(ctx); err != nil {
			return err
		}
	}
	if g.cfg.DrainStores == nil {
		return nil
	}
	return g.cfg.DrainStores(ctx)
}

// ErrorClass names the class of an error of Do; "" is one it does not know.
func (g *Replica) ErrorClass(err error) string {
	return classOf(err, append([]errorClass{
		{replica.ErrBusy, "busy"},
		{replica.ErrTooBig, "too-large"},
		{replica.ErrTimeout, "timeout"},
		{replica.ErrLost, "lost"},
		{replica.ErrLeaderChanged, "leadership-lost"},
		{replica.ErrStopped, "stopped"},
		{replica.ErrClosed, "closed"},
		{apply.ErrNoSpace, "no-space"},
		{apply.ErrCorrupt, "corrupt"},
		{apply.ErrCompacted, "compacted"},
		{apply.ErrFutureRevision, "future-revision"},
		{apply.ErrEmptyKey, "empty-key"},
	}, engineClasses()...))
}

var (
	_ bench.Target       = (*Replica)(nil)
	_ bench.Drainer      = (*Replica)(nil)
	_ bench.Gauger       = (*Replica)(nil)
	_ bench.Labeled      = (*Replica)(nil)
	_ bench.Described    = (*Replica)(nil)
	_ bench.ErrorClasser = (*Replica)(nil)
	_ bench.Staged       = (*Replica)(nil)
	_ bench.Watchable    = (*Replica)(nil)
	_ bench.Compactor    = (*Replica)(nil)
	_ io.Closer          = (*Replica)(nil)
)
