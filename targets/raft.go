package targets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/results"
)

// Raft is the target of consensus alone: a group of members in one process, each with a log of its
// own, joined by queues in memory, and a state machine that does nothing. A write is one entry with
// all pairs of its batch in it, answered when the leader hands it out as committed; a read of any kind is
// a ReadIndex, answered when a linearizable read could begin, and returns no data; a
// read-modify-write is the one and then the other. So there are no answers to judge, and nothing to
// load.
//
// # The life of a write
//
// A session puts its request into the inbox of the member that leads. That member's goroutine takes
// all requests that wait there and hands them to the core together. The core's Ready goes two
// ways at once: the entries to the log's own goroutine, which writes all batches that wait for
// it and syncs once, and the appends to the other members' inboxes, who do the same. Persistence and
// acknowledgements come back through the inbox; when a quorum has the batch, the leader included, its
// requests are answered.
//
// # Stages
//
// See RaftStages. From the request to the answer an operation takes
//
//	queue + the longer of (wait + append + sync) and replicate + commit
//
// of its batch, and the time until its session runs again.
//
// Sessions may run side by side.
type Raft struct {
	cfg     RaftConfig
	label   results.Durability
	members []*raftMember
	stages  *bench.Stages
	device  func() int64
	leader  atomic.Int64 // who leads, as an index into members; the newest that was heard of
	began   time.Time

	running sync.WaitGroup
	stop    context.CancelFunc
	led     chan struct{} // closed when somebody has led
	ledOnce sync.Once

	mu  sync.Mutex
	err error // what stopped the group
}

// RaftLog is a member's log, such as raft/wal.Log and raft/kvlog.Log: their writing methods have the
// contract. It belongs to whoever opened it, and stays open until the group is closed.
type RaftLog interface {
	raft.Storage
	Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) error
	CreateSnapshot(at raft.Index, conf raft.ConfState, data []byte) error
	Compact(at raft.Index) error
	Sync() error
}

// RaftConfig describes a group.
type RaftConfig struct {
	// Logs are the members' logs, all of one kind and empty; as many as there are members, 1 to 7.
	Logs []RaftLog
	// Persistent says that the logs survive the process: otherwise the label is none.
	Persistent bool
	// Durability is how the logs are written: group lets all batches that wait share a sync; sync gives
	// each entry a write and a sync of its own, on every member; none asks for no sync, which Raft
	// does not allow: it says what the syncs cost. interval is not for a log that others vote by.
	Durability results.Durability
	// Gauges tells the sizes and counts of all logs together, safe for concurrent use; DeviceBytes is
	// filled in here. nil = unknown.
	Gauges func() bench.Gauges
	// Options are the effective options of the logs, for the record.
	Options map[string]string
	// Dir is where the logs' files are, for the count of the device below; "" = nowhere.
	Dir string
	// Seed draws the election timeouts.
	Seed uint64
	// Tick is the unit of the core's time; an election takes 10 to 20. 0 = 100 ms.
	Tick time.Duration
	// CutBytes is how many bytes of entries a log takes between two cuts; behind a cut stays
	// as much again. 0 = 32 MiB.
	CutBytes int64
}

// Validate fills in defaults and refuses nonsense.
func (c *RaftConfig) Validate() error {
	if n := len(c.Logs); n < 1 || n > 7 {
		return fmt.Errorf("targets: a raft group of %d, accepted: 1 to 7", n)
	}
	switch c.Durability {
	case results.DurabilitySync, results.DurabilityGroup, results.DurabilityNone:
	default:
		return fmt.Errorf("targets: durability %q of a raft log, accepted: sync, group, none", c.Durability)
	}
	if c.Tick < 0 || c.CutBytes < 0 {
		return fmt.Errorf("targets: raft tick %v, cut bytes %d: accepted is nothing negative", c.Tick, c.CutBytes)
	}
	if c.Tick == 0 {
		c.Tick = 100 * time.Millisecond
	}
	if c.CutBytes == 0 {
		c.CutBytes = 32 << 20
	}
	if c.Gauges == nil {
		c.Gauges = unknownGauges
	}
	return nil
}

// Errors of a session, beside those of contexts and of the logs.
var (
	// ErrGroupClosed: the group was closed, or has failed; then the cause is wrapped beside it.
	ErrGroupClosed = errors.New("targets: raft group is closed")
	// ErrLeadershipLost: the leader that took the write leads no more. Whether it will be committed
	// is not known.
	ErrLeadershipLost = errors.New("targets: raft leader lost its leadership")
)

// Sizes of elections, as multiples of a tick.
const (
	raftElectionTicks  = 10
	raftHeartbeatTicks = 1
)

// NewRaft founds a group on empty logs and returns when it has a leader. ctx bounds that alone. The
// caller closes the group, then the logs.
func NewRaft(ctx context.Context, cfg RaftConfig) (*Raft, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Raft{cfg: cfg, label: cfg.Durability, stages: bench.NewStages(RaftStages()...), device: deviceCounter(cfg.Dir),
		began: time.Now(), led: make(chan struct{})}
	if !cfg.Persistent {
		g.label = results.DurabilityNone
	}
	var conf raft.ConfState
	for i := range cfg.Logs {
		conf.Voters = append(conf.Voters, raft.NodeID(i+1))
	}
	for i, log := range cfg.Logs {
		m, err := g.newMember(raft.NodeID(i+1), log, conf)
		if err != nil {
			return nil, fmt.Errorf("targets: raft member %d: %w", i+1, err)
		}
		g.members = append(g.members, m)
	}
	if err := g.members[0].node.Campaign(); err != nil { // instead of a timeout
		return nil, fmt.Errorf("targets: first election: %w", err)
	}
	var run context.Context
	run, g.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, m := range g.members {
		g.running.Go(func() { m.run(run) })
		g.running.Go(func() { m.writer.run(run) })
	}
	select {
	case <-g.led:
		return g, nil
	case <-run.Done():
		return nil, g.Close()
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), g.Close())
	}
}

