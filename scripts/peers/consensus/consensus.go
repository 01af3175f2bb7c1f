// Package consensus is the piece of work on which Raft cores are measured beside each other. Each core
// is a Group in a program of its own: so many RawNodes in one process, each on the in-memory storage
// of its own library, with messages handed over by call. What is proposed, in which batches, and how
// it is measured is here and the same for all.
//
// The work: node 1 is elected; then, again and again, a batch of entries of equal data is proposed at
// node 1, one call an entry, and carried through until no node has anything more to do: every node
// has stored, committed and applied it. Nothing is synced and no state machine does anything, so
// what is measured is the core's own cost, of all nodes together.
package consensus

import (
	"flag"
	"fmt"
	"io"
	"runtime"
	"syscall"
	"time"
)

// Group is what is measured. It is used by one goroutine.
type Group interface {
	// Elect makes node 1 the leader.
	Elect() error
	// Propose proposes data at node 1. data is not changed afterwards.
	Propose(data []byte) error
	// Pump carries everything through: Readies, messages and storage of all nodes, until none has any.
	Pump() error
	// Applied is how many entries with data a node, counted from 0, has handed out as committed.
	Applied(node int) int
}

// Settings that are equal for all groups.
const (
	ElectionTick    = 10
	HeartbeatTick   = 1
	MaxMessageBytes = 1 << 20
	MaxInflight     = 256
	// CutEvery is after how many entries a node's log is cut, and Keep how many entries stay.
	CutEvery = 10_000
	Keep     = 100
)

// Plan says how much is done.
type Plan struct {
	Voters  int // nodes in the group
	Batch   int // entries that are proposed before they are carried through
	Entries int // entries that are measured; a tenth as many go before
	Bytes   int // of an entry's data
}

// Flags defines the flags of a program that measures one group.
func (p *Plan) Flags(fs *flag.FlagSet) {
	fs.IntVar(&p.Voters, "voters", 3, "nodes in the group")
	fs.IntVar(&p.Batch, "batch", 64, "entries proposed before they are carried through")
	fs.IntVar(&p.Entries, "entries", 100_000, "entries to commit")
	fs.IntVar(&p.Bytes, "bytes", 256, "bytes an entry")
}

// Validate refuses a Plan that cannot be carried out.
func (p Plan) Validate() error {
	if p.Voters < 1 || p.Batch < 1 || p.Entries < 1 || p.Bytes < 1 {
		return fmt.Errorf("voters %d, batch %d, entries %d, bytes %d: at least 1 each", p.Voters, p.Batch, p.Entries, p.Bytes)
	}
	return nil
}

// Run carries p out on g and writes a line "NS CPU ALLOCS" to out: nanoseconds, nanoseconds of CPU
// time of the whole process, collector included, and heap allocations, each an entry. CPU time tells more than time
// on a machine that does other things too.
func Run(p Plan, g Group, out io.Writer) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if err := g.Elect(); err != nil {
		return fmt.Errorf("elect: %w", err)
	}
	data := make([]byte, p.Bytes)
	before := p.Entries/10 + 1
	if err := commit(g, before, p.Batch, data); err != nil {
		return err
	}
	runtime.GC()
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	start, cpu := time.Now(), cpuTime()
	if err := commit(g, p.Entries, p.Batch, data); err != nil {
		return err
	}
	took, used := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&to)
	for i := range p.Voters {
		if got, want := g.Applied(i), before+p.Entries; got != want {
			return fmt.Errorf("node %d has applied %d of %d entries", i+1, got, want)
		}
	}
	n := float64(p.Entries)
	_, err := fmt.Fprintf(out, "%.1f %.1f %.2f\n", float64(took.Nanoseconds())/n, float64(used.Nanoseconds())/n, float64(to.Mallocs-from.Mallocs)/n)
	return err
}

// cpuTime is what the process has used, user and system.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func commit(g Group, n, batch int, data []byte) error {
	for n > 0 {
		now := min(n, batch)
		for range now {
			if err := g.Propose(data); err != nil {
				return fmt.Errorf("propose: %w", err)
			}
		}
		if err := g.Pump(); err != nil {
			return err
		}
		n -= now
	}
	return nil
}
