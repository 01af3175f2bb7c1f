package index_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index"
)

func TestSetYieldsInRevisionOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var s index.Set
		var want []index.Revision
		span := int64(1) << r.IntN(40)
		for range r.IntN(300) {
			rev := index.Revision{Main: 1 + r.Int64N(span), Sub: max(0, r.Int64N(4)-2)}
			if r.IntN(20) == 0 {
				rev.Sub = index.MaxSub - r.Int64N(2)
			}
			if !slices.Contains(want, rev) {
				want = append(want, rev)
				s.Add(rev)
			}
		}
		slices.SortFunc(want, index.Revision.Compare)
		for range 2 { // twice: walking changes nothing
			if got := slices.Collect(s.All()); !slices.Equal(got, want) || s.Len() != len(want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
		for stop := range s.All() {
			_ = stop
			break
		}
		s.Reset()
		if s.Len() != 0 || slices.Collect(s.All()) != nil {
			t.Fatal("not empty after Reset")
		}
	}
}

func TestSortRecordsOrdersByKeyThenRevision(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		prefix := make([]byte, r.IntN(20))
		chunk := make([]index.Record, r.IntN(100))
		for i := range chunk {
			tail := make([]byte, r.IntN(12))
			for j := range tail {
				tail[j] = "\x00\x01\xff"[r.IntN(3)]
			}
			chunk[i] = index.Record{Key: append(slices.Clone(prefix), tail...), Rev: index.Revision{Main: r.Int64N(4), Sub: r.Int64N(3)}, Version: int64(i)}
		}
		before := map[int64]bool{}
		for _, c := range chunk {
			before[c.Version] = true
		}
		index.SortRecords(chunk)
		for i := range chunk {
			delete(before, chunk[i].Version)
			if i > 0 && chunk[i-1].Compare(&chunk[i]) > 0 {
				t.Fatalf("%v stands before %v", chunk[i-1], chunk[i])
			}
		}
		if len(before) > 0 {
			t.Fatalf("%d records are lost", len(before))
		}
	}
}