// newMember makes the log that of a founding member, and the member.
func (g *Raft) newMember(id raft.NodeID, log RaftLog, conf raft.ConfState) (*raftMember, error) {
	founding := raft.FoundingSnapshot(conf)
	if err := log.Write(founding, nil, raft.HardState{Term: founding.Term, Commit: founding.Index}, true); err != nil {
		return nil, fmt.Errorf("found the group: %w", err)
	}
	node, err := raft.NewRawNode(&raft.Config{
		ID: id, Storage: log, Rand: rand.New(rand.NewPCG(g.cfg.Seed, uint64(id))),
		ElectionTicks: raftElectionTicks, HeartbeatTicks: raftHeartbeatTicks,
		PreVote: true, CheckQuorum: true, NoForward: true,
	})
	if err != nil {
		return nil, err
	}
	m := &raftMember{g: g, id: id, node: node, applied: founding.Index, match: make([]raft.Index, len(conf.Voters))}
	m.inbox.wake = make(chan struct{}, 1)
	m.writer = &raftWriter{m: m, log: log, conf: conf, wake: make(chan struct{}, 1)}
	return m, nil
}

// now is the group's clock.
func (g *Raft) now() time.Duration { return time.Since(g.began) }

// send puts messages into the inboxes of those they are for. A message that finds no room is lost, as in
// any network.
func (g *Raft) send(messages []raft.Message) {
	for i := range messages {
		g.members[messages[i].To-1].inbox.deliver(&messages[i])
	}
}

// fail stops the group: the first err is what every session is answered from then on.
func (g *Raft) fail(err error) {
	g.mu.Lock()
	if g.err == nil {
		g.err = err
	}
	g.mu.Unlock()
	g.stop()
}

// end is the error of whoever still waits when the group has stopped.
func (g *Raft) end() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return fmt.Errorf("%w: %w", ErrGroupClosed, g.err)
	}
	return ErrGroupClosed
}

// Close stops all members and waits for them; requests under way are answered ErrGroupClosed. It
// returns what had stopped the group before, nil if nothing had. A second Close returns the same.
func (g *Raft) Close() error {
	g.stop()
	g.running.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Durability is the label of what the target gives.
func (g *Raft) Durability() results.Durability { return g.label }

// Consistency is linearizable: writes go through the log, reads ask a quorum.
func (g *Raft) Consistency() results.Consistency { return results.Linearizable }

// Options are those of the group and of its logs.
func (g *Raft) Options() map[string]map[string]string {
	return map[string]map[string]string{
		"raft": {
			"nodes": strconv.Itoa(len(g.members)), "tick": g.cfg.Tick.String(),
			"electionTicks": strconv.Itoa(raftElectionTicks), "heartbeatTicks": strconv.Itoa(raftHeartbeatTicks),
			"preVote": "true", "checkQuorum": "true", "readMode": "quorum",
			"cutBytes": strconv.FormatInt(g.cfg.CutBytes, 10), "transport": "memory", "stateMachine": "none",
		},
		"log": g.cfg.Options,
	}
}

// Gauges are the sums over all members' logs, and the device's.
func (g *Raft) Gauges() bench.Gauges {
	all := g.cfg.Gauges()
	all.DeviceBytes = g.device()
	return all
}

// TakeStages implements bench.Staged.
func (g *Raft) TakeStages() []results.Stage { return g.stages.TakeStages() }

// Drain returns when every member has applied everything that was acknowledged.
func (g *Raft) Drain(ctx context.Context) error {
	r := newRaftRequest(raftBarrier)
	if err := g.ask(ctx, r, g.members[g.leader.Load()]); err != nil {
		return err
	}
	for _, m := range g.members {
		all := newRaftRequest(raftBarrier)
		all.index = r.index
		if err := g.ask(ctx, all, m); err != nil {
			return err
		}
	}
	return nil
}

// ErrorClass names the class of an error of Do; "" is one it does not know.
func (g *Raft) ErrorClass(err error) string {
	return classOf(err, append([]errorClass{
		{ErrLeadershipLost, "leadership-lost"},
		{ErrGroupClosed, "closed"},
		{raft.ErrEntryTooBig, "too-large"},
		{raft.ErrProposalDropped, "dropped"},
	}, engineClasses()...))
}

var (
	_ bench.Target       = (*Raft)(nil)
	_ bench.Drainer      = (*Raft)(nil)
	_ bench.Gauger       = (*Raft)(nil)
	_ bench.Labeled      = (*Raft)(nil)
	_ bench.Described    = (*Raft)(nil)
	_ bench.ErrorClasser = (*Raft)(nil)
	_ bench.Staged       = (*Raft)(nil)
)
