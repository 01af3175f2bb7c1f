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
	SlowTypes   // some types of message take longer than others
	SlowApplies // state machines that lag behind their logs
	Rejoins     // a member is removed, forgets its log, and is added again
	Ambushes    // the next fault follows a membership change or a transfer at once
	Weeks       // everybody is down for a week; messages of before arrive after it
	RolledBack  // a disk is replaced by an old copy
	allFaults   = 1<<iota - 1
)

var faultNames = [...]string{"loss", "duplicates", "late", "one-way", "partitions", "crashes", "crash-points", "power-cuts",
	"torn", "failed-syncs", "slow-disks", "lost-disks", "pauses", "drift", "jumps", "membership", "transfers", "compaction", "unreachable",
	"slow-types", "slow-applies", "rejoins", "ambushes", "weeks", "rolled-back"}

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

// week is how long Weeks lets everybody be down.
const week = 7 * 24 * time.Hour

// plan is everything that a seed decides before the run begins.
type plan struct {
	faults    Faults
	voters    int
	spares    int
	cfg       raft.Config
	link      sim.Link
	tick      time.Duration
	disk      time.Duration // a write takes up to this
	apply     time.Duration // some entries are applied within this
	think     time.Duration // between requests of clients, on average
	nemesis   time.Duration // between faults, on average
	snapshots time.Duration // between snapshots of the group, on average
	keep      int           // entries that may be kept behind one
	segment   int64         // of the log
	cache     int64         // of the log
	slow      uint32        // types of messages that are slow, a bit each
	slowBy    time.Duration
	weekAt    time.Duration // when everybody goes down for a week; 0: never
	dark      bool          // faults end with a power cut of everybody
}

// drawPlan draws everything, whatever faults are off, so that those do not change the rest.
func drawPlan(rng *rand.Rand, off Faults) plan {
	coin := func() bool { return rng.IntN(2) == 0 }
	ms := func(from, n int) time.Duration { return time.Duration(from+rng.IntN(n)) * time.Millisecond }
	p := plan{faults: Faults(rng.Uint32()) & allFaults, voters: 1 + rng.IntN(7), tick: 20 * time.Millisecond}
	if rng.IntN(3) > 0 {
		p.voters = 3 + 2*rng.IntN(2)
	}
	p.cfg = raft.Config{ElectionTicks: 6 + rng.IntN(8), HeartbeatTicks: 1, PreVote: coin(), CheckQuorum: rng.IntN(3) > 0, NoForward: rng.IntN(4) == 0,
		SnapshotTicks: 20 + rng.IntN(20), CacheBytes: uint64(1 + rng.IntN(4000)),
		MaxMessageBytes: uint64(1 + rng.IntN(600)), MaxInflightMessages: 1 + rng.IntN(8), MaxInflightBytes: uint64(1 + rng.IntN(2000)),
		MaxCommittedBytes: uint64(1 + rng.IntN(1000)), MaxUncommittedBytes: uint64(500 + rng.IntN(5000)), MaxPendingReads: 1 + rng.IntN(64)}
	if rng.IntN(3) > 0 {
		p.cfg.CacheBytes = 1 << 16
	}
	lease, tight := coin(), coin()
	if p.cfg.CheckQuorum && lease {
		p.cfg.ReadMode = raft.ReadLease
		if tight { // as long as clocks that are off by 10 % allow; see raft.Config
			p.cfg.LeaseTicks = min(p.cfg.ElectionTicks-2, (p.cfg.ElectionTicks-1)*9/11)
		}
	}
	p.link = sim.Link{MinDelay: 100 * time.Microsecond, MaxDelay: ms(1, 20)}
	p.disk, p.apply = ms(1, 10), 3*time.Millisecond
	p.think, p.nemesis = ms(5, 40), ms(60, 400)
	p.snapshots, p.keep = ms(200, 1), 12
	p.segment, p.cache = 4096<<rng.IntN(5), 1<<12
	loss, duplicate, late := 10+rng.IntN(150), 10+rng.IntN(150), 5+rng.IntN(40)
	if coin() { // half of the seeds stay small: bugs that need peace between two faults
		p.faults &= Faults(rng.Uint32())
	}
	p.dark = coin()
	p.drawTheme(rng)
	p.faults &^= off
	p.drawSlowness(rng)
	if rng.IntN(4) > 0 {
		p.cache = 1 << 16
	}
	if coin() {
		p.snapshots, p.keep = 40*time.Millisecond, 1
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
	if p.has(Membership | LostDisks | Rejoins | RolledBack) {
		p.spares = 2
	}
	return p
}

// drawTheme makes one seed in six an attack on leases and one in six one on membership changes: with
// all the faults on that it takes to break those, which by chance are seldom together.
func (p *plan) drawTheme(rng *rand.Rand) {
	theme, hurry := rng.IntN(6), time.Duration(50+rng.IntN(100))*time.Millisecond
	switch theme {
	case 0:
		p.cfg.CheckQuorum, p.cfg.ReadMode = true, raft.ReadLease
		p.faults |= OneWayCuts | Transfers | Crashes | Pauses | Ambushes
		p.nemesis = hurry
	case 1:
		p.faults |= Membership | Crashes | OneWayCuts | Ambushes
		p.nemesis = hurry
	}
}

// drawSlowness decides what is slow.
func (p *plan) drawSlowness(rng *rand.Rand) {
	disk, slowDisk := time.Duration(20+rng.IntN(400))*time.Millisecond, rng.IntN(3) == 0
	if p.has(SlowDisks) && slowDisk {
		p.disk = disk // longer than elections take
	}
	apply := time.Duration(10+rng.IntN(300)) * time.Millisecond
	if p.has(SlowApplies) {
		p.apply = apply
	}
	types, by := rng.Uint32()&rng.Uint32(), time.Duration(rng.Int64N(2*int64(p.tick)*int64(p.cfg.ElectionTicks)))
	if p.has(SlowTypes) {
		p.slow, p.slowBy = types, by+1
	}
	at := time.Duration(2+rng.IntN(5)) * time.Second
	if p.has(Weeks) {
		p.weekAt = at
	}
}

// has reports whether any of f is on.
func (p *plan) has(f Faults) bool { return p.faults&f != 0 }

func (p *plan) String() string {
	return fmt.Sprintf("%d voters, %d spares, election %d ticks, prevote=%t checkquorum=%t lease=%t; faults: %s",
		p.voters, p.spares, p.cfg.ElectionTicks, p.cfg.PreVote, p.cfg.CheckQuorum, p.cfg.ReadMode == raft.ReadLease, p.faults)
}
