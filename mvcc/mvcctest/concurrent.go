package mvcctest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/etalon-kv/etalon/mvcc"
)

// testConcurrent writes the same number to ten keys in each transaction, while readers look at
// whole revisions and a compaction follows.
func testConcurrent(t *testing.T, h Harness) {
	t.Run("readers see whole transactions while one writes and another compacts", func(t *testing.T) {
		x := h.build(t)
		s := x.store
		const keys = 10
		writes := rounds(60, 150)
		if x.backend.Caps().AlwaysSync {
			writes /= 3
		}
		var over atomic.Bool
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				r := rand.New(rand.NewPCG(uint64(n), 1))
				for !over.Load() {
					if err := lookAt(s, r, keys); err != nil {
						t.Errorf("reader: %v", err)
						return
					}
				}
			})
		}
		all.Go(func() {
			for !over.Load() {
				rev := s.Rev() - 20
				if rev <= s.Compacted() {
					continue
				}
				if err := errors.Join(s.Compact(rev), s.WaitCompacted(t.Context(), rev)); err != nil {
					t.Errorf("compaction: %v", err)
					return
				}
			}
		})
		for range writes {
			rev := commit(t, s, func(w *mvcc.Txn) {
				for i := range keys {
					_, err := w.Put(fmt.Appendf(nil, "key%d", i), binary.BigEndian.AppendUint64(nil, uint64(w.Rev())), 0)
					must(t, err)
				}
			})
			if kv, ok, err := s.Get([]byte("key9"), 0); err != nil || !ok || kv.ModRevision != rev {
				t.Errorf("after the commit of %d: %+v %v %v", rev, kv, ok, err)
			}
			if t.Failed() {
				break
			}
		}
		over.Store(true)
		all.Wait()
	})
}

// lookAt reads one revision in two ways.
func lookAt(s *mvcc.Store, r *rand.Rand, keys int64) error {
	txn, err := s.Read()
	if err != nil {
		return err
	}
	defer txn.Close()
	rev := max(txn.Rev()-r.Int64N(30), 1)
	res, err := txn.Range(nil, nil, mvcc.RangeOptions{Rev: rev})
	if errors.Is(err, mvcc.ErrCompacted) && s.Compacted() > rev {
		return nil
	}
	if err != nil {
		return err
	}
	if rev == 1 && res.Count == 0 {
		return nil
	}
	if res.Count != keys || int64(len(res.KVs)) != keys {
		return fmt.Errorf("%d and %d keys at %d, want %d", res.Count, len(res.KVs), rev, keys)
	}
	for i, kv := range res.KVs {
		// The first put of a transaction still stands on the revision before.
		want := uint64(rev)
		if i == 0 {
			want--
		}
		if kv.ModRevision != rev || binary.BigEndian.Uint64(kv.Value) != want {
			return fmt.Errorf("%q is of %d with %x at revision %d", kv.Key, kv.ModRevision, kv.Value, rev)
		}
	}
	return nil
}
