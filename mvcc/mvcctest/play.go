package mvcctest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/mvcc"
)

// play drives the stores of houses and the twin through one random history, and compares every
// answer and every event. What comes next follows from the source of randomness and the twin alone,
// so a play can be begun again with stores that have a part of it behind them: those are ahead, and
// join when the twin has come to where they are.
type play struct {
	r      author
	w      *twin
	houses []*house
	// chains remembers the chain of each revision, in which all must agree for ever.
	chains map[int64]uint64
	n      uint64 // the step under way, counted from 1
	last   uint64 // the last step that committed
	// synced, if set, is called when x has acknowledged the commit of step n with a sync.
	synced func(x *house, n uint64)

	wishes []*wish // watches that are kept on all houses
	lastID int64
	prevs  map[int]*mvcc.KeyValue // by change
}

func newPlay(r author, houses ...*house) *play {
	return &play{r: r, w: newTwin(), houses: houses, chains: map[int64]uint64{}, prevs: map[int]*mvcc.KeyValue{}}
}

// meet finds out what each house has behind it already.
func (p *play) meet(t *testing.T) {
	t.Helper()
	for _, x := range p.houses {
		x.ahead, x.applied = true, 0
		v, ok, err := x.store.Meta(applied)
		must(t, err)
		if ok {
			x.applied = binary.BigEndian.Uint64(v)
		}
	}
	p.join(t)
}

// join takes those in that the twin has caught up with. The last step that a store has committed
// tells where it is; compactions that follow it may be there or not.
func (p *play) join(t *testing.T) {
	t.Helper()
	for _, x := range p.houses {
		if !x.ahead || p.n < x.applied {
			continue
		}
		switch c := x.store.Compacted(); {
		case p.w.compacted < c && p.last > x.applied:
			t.Fatalf("%s: the compaction at %d is there, and not the commit of step %d before it", x.h.Name, c, p.last)
		case p.w.compacted < c:
			continue
		case p.w.compacted > c:
			t.Fatalf("%s: the commit of step %d is there, and not the compaction at %d before it: compacted is %d", x.h.Name, x.applied, p.w.compacted, c)
		}
		same(t, p.w, p.chains, []*house{x})
		x.ahead = false
		p.listen(t, x)
	}
}

// here are the houses that have joined.
func (p *play) here(yield func(*house) bool) {
	for _, x := range p.houses {
		if !x.ahead && !yield(x) {
			return
		}
	}
}

// run takes n steps.
func (p *play) run(t *testing.T, n int) {
	t.Helper()
	for range n {
		p.n++
		p.step(t)
		p.join(t)
	}
}

func (p *play) step(t *testing.T) {
	t.Helper()
	r, w := p.r, p.w
	switch k := r.IntN(52); {
	case k < 20:
		p.commit(t, r.script())
	case k < 32:
		a := r.query(r.rev(w.compacted, w.rev))
		p.ask(t, a.String(), func(s subject) string { return s.read(a) })
	case k < 34:
		from, to := r.rev(w.compacted, w.rev), r.rev(w.compacted, w.rev)
		p.ask(t, fmt.Sprint("history ", from, to), func(s subject) string { return s.history(from, to) })
	case k < 36:
		rev := r.rev(w.compacted, w.rev)
		p.ask(t, fmt.Sprint("hash ", rev), func(s subject) string { return s.hash(rev) })
	case k < 38:
		rev := r.rev(w.compacted, w.rev)
		p.ask(t, fmt.Sprint("compact ", rev), func(s subject) string { return s.compact(rev) })
	case k < 39:
		if rev := r.rev(w.compacted, w.rev); w.refusal(rev) == "" {
			for x := range p.here {
				compareChains(t, rev, w, p.chains, []*house{x})
			}
		}
	case k < 40:
		if r.IntN(4) == 0 {
			p.reopen(t)
		}
	default:
		p.watching(t, k-40)
	}
}

