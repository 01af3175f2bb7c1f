package raftsim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/sim"
)

// Faults is a set of things that go wrong or change in a run.
type Faults uint32

// The faults. Their numbers are part of replay commands.
const (
	Loss Faults = 1 << iota
	Duplicates
	LateMessages
	OneWayCuts
	Partitions
	Crashes
	CrashPoints
	PowerCuts
	TornWrites
	FailedSyncs
	SlowDisks
	LostDisks
	Pauses
	Drift
	Jumps
	Membership
	Transfers
	Compaction
	Unreachable
	allFaults = 1<<iota - 1
)

var faultNames = [...]string{"loss", "duplicates", "late", "one-way", "partitions", "crashes", "crash-points", "power-cuts",
	"torn", "failed-syncs", "slow-disks", "lost-disks", "pauses", "drift", "jumps", "membership", "transfers", "compaction", "unreachable"}

// String lists the names.
func (f Faults) String() string {
	var names []string
	for i, name := range faultNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ",")
}

// plan is everything that a seed decides before the run begins.
type plan struct {
	faults  Faults
	voters  int
	spares  int
	cfg     raft.Config
	link    sim.Link
	tick    time.Duration
	disk    time.Duration // a write takes up to this
	think   time.Duration // between requests of clients, on average
	nemesis time.Duration // between faults, on average
	segment int64
}

func drawPlan(rng *rand.Rand, off Faults) plan {
	coin := func() bool { return rng.IntN(2) == 0 }
	p := plan{faults: Faults(rng.Uint32()) & allFaults, voters: 1 + rng.IntN(7), tick: 20 * time.Millisecond}
	if rng.IntN(3) > 0 {
		p.voters = 3 + 2*rng.IntN(2)
	}
	p.cfg = raft.Config{ElectionTicks: 6 + rng.IntN(8), PreVote: coin(), CheckQuorum: rng.IntN(3) > 0, NoForward: rng.IntN(4) == 0,
		SnapshotTicks: 20 + rng.IntN(20), CacheBytes: uint64(1 + rng.IntN(4000)),
		MaxMessageBytes: uint64(1 + rng.IntN(600)), MaxInflightMessages: 1 + rng.IntN(8), MaxInflightBytes: uint64(1 + rng.IntN(2000)),
		MaxCommittedBytes: uint64(1 + rng.IntN(1000)), MaxUncommittedBytes: uint64(500 + rng.IntN(5000)), MaxPendingReads: 1 + rng.IntN(64)}
	if p.cfg.CheckQuorum && coin() {
		p.cfg.ReadMode = raft.ReadLease
	}
	p.link = sim.Link{MinDelay: 100 * time.Microsecond, MaxDelay: time.Duration(1+rng.IntN(20)) * time.Millisecond}
	p.disk = time.Duration(1+rng.IntN(10)) * time.Millisecond
	p.think = time.Duration(5+rng.IntN(40)) * time.Millisecond
	p.nemesis = time.Duration(60+rng.IntN(400)) * time.Millisecond
	p.segment = 4096 << rng.IntN(5)
	loss, duplicate, late := 10+rng.IntN(150), 10+rng.IntN(150), 5+rng.IntN(40)
	if coin() { // half of the seeds stay small: bugs that need peace between two faults
		p.faults &= Faults(rng.Uint32())
	}
	p.faults &^= off
	if slow := time.Duration(20+rng.IntN(400)) * time.Millisecond; p.has(SlowDisks) && rng.IntN(3) == 0 {
		p.disk = slow // longer than elections take
	}
	if p.has(Loss) {
		p.link.Loss = loss
	}
	if p.has(Duplicates) {
		p.link.Duplicate = duplicate
	}
	if p.has(LateMessages) {
		p.link.Late, p.link.LateBy = late, 3*time.Second
	}
	if p.has(Membership) || p.has(LostDisks) {
		p.spares = 2
	}
	return p
}

func (p *plan) has(f Faults) bool { return p.faults&f != 0 }

func (p *plan) String() string {
	return fmt.Sprintf("%d voters, %d spares, election %d ticks, prevote=%t checkquorum=%t lease=%t; faults: %s",
		p.voters, p.spares, p.cfg.ElectionTicks, p.cfg.PreVote, p.cfg.CheckQuorum, p.cfg.ReadMode == raft.ReadLease, p.faults)
}
