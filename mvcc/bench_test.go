package mvcc_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
)

// BenchmarkStore compares engines and indexes. Every engine is under engine.Buffered with etcd's
// policy, as etcd's store is: 10,000 operations or 100 ms. ETALON_KEYS sets the number of keys,
// 20,000 otherwise. A part of it by name:
//
//	ETALON_KEYS=1000000 go test -run - -bench 'Store/engine=bolt/index=packed' -benchtime 1x ./mvcc
//
// op=compact is one revision dropped, op=restore one record; op=heap reports bytes a key.
func BenchmarkStore(b *testing.B) {
	keys := 20_000
	if text := os.Getenv("ETALON_KEYS"); text != "" {
		var err error
		if keys, err = strconv.Atoi(text); err != nil || keys < 1000 {
			b.Fatalf("ETALON_KEYS %q: want a number from 1000 on", text)
		}
	}
	for _, e := range engines() {
		for _, x := range indexes() {
			b.Run(fmt.Sprintf("engine=%s/index=%s", e.name, x.name), func(b *testing.B) {
				s := &storeBench{engine: e.buffered(engine.Policy{}), index: x, keys: keys, dir: b.TempDir()}
				s.run(b)
			})
		}
	}
}

const benchValue = 256

// storeBench measures one store from its first put to its restore; each part needs those before.
type storeBench struct {
	engine namedEngine
	index  namedIndex
	keys   int
	dir    string

	backend engine.Backend
	store   *mvcc.Store
	src     *rand.ChaCha8
	r       *rand.Rand
	value   [benchValue]byte
	name    []byte
}

func (s *storeBench) key(i int) []byte {
	s.name = fmt.Appendf(s.name[:0], "/registry/pods/default/pod-%012d", i)
	return s.name
}

func (s *storeBench) open(b *testing.B) {
	var err error
	if s.backend, err = s.engine.open(b, s.dir); err != nil {
		b.Fatal(err)
	}
	if s.store, err = mvcc.Open(context.Background(), mvcc.Config{Backend: s.backend, Index: s.index.make()}); err != nil {
		b.Fatal(err)
	}
}

func (s *storeBench) close(b *testing.B) {
	if err := s.store.Close(); err != nil {
		b.Fatal(err)
	}
	if err := s.backend.Close(); err != nil {
		b.Fatal(err)
	}
}

func (s *storeBench) put(b *testing.B, i int) {
	s.src.Read(s.value[:])
	t, err := s.store.Begin()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := t.Put(s.key(i), s.value[:], 0); err != nil {
		b.Fatal(err)
	}
	if _, err := t.Commit(false); err != nil {
		b.Fatal(err)
	}
}

func (s *storeBench) run(b *testing.B) {
	s.src = rand.NewChaCha8([32]byte{1})
	s.r = rand.New(s.src)
	before := heap()
	s.open(b)
	perm := s.r.Perm(s.keys)
	s.part(b, "put", s.keys, func(i int) { s.put(b, perm[i]) })
	if err := s.store.Sync(); err != nil {
		b.Fatal(err)
	}
	perm = nil
	b.Run("op=heap", func(b *testing.B) {
		b.ReportMetric(float64(heap()-before)/float64(s.keys), "B/key")
		b.ReportMetric(0, "ns/op")
	})
	s.part(b, "overwrite", s.keys/2, func(int) { s.put(b, s.r.IntN(s.keys)) })
	s.part(b, "get", s.keys/2, func(int) {
		if _, ok, err := s.store.Get(s.key(s.r.IntN(s.keys)), 0); err != nil || !ok {
			b.Fatal(ok, err)
		}
	})
	s.part(b, "range100", s.keys/100, func(int) {
		i := s.r.IntN(s.keys - 100)
		lo := append([]byte(nil), s.key(i)...)
		if res, err := s.store.Range(lo, s.key(i+100), mvcc.RangeOptions{}); err != nil || len(res.KVs) != 100 {
			b.Fatal(len(res.KVs), err)
		}
	})
	s.whole(b, "compact", s.keys/2, func() {
		rev := s.store.Rev() - 10
		if err := s.store.Compact(rev); err != nil {
			b.Fatal(err)
		}
		if err := s.store.WaitCompacted(context.Background(), rev); err != nil {
			b.Fatal(err)
		}
	})
	if s.backend.Caps().Persistent {
		s.close(b)
		s.whole(b, "restore", s.keys, func() { s.open(b) })
	}
	s.close(b)
}

// part measures n operations, once: what is not there afterwards is not measured again.
func (s *storeBench) part(b *testing.B, op string, n int, do func(i int)) {
	s.whole(b, op, n, func() {
		for i := range n {
			do(i)
		}
	})
}

// whole measures what do does in n operations. It is done in the first round only, whose time is
// divided by the operations, since most of it cannot be done twice.
func (s *storeBench) whole(b *testing.B, op string, n int, do func()) {
	var took time.Duration
	var before, after runtime.MemStats
	b.Run("op="+op, func(b *testing.B) {
		b.ReportAllocs()
		if took == 0 {
			runtime.GC()
			runtime.ReadMemStats(&before)
			b.ResetTimer()
			do()
			b.StopTimer()
			took = b.Elapsed()
			runtime.ReadMemStats(&after)
		}
		for unit, total := range map[string]float64{
			"ns/op": float64(took), "B/op": float64(after.TotalAlloc - before.TotalAlloc), "allocs/op": float64(after.Mallocs - before.Mallocs),
		} {
			b.ReportMetric(total/float64(n), unit)
		}
	})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