// ask wants the twin's answer of all.
func (p *play) ask(t *testing.T, what string, do func(s subject) string) {
	t.Helper()
	want := do(p.w)
	for x := range p.here {
		if got := do(driven{x.store}); got != want {
			t.Fatalf("%s, step %d: %s:\ngot  %s\nwant %s", x.h.Name, p.n, what, got, want)
		}
	}
}

// commit carries out a transaction, with the number of the step in its meta data.
func (p *play) commit(t *testing.T, script []act) {
	t.Helper()
	if p.r.IntN(15) == 0 {
		a := act{kind: "compact", rev: p.r.rev(p.w.compacted, p.w.rev+1)}
		script = slices.Insert(script, p.r.IntN(len(script)), a)
	}
	end := script[len(script)-1]
	if end.kind != "rollback" {
		p.last = p.n
		mark := act{kind: "setmeta", lo: applied, value: binary.BigEndian.AppendUint64(nil, p.n)}
		script = append(script[:len(script)-1:len(script)-1], mark, end)
	}
	what, want := fmt.Sprint("transaction ", script), p.w.write(script)
	for x := range p.here {
		if got := (driven{x.store}).write(script); got != want {
			t.Fatalf("%s, step %d: %s:\ngot  %s\nwant %s", x.h.Name, p.n, what, got, want)
		}
		if end.kind == "sync" && p.synced != nil {
			p.synced(x, p.n)
		}
	}
}

// reopen closes all that are here and opens them again. Their watches go on where they were.
func (p *play) reopen(t *testing.T) {
	t.Helper()
	for x := range p.here {
		p.deafen(t, x)
		x.reopen(t)
		p.listen(t, x)
	}
}

func compareChains(t *testing.T, rev int64, w *twin, chains map[int64]uint64, houses []*house) {
	t.Helper()
	if rev == 0 {
		rev = w.rev
	}
	for _, x := range houses {
		got, err := x.store.Chain(rev)
		if err != nil {
			t.Fatalf("%s: chain at %d: %v", x.h.Name, rev, err)
		}
		want, known := chains[rev]
		if chains[rev] = got; known && got != want {
			t.Fatalf("%s: chain at %d is %x, and was or is elsewhere %x", x.h.Name, rev, got, want)
		}
	}
}

// same compares all that there is: the history, the meta data, and the content, hashes and chains
// at some thirty of the readable revisions.
func same(t *testing.T, w *twin, chains map[int64]uint64, houses []*house) {
	t.Helper()
	for _, x := range houses {
		d := driven{x.store}
		if got := x.store.Rev(); got != w.rev {
			t.Fatalf("%s: revision %d, want %d", x.h.Name, got, w.rev)
		}
		for rev := max(w.compacted, 1); rev <= w.rev; rev += 1 + (w.rev-w.compacted)/30 {
			if got, want := d.read(act{kind: "range", rev: rev}), w.read(act{kind: "range", rev: rev}); got != want {
				t.Fatalf("%s: at %d:\ngot  %s\nwant %s", x.h.Name, rev, got, want)
			}
			if got, want := d.hash(rev), w.hash(rev); got != want {
				t.Fatalf("%s: hash at %d: got %s, want %s", x.h.Name, rev, got, want)
			}
			compareChains(t, rev, w, chains, []*house{x})
		}
		from := max(w.compacted, 0)
		if got, want := d.history(from, 0), w.history(from, 0); got != want {
			t.Fatalf("%s: history:\ngot  %s\nwant %s", x.h.Name, got, want)
		}
		got := map[string]string{}
		must(t, x.store.ScanMeta(nil, nil, func(k, v []byte) bool { got[string(k)] = string(v); return true }))
		if fmt.Sprint(got) != fmt.Sprint(w.meta) {
			t.Fatalf("%s: meta data %q, want %q", x.h.Name, got, w.meta)
		}
	}
}
