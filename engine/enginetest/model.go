package enginetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

// model is the dumb twin of a Backend: what a space should hold. It says the contract's rules
// again in the plainest way, and shares no code with any engine.
type model map[engine.Space]map[string]string

func (m model) clone() model {
	c := model{}
	for s, content := range m {
		c[s] = maps.Clone(content)
	}
	return c
}

func (m model) set(s engine.Space, key, value string) {
	if m[s] == nil {
		m[s] = map[string]string{}
	}
	m[s][key] = value
}

func (m model) del(s engine.Space, key string) { delete(m[s], key) }

func (m model) deleteRange(s engine.Space, lo, hi []byte) {
	for key := range m[s] {
		if within(key, lo, hi) {
			delete(m[s], key)
		}
	}
}

// within is the rule for bounds: a nil hi is the end of the space.
func within(key string, lo, hi []byte) bool {
	return key >= string(lo) && (hi == nil || key < string(hi))
}

// scan returns the pairs of [lo, hi) in ascending order.
func (m model) scan(s engine.Space, lo, hi []byte) []pair {
	var all []pair
	for key, value := range m[s] {
		if within(key, lo, hi) {
			all = append(all, pair{key, value})
		}
	}
	slices.SortFunc(all, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	return all
}

// twin fills an engine's batch and a model with the same operations.
type twin struct {
	w engine.Batch
	m model
}

func (b twin) set(s engine.Space, key, value string) {
	b.w.Set(s, []byte(key), []byte(value))
	b.m.set(s, key, value)
}

func (b twin) del(s engine.Space, key string) {
	b.w.Delete(s, []byte(key))
	b.m.del(s, key)
}

func (b twin) deleteRange(s engine.Space, lo, hi []byte) {
	b.w.DeleteRange(s, lo, hi)
	b.m.deleteRange(s, lo, hi)
}

// compare checks that view holds exactly m: every space that m knows and its neighbours, scanned
// both ways, and every key by Get and by GetMany.
func (m model) compare(tb testing.TB, view engine.Snapshot) {
	tb.Helper()
	spaces := map[engine.Space]bool{s0: true, s255: true}
	for s := range m {
		spaces[s-1], spaces[s], spaces[s+1] = true, true, true
	}
	for s := range spaces {
		want := m.scan(s, nil, nil)
		comparePairs(tb, s, "Scan", collect(tb, view.Scan(s, nil, nil)), want)
		comparePairs(tb, s, "Walk", collectWalk(tb, view.Scan(s, nil, nil), 0, false), want)
		slices.Reverse(want)
		comparePairs(tb, s, "ScanBack", collect(tb, view.ScanBack(s, nil, nil)), want)
		comparePairs(tb, s, "Walk back", collectWalk(tb, view.ScanBack(s, nil, nil), 0, true), want)
		for _, p := range want {
			got, err := view.Get(nil, s, []byte(p.key))
			if err != nil || string(got) != p.value {
				tb.Errorf("Get(%d, %.40q) = %.40q, %v, want %.40q", s, p.key, got, err, p.value)
				return
			}
		}
		keys := make([][]byte, 0, 2*len(want))
		for _, p := range want {
			keys = append(keys, []byte(p.key), []byte(p.key+"\x00"))
		}
		many(tb, view, s, keys)
	}
}

// comparePairs reports the first difference only.
func comparePairs(tb testing.TB, s engine.Space, what string, got, want []pair) {
	tb.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			tb.Errorf("space %d: %s visits %v at place %d, want %v", s, what, got[i], i, want[i])
			return
		}
	}
	if len(got) != len(want) {
		tb.Errorf("space %d: %s visits %d keys, want %d", s, what, len(got), len(want))
	}
}

// now compares b's present content with m.
func (m model) now(tb testing.TB, b engine.Backend) {
	tb.Helper()
	view, err := b.Snapshot()
	if err != nil {
		tb.Errorf("snapshot: %v", err)
		return
	}
	m.compare(tb, view)
	if err := view.Close(); err != nil {
		tb.Errorf("close of the snapshot: %v", err)
	}
}

// notFound checks that key is missing and dst came back as it was.
func notFound(tb testing.TB, view engine.Snapshot, s engine.Space, key []byte) {
	tb.Helper()
	got, err := view.Get([]byte("dst"), s, key)
	if !errors.Is(err, engine.ErrNotFound) || string(got) != "dst" {
		tb.Errorf("Get(\"dst\", %d, %.40q) = %.40q, %v, want dst and ErrNotFound", s, key, got, err)
	}
}
