package mvcc_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
)

// TestHashKVIsThatOfEtcd repeats a history that was driven through the MVCC store of etcd 3.7.3,
// whose hashes are in the table.
func TestHashKVIsThatOfEtcd(t *testing.T) {
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	s, err := mvcc.Open(ctx, mvcc.Config{Backend: b, Index: packed.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	hash := func(want ...mvcc.KVHash) {
		t.Helper()
		for _, w := range want {
			if got, err := s.HashKV(ctx, w.Rev); got != w || err != nil {
				t.Errorf("got %08x, %+v, %v, want %08x, %+v", got.Hash, got, err, w.Hash, w)
			}
		}
	}
	write := func(fill func(w *mvcc.Txn) error) {
		t.Helper()
		w, err := s.Begin()
		if err == nil {
			err = fill(w)
		}
		if err == nil {
			_, err = w.Commit(false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	compact := func(rev int64) {
		t.Helper()
		if err := s.Compact(rev); err != nil {
			t.Fatal(err)
		}
	}
	hash(mvcc.KVHash{Hash: 0x40a4756d, Rev: 1, CompactRev: -1})
	for i := range 20 {
		write(func(w *mvcc.Txn) error {
			_, err := w.Put(fmt.Appendf(nil, "key%d", i%6), fmt.Appendf(nil, "value %d", i*i), int64(i%3*1000000007))
			if i%5 == 4 && err == nil {
				if _, err = w.DeleteRange([]byte("key1"), []byte("key3")); err == nil {
					_, err = w.Put([]byte("other"), nil, 0)
				}
			}
			return err
		})
	}
	hash(mvcc.KVHash{Hash: 0xc684d5eb, Rev: 21, CompactRev: -1}, mvcc.KVHash{Hash: 0xec948f12, Rev: 10, CompactRev: -1})
	compact(11) // the hash is the same before and after the records are gone
	hash(mvcc.KVHash{Hash: 0x7698c13e, Rev: 12, CompactRev: 11}, mvcc.KVHash{Hash: 0x2fec60d0, Rev: 15, CompactRev: 11},
		mvcc.KVHash{Hash: 0xd5d9aed6, Rev: 21, CompactRev: 11})
	compact(16)
	if err := s.WaitCompacted(ctx, 16); err != nil {
		t.Fatal(err)
	}
	hash(mvcc.KVHash{Hash: 0x49787230, Rev: 17, CompactRev: 16}, mvcc.KVHash{Hash: 0xbe113930, Rev: 21, CompactRev: 16})
	write(func(w *mvcc.Txn) error {
		_, err := w.DeleteRange([]byte("a"), []byte("z"))
		return err
	})
	hash(mvcc.KVHash{Hash: 0xaa249f49, Rev: 22, CompactRev: 16}, mvcc.KVHash{Hash: 0x1c3ec808, Rev: 20, CompactRev: 16})
}
