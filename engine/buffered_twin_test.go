package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

// twin is what a Buffered backend must show, kept in the dumbest way.
type twin map[engine.Space]map[string]string

func (t twin) clone() twin {
	c := twin{}
	for s, m := range t {
		c[s] = maps.Clone(m)
	}
	return c
}

func (t twin) set(s engine.Space, key, value string) {
	if t[s] == nil {
		t[s] = map[string]string{}
	}
	t[s][key] = value
}

func (t twin) deleteRange(s engine.Space, lo, hi []byte) {
	maps.DeleteFunc(t[s], func(key, _ string) bool { return engine.InRange([]byte(key), lo, hi) })
}

// list is what a scan of [lo, hi) shows.
func (t twin) list(s engine.Space, lo, hi []byte, back bool) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(t[s])) {
		if engine.InRange([]byte(key), lo, hi) && !engine.EmptyRange(lo, hi) {
			all = append(all, fmt.Sprintf("%q=%q", key, t[s][key]))
		}
	}
	if back {
		slices.Reverse(all)
	}
	return all
}

func list(t *testing.T, it engine.Iterator) []string {
	t.Helper()
	var all []string
	for it.Next() {
		all = append(all, fmt.Sprintf("%q=%q", it.Key(), it.Value()))
	}
	if err := it.Close(); err != nil {
		t.Fatalf("iterator: %v", err)
	}
	return all
}

// walk is list by a Walker, backwards if most is even.
func walk(t *testing.T, snap engine.Snapshot, s engine.Space, lo, hi []byte, most int) []string {
	t.Helper()
	it := snap.Scan(s, lo, hi)
	if most%2 == 0 {
		it = snap.ScanBack(s, lo, hi)
	}
	var all []string
	for w := engine.Walk(it, most); w.Next(); {
		for _, p := range w.Run() {
			all = append(all, fmt.Sprintf("%q=%q", p.Key, p.Value))
		}
	}
	if err := it.Close(); err != nil {
		t.Fatalf("walk: %v", err)
	}
	return all
}

// posing is a backend that poses with other abilities than its own, to reach what Buffered does
// for them.
type posing struct {
	engine.Backend
	caps  engine.Caps
	chunk int // pairs at most
}

func (p posing) Caps() engine.Caps { return p.caps }

func (p posing) Snapshot() (engine.Snapshot, error) {
	s, err := p.Backend.Snapshot()
	return ahead{s, p.chunk}, err
}

// ahead is a snapshot whose iterators are Chunkers.
type ahead struct {
	engine.Snapshot
	chunk int
}

func (a ahead) Scan(s engine.Space, lo, hi []byte) engine.Iterator {
	return &chunked{most: a.chunk, Iterator: a.Snapshot.Scan(s, lo, hi)}
}

func (a ahead) ScanBack(s engine.Space, lo, hi []byte) engine.Iterator {
	return &chunked{most: a.chunk, Iterator: a.Snapshot.ScanBack(s, lo, hi)}
}

type chunked struct {
	engine.Iterator
	most  int
	chunk []engine.Pair
	lent  [][]byte
}

func (c *chunked) Chunk(most int) []engine.Pair {
	for _, b := range c.lent { // nobody may have kept them
		copy(b, "????")
	}
	c.chunk, c.lent = c.chunk[:0], c.lent[:0]
	for len(c.chunk) < min(most, c.most) && c.Next() {
		p := engine.Pair{Key: bytes.Clone(c.Key()), Value: append([]byte{}, c.Value()...)}
		c.chunk, c.lent = append(c.chunk, p), append(c.lent, p.Key, p.Value)
	}
	return c.chunk
}

// twinRun is one random history.
type twinRun struct {
	t     *testing.T
	rand  *rand.Rand
	inner engine.Backend
	b     engine.Backend
	state twin
	views []twinView
	kind  int // of keys
}

type twinView struct {
	snap  engine.Snapshot
	state twin
}

func TestBufferedShowsWhatItsTwinShows(t *testing.T) {
	defer goleak.VerifyNone(t)
	first := seedtest.Of(t)
	policies := []engine.Policy{
		{Interval: time.Hour},
		{Interval: time.Hour, MaxOps: 9},
		{Interval: 50 * time.Microsecond},
		{Interval: time.Millisecond, MaxBytes: 100},
	}
	caps := []engine.Caps{{}, {RangeDelete: true}, {MaxBatchOps: 40, MaxBatchBytes: 400}, {RangeDelete: true, MaxBatchOps: 40}}
	steps := 3000
	if testing.Short() {
		steps = 500
	}
	for i, p := range policies {
		for j, c := range caps {
			t.Run(fmt.Sprintf("policy %d over abilities %d", i, j), func(t *testing.T) {
				bare, err := mem.Open(mem.Options{})
				if err != nil {
					t.Fatal(err)
				}
				r := &twinRun{t: t, rand: rand.New(rand.NewPCG(first, uint64(i*10+j))), inner: bare, state: twin{}, kind: (i + j) % keyKinds}
				if r.b, err = engine.Buffered(posing{bare, c, []int{5, 50, 100}[r.kind]}, p); err != nil {
					t.Fatal(err)
				}
				for range steps {
					r.step()
				}
				r.finish()
			})
		}
	}
}

