package mvcctest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

// Differential drives stores over all of hs with one random history, and demands of all the twin's
// answers, events, hashes and chains. In between they are closed and opened again by the history, and
// killed in the middle of it: all of them live in one child process, which the test kills at random
// moments, also while it opens them, and starts again. What a store has left must hold all that it
// acknowledged as synced, and be a state that the history went through; from there it goes on. In
// the end a dump of each is loaded into the engine of the next. It must be the only thing in its
// test. ETALON_SEEDS sets the number of histories.
func Differential(t *testing.T, hs []Harness) {
	if isChild(t, func(dir string, seed uint64, report io.Writer) { playOn(t, hs, dir, seed, report) }) {
		return
	}
	name, r := t.Name(), seedtest.Rand(t)
	total, kills := rounds(80, 140), 0
	for range seeds(t) {
		seed, dir := r.Uint64(), t.TempDir()
		kills += playAndKill(t, r, name, dir, seed, uint64(total))
		must(t, os.RemoveAll(dir))
		if t.Failed() {
			t.Fatalf("in the history of seed %d", seed)
		}
	}
	t.Logf("%d histories of %d steps, %d combinations, killed %d times", seeds(t), total, len(hs), kills)
}

// playAndKill starts children until one has come to the end, and kills those before.
func playAndKill(t *testing.T, r *rand.Rand, name, dir string, seed, total uint64) (kills int) {
	t.Helper()
	target := uint64(0)
	for range 2 + r.IntN(2) {
		c := startChild(t, name, dir, seed)
		wait := time.Duration(r.IntN(4000)) * time.Microsecond
		if r.IntN(4) == 0 {
			wait = time.Duration(r.IntN(400)) * time.Millisecond // perhaps while it opens
		} else {
			target += 1 + r.Uint64N(total/2)
			for n, ok := c.number(); ok && n < min(target, total-1); n, ok = c.number() {
			}
		}
		if _, ended := c.kill(t, wait); ended {
			return kills
		}
		kills++
	}
	c := startChild(t, name, dir, seed)
	for _, ok := c.number(); ok; _, ok = c.number() {
	}
	if err := c.wait(); err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, &c.output)
	}
	return kills
}

// playOn is the child: it takes the history up where its stores are, and goes on to the end.
func playOn(t *testing.T, hs []Harness, dir string, seed uint64, report io.Writer) {
	acks := readAcks(t, filepath.Join(dir, "acks"))
	log, err := os.OpenFile(filepath.Join(dir, "acks"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(t, err)
	defer log.Close()
	var houses []*house
	place := map[*house]int{}
	for i, h := range hs {
		x := &house{h: h, dir: filepath.Join(dir, strconv.Itoa(i))}
		must(t, os.MkdirAll(x.dir, 0o700))
		x.open(t)
		defer x.close(t, true)
		place[x] = i
		houses = append(houses, x)
	}
	p := newPlay(author{rand.New(rand.NewPCG(seed, 0)), 60}, houses...)
	p.synced = func(x *house, n uint64) {
		_, err := fmt.Fprintf(log, "ack %d %d.\n", place[x], n)
		must(t, err)
	}
	p.meet(t)
	for i, x := range houses {
		if x.backend.Caps().Persistent && x.applied < acks[i] {
			t.Fatalf("%s: step %d is the last that is there, and %d was acknowledged", x.h.Name, x.applied, acks[i])
		}
	}
	for range rounds(80, 140) {
		p.run(t, 1)
		_, err := fmt.Fprintln(report, p.n)
		must(t, err)
	}
	p.hearAll(t)
	same(t, p.w, p.chains, houses)
	for x := range p.here {
		p.deafen(t, x)
	}
	exchange(t, p, hs)
}

// readAcks are the last steps that each house had acknowledged. A line that was torn is none.
func readAcks(t *testing.T, name string) map[int]uint64 {
	t.Helper()
	acks := map[int]uint64{}
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var i int
		var n uint64
		if _, err := fmt.Sscanf(line, "ack %d %d.\n", &i, &n); err == nil {
			acks[i] = max(acks[i], n)
		}
	}
	return acks
}

// exchange loads a dump of each store into the engine of the next.
func exchange(t *testing.T, p *play, hs []Harness) {
	t.Helper()
	for i, x := range p.houses {
		next := hs[(i+1)%len(hs)]
		if p.w.compacted > 0 {
			must(t, x.store.WaitCompacted(context.Background(), p.w.compacted))
		}
		var dump bytes.Buffer
		rev, err := x.store.Dump(context.Background(), &dump)
		must(t, err)
		if rev != p.w.rev {
			t.Fatalf("%s: the dump is of revision %d, want %d", x.h.Name, rev, p.w.rev)
		}
		y := &house{h: next, dir: t.TempDir()}
		y.backend, err = next.Open(t, y.dir)
		must(t, err)
		must(t, engine.Load(context.Background(), y.backend, &dump))
		y.open(t)
		same(t, p.w, p.chains, []*house{y})
		y.close(t, true)
	}
}
