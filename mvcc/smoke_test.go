package mvcc_test

import (
	"context"
	"errors"
	"testing"

	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
)

func TestAStoreKeepsEveryRevision(t *testing.T) {
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	s, err := mvcc.Open(ctx, mvcc.Config{Backend: b, Index: packed.New()})
	if err != nil {
		t.Fatal(err)
	}
	put := func(k, v string) {
		w, err := s.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Put([]byte(k), []byte(v), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(false); err != nil {
			t.Fatal(err)
		}
	}
	put("a", "1")
	put("b", "1")
	put("a", "2")
	kv, ok, err := s.Get([]byte("a"), 2)
	if err != nil || !ok || string(kv.Value) != "1" {
		t.Fatalf("%v %v %v", kv, ok, err)
	}
	res, err := s.Range(nil, nil, mvcc.RangeOptions{Limit: 1})
	if err != nil || res.Count != 2 || len(res.KVs) != 1 || string(res.KVs[0].Value) != "2" || res.KVs[0].Version != 2 {
		t.Fatalf("%+v %v", res, err)
	}
	h1, err := s.HashKV(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	c1, err := s.Chain(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(4); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitCompacted(ctx, 4); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get([]byte("a"), 2); !errors.Is(err, mvcc.ErrCompacted) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = mvcc.Open(ctx, mvcc.Config{Backend: b, Index: packed.New()})
	if err != nil {
		t.Fatal(err)
	}
	c2, err := s.Chain(0)
	if err != nil || c1 != c2 || s.Rev() != 4 {
		t.Fatal(c1, c2, err, s.Rev())
	}
	t.Log(h1, c1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