func (r *twinRun) step() {
	switch n := r.rand.IntN(20); {
	case n < 11:
		r.apply()
	case n < 13:
		snap, err := r.b.Snapshot()
		if err != nil {
			r.t.Fatal(err)
		}
		r.views = append(r.views, twinView{snap, r.state.clone()})
	case n < 18 && len(r.views) > 0:
		r.look(r.views[r.rand.IntN(len(r.views))])
	case n == 18 && len(r.views) > 4:
		i := r.rand.IntN(len(r.views))
		if err := r.views[i].snap.Close(); err != nil {
			r.t.Fatal(err)
		}
		r.views = slices.Delete(r.views, i, i+1)
	case n == 19:
		if err := r.b.Sync(); err != nil {
			r.t.Fatal(err)
		}
		r.lookInside()
	}
}

const keyKinds = 3

// key is one of few, so that histories meet: short, with the ends of the order among them; or alike in
// more bytes than are compared at once; or a number, of which there are more and not evenly spread.
func (r *twinRun) key() []byte {
	letters := []byte{0, 'a', 'b', 0xff}
	letter := func() byte { return letters[r.rand.IntN(len(letters))] }
	switch r.kind {
	case 1:
		return append(append([]byte{letter(), letter()}, " all alike "...), letter())
	case 2:
		return fmt.Appendf(nil, "number %03x", 1+r.rand.IntN(1<<r.rand.IntN(10)))
	}
	k := make([]byte, 1+r.rand.IntN(3))
	for i := range k {
		k[i] = letter()
	}
	return k
}

func (r *twinRun) bound() []byte {
	switch r.rand.IntN(8) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	return r.key()
}

// space is one of two that are neighbours in the order.
func (r *twinRun) space() engine.Space { return engine.Space(7 + r.rand.IntN(2)) }

func (r *twinRun) apply() {
	b := r.b.NewBatch()
	next := r.state.clone()
	for range r.rand.IntN(6) {
		s := r.space()
		switch r.rand.IntN(6) {
		case 0:
			lo, hi := r.bound(), r.bound()
			b.DeleteRange(s, lo, hi)
			if !engine.EmptyRange(lo, hi) {
				next.deleteRange(s, lo, hi)
			}
		case 1:
			k := r.key()
			b.Delete(s, k)
			delete(next[s], string(k))
		default:
			k, v := r.key(), bytes.Repeat([]byte{'v'}, r.rand.IntN(4))
			v = strconv.AppendInt(v, r.rand.Int64N(1000), 10)[r.rand.IntN(2):]
			b.Set(s, k, v)
			next.set(s, string(k), string(v))
			clear(k) // the batch has its own copies
			clear(v)
		}
	}
	err := r.b.Apply(b, r.rand.IntN(20) == 0)
	switch {
	case err == nil:
		r.state = next
	case !errors.Is(err, engine.ErrBatchTooBig): // a range over many keys may be
		r.t.Fatal(err)
	}
}

// look compares one view with its twin.
func (r *twinRun) look(v twinView) {
	r.t.Helper()
	s, lo, hi, key := r.space(), r.bound(), r.bound(), r.key()
	got, err := v.snap.Get([]byte("x"), s, key)
	want, ok := v.state[s][string(key)]
	if ok && (err != nil || string(got) != "x"+want) || !ok && !errors.Is(err, engine.ErrNotFound) {
		r.t.Fatalf("Get(%d, %q) = %q, %v; want %q, found %v", s, key, got, err, want, ok)
	}
	keys, spans := [][]byte{r.key(), key, r.key(), key, r.key()}, make([]engine.Span, 5)
	all, err := engine.GetMany(v.snap, []byte("x"), s, keys, spans)
	for i, k := range keys {
		want, ok := v.state[s][string(k)]
		if at := spans[i]; err != nil || at.Found() != ok || ok && string(all[at.From:at.To]) != want {
			r.t.Fatalf("GetMany(%d, %q) = %q, %v, %q at %v; want %q, found %v", s, keys, all, err, k, at, want, ok)
		}
	}
	if got, want := list(r.t, v.snap.Scan(s, lo, hi)), v.state.list(s, lo, hi, false); !slices.Equal(got, want) {
		r.t.Fatalf("Scan(%d, %q, %q)\n  is %s\nwant %s", s, lo, hi, got, want)
	}
	most := r.rand.IntN(12)
	walked := v.state.list(s, lo, hi, most%2 == 0)
	if most > 0 {
		walked = walked[:min(most, len(walked))]
	}
	if got := walk(r.t, v.snap, s, lo, hi, most); !slices.Equal(got, walked) {
		r.t.Fatalf("a walk of %d over %d, [%q, %q)\n  is %s\nwant %s", most, s, lo, hi, got, walked)
	}
	if got, want := list(r.t, v.snap.ScanBack(s, lo, hi)), v.state.list(s, lo, hi, true); !slices.Equal(got, want) {
		r.t.Fatalf("ScanBack(%d, %q, %q)\n  is %s\nwant %s", s, lo, hi, got, want)
	}
}

// lookInside compares what reached the inner backend, after a Sync, with the twin.
func (r *twinRun) lookInside() {
	r.t.Helper()
	snap, err := r.inner.Snapshot()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range []engine.Space{7, 8} {
		if got, want := list(r.t, snap.Scan(s, nil, nil)), r.state.list(s, nil, nil, false); !slices.Equal(got, want) {
			r.t.Fatalf("after Sync space %d of the inner backend\n  is %s\nwant %s", s, got, want)
		}
	}
	if err := snap.Close(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *twinRun) finish() {
	for _, v := range r.views {
		r.look(v)
		if err := r.b.Close(); !errors.Is(err, engine.ErrBusy) {
			r.t.Fatalf("Close with a Snapshot open: %v", err)
		}
		if err := v.snap.Close(); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.b.Sync(); err != nil {
		r.t.Fatal(err)
	}
	r.lookInside()
	if err := r.b.Close(); err != nil {
		r.t.Fatal(err)
	}
}
