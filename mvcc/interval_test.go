package mvcc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/internal/seedtest"
)

func TestAMatcherFindsWhatALoopOverAllExtentsFinds(t *testing.T) {
	seed := seedtest.Of(t)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 30 {
		var m matcher[int]
		twin := map[extent]int{}
		for n := range 600 {
			x := randomExtent(r, 40)
			switch {
			case twin[x] != 0 && r.IntN(3) > 0:
				m.remove(x)
				delete(twin, x)
			case twin[x] != 0:
				if v, ok := m.find(x); !ok || v != twin[x] {
					t.Fatalf("%v: found %v, want %d", x, v, twin[x])
				}
				twin[x] = n + 1
				m.set(x, n+1)
			default:
				if _, ok := m.find(x); ok {
					t.Fatalf("%v is found and was removed", x)
				}
				twin[x] = n + 1
				m.set(x, n+1)
			}
			if n%7 == 0 {
				m.remove(randomMissing(r, twin))
			}
			key := testKey(r.IntN(42))
			var got, want []int
			m.visit([]byte(key), func(v int) { got = append(got, v) })
			for x, v := range twin {
				if x.lo == key && x.kind == oneKey || x.kind != oneKey && x.lo <= key && (x.kind == endless || key < x.hi) {
					want = append(want, v)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("key %q: found %v, want %v", key, got, want)
			}
			checkTreap(t, m.ranges.root)
		}
	}
}

func TestATreeOfRangesStaysShallow(t *testing.T) {
	var m matcher[int]
	const n = 1 << 14
	for i := range n {
		m.set(extent{lo: fmt.Sprintf("%08d", i), hi: fmt.Sprintf("%08d", i+1), kind: bounded}, i)
	}
	if d := depth(m.ranges.root); d > 60 { // 14 at best, 40 expected
		t.Fatalf("%d ranges in ascending order make a tree of depth %d", n, d)
	}
	found := 0
	m.visit([]byte("00000077x"), func(int) { found++ })
	if found != 1 {
		t.Fatalf("found %d ranges, want 1", found)
	}
}

func depth[T any](n *intervalNode[T]) int {
	if n == nil {
		return 0
	}
	return 1 + max(depth(n.left), depth(n.right))
}

func checkTreap(t *testing.T, n *intervalNode[int]) {
	t.Helper()
	if n == nil {
		return
	}
	for i, c := range [2]*intervalNode[int]{n.left, n.right} {
		if c == nil {
			continue
		}
		if c.priority > n.priority || (c.compare(&n.extent) < 0) != (i == 0) {
			t.Fatalf("%v stands wrong below %v", c.extent, n.extent)
		}
		checkTreap(t, c)
	}
}

func testKey(i int) string { return fmt.Sprintf("k%02d", i) }

func randomExtent(r *rand.Rand, keys int) extent {
	a, b := r.IntN(keys), r.IntN(keys)
	switch {
	case r.IntN(3) == 0:
		return extent{lo: testKey(a)}
	case r.IntN(6) == 0:
		return extent{lo: testKey(a), kind: endless}
	}
	return extent{lo: testKey(min(a, b)), hi: testKey(max(a, b) + 1), kind: bounded}
}

func randomMissing(r *rand.Rand, twin map[extent]int) extent {
	for {
		if x := randomExtent(r, 40); twin[x] == 0 {
			return x
		}
	}
}
