package replicasim

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
	FailedSyncs
	SlowDisks
	Pauses
	Drift
	Jumps
	Membership
	Transfers
	Compaction
	allFaults = 1<<iota - 1
)

var faultNames = [...]string{"loss", "duplicates", "late", "one-way", "partitions", "crashes", "crash-points", "power-cuts",
	"failed-syncs", "slow-disks", "pauses", "drift", "jumps", "membership", "transfers", "compaction"}

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

// maxDrift is by how many millionths clocks are wrong at most.
const maxDrift = 100_000

// plan is everything that a seed decides before the run begins.
type plan struct {
	faults     Faults
	voters     int
	spares     int
	raft       raft.Config
	cut, keep  raft.Index // of the log, in entries
	link       sim.Link
	tick       time.Duration
	disk       time.Duration // a write takes up to this
	think      time.Duration // between requests of a client, on average
	nemesis    time.Duration // between faults, on average
	segment    int64
	checkpoint time.Duration // of leases; 0: none
}

func drawPlan(rng *rand.Rand, off Faults) plan {
	coin := func() bool { return rng.IntN(2) == 0 }
	p := plan{faults: Faults(rng.Uint32()) & allFaults, voters: 1 + rng.IntN(5), tick: 20 * time.Millisecond}
	if rng.IntN(3) > 0 {
		p.voters = 3
	}
	p.raft = raft.Config{ElectionTicks: 6 + rng.IntN(8), PreVote: true, CheckQuorum: true, SnapshotTicks: 20 + rng.IntN(20), CacheBytes: uint64(1 + rng.IntN(4000)),
		MaxMessageBytes: uint64(200 + rng.IntN(2000)), MaxInflightMessages: 1 + rng.IntN(16), MaxInflightBytes: uint64(1 + rng.IntN(8000)),
		MaxCommittedBytes: uint64(1 + rng.IntN(4000)), MaxUncommittedBytes: uint64(2000 + rng.IntN(10000)), MaxPendingReads: 1 + rng.IntN(64)}
	if coin() {
		p.raft.ReadMode = raft.ReadLease
	}
	p.cut, p.keep = raft.Index(5+rng.IntN(60)), raft.Index(1+rng.IntN(30))
	p.link = sim.Link{MinDelay: 100 * time.Microsecond, MaxDelay: time.Duration(1+rng.IntN(15)) * time.Millisecond}
	p.disk = time.Duration(1+rng.IntN(8)) * time.Millisecond
	p.think = time.Duration(20+rng.IntN(60)) * time.Millisecond
	p.nemesis = time.Duration(100+rng.IntN(500)) * time.Millisecond
	p.segment = 4096 << rng.IntN(5)
	if coin() {
		p.checkpoint = time.Second
	}
	loss, duplicate, late := 10+rng.IntN(100), 10+rng.IntN(100), 5+rng.IntN(40)
	if coin() {
		p.faults &= Faults(rng.Uint32())
	}
	p.faults &^= off
	if p.has(Loss) {
		p.link.Loss = loss
	}
	if p.has(Duplicates) {
		p.link.Duplicate = duplicate
	}
	if p.has(LateMessages) {
		p.link.Late, p.link.LateBy = late, 3*time.Second
	}
	if p.has(Membership) {
		p.spares = 2
	}
	return p
}

func (p *plan) has(f Faults) bool { return p.faults&f != 0 }

func (p *plan) String() string {
	return fmt.Sprintf("%d voters, %d spares, election %d ticks, lease reads=%t, cut every %d keep %d; faults: %s",
		p.voters, p.spares, p.raft.ElectionTicks, p.raft.ReadMode == raft.ReadLease, p.cut, p.keep, p.faults)
}
