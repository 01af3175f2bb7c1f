package apply_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/raft"
)

// benchCombos are the fastest engine and etcd's with etcd's batching.
func benchCombos() []combo {
	return []combo{
		{"mem", openMem, packed.New},
		{"bolt+buffered", buffered(openBolt, engine.Policy{}), packed.New},
	}
}

const benchKeys = 100_000

func benchKey(b []byte, i int) []byte { return fmt.Appendf(b, "/registry/bench/%012d", i) }

// BenchmarkApply applies puts of 256 bytes to 100,000 random keys, a batch of entries at a time. One
// operation is one entry.
func BenchmarkApply(b *testing.B) {
	for _, c := range benchCombos() {
		for _, batch := range []int{1, 64, 1000} {
			b.Run(fmt.Sprintf("engine=%s/batch=%d", c.name, batch), func(b *testing.B) {
				m := c.machine(b, b.TempDir())
				defer m.Close()
				rng := rand.New(rand.NewPCG(1, 0))
				// What the entries carry is made before, and is not changed by Apply.
				data := make([][]byte, 4096)
				for i := range data {
					p := apply.Put{Key: benchKey(nil, rng.IntN(benchKeys)), Value: make([]byte, 256)}
					data[i] = p.Append(nil)
				}
				entries, results := make([]raft.Entry, batch), make([]any, batch)
				index := raft.Index(0)
				b.ReportAllocs()
				b.ResetTimer()
				for done := 0; done < b.N; done += batch {
					n := min(batch, b.N-done)
					for i := range n {
						index++
						entries[i] = raft.Entry{Index: index, Term: 1, Data: data[int(index)%len(data)]}
					}
					if err := m.Apply(entries[:n], results[:n]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRange reads one key, or 100.
func BenchmarkRange(b *testing.B) {
	for _, c := range benchCombos() {
		m := c.machine(b, b.TempDir())
		entries := make([]raft.Entry, 0, benchKeys/10)
		for i := range benchKeys / 10 {
			p := apply.Put{Key: benchKey(nil, i), Value: make([]byte, 256)}
			entries = append(entries, raft.Entry{Index: raft.Index(i + 1), Term: 1, Data: p.Append(nil)})
		}
		if err := m.Apply(entries, nil); err != nil {
			b.Fatal(err)
		}
		for _, keys := range []int{1, 100} {
			b.Run(fmt.Sprintf("engine=%s/keys=%d", c.name, keys), func(b *testing.B) {
				var res apply.RangeResult
				var key, end []byte
				b.ReportAllocs()
				for i := range b.N {
					key = benchKey(key[:0], i*7%(benchKeys/10-100))
					r := apply.Range{Key: key}
					if keys > 1 {
						end = benchKey(end[:0], i*7%(benchKeys/10-100)+keys)
						r.End = end
					}
					if err := m.Range(&r, &res); err != nil || len(res.KVs) != keys {
						b.Fatal(len(res.KVs), err)
					}
				}
			})
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTxn applies what kube-apiserver does: put a key if it was not changed since it was read.
func BenchmarkTxn(b *testing.B) {
	m := benchCombos()[0].machine(b, "")
	defer m.Close()
	key := []byte("/registry/pods/default/one")
	var buf []byte
	results := make([]any, 1)
	rev := int64(0)
	b.ReportAllocs()
	for i := range b.N {
		t := apply.Txn{
			Compares: []apply.Compare{{Key: key, Target: apply.CompareMod, Number: rev}},
			Success:  []apply.Op{{Put: &apply.Put{Key: key, Value: make([]byte, 256)}}},
			Failure:  []apply.Op{{Range: &apply.Range{Key: key}}},
		}
		buf = t.Append(buf[:0])
		if err := m.Apply([]raft.Entry{{Index: raft.Index(i + 1), Term: 1, Data: buf}}, results); err != nil {
			b.Fatal(err)
		}
		res := results[0].(*apply.TxnResult)
		if !res.Succeeded {
			b.Fatal("not succeeded")
		}
		rev = res.Rev
	}
}
