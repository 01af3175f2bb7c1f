package logtest

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/etalon-kv/etalon/raft"
)

// The batch that is measured: 64 entries of 256 bytes, which no engine can compress.
const (
	benchBatch = 64
	benchData  = 256
)

// Ledger is what a log's disk has seen since it was opened. Fields that nobody counts are -1.
type Ledger struct{ WrittenBytes, Syncs int64 }

// Bench measures appending and recovery: BenchmarkX/append/batch=64/value=256, with ns, syncs and written
// bytes a batch, and BenchmarkX/recover/entries=N. ledger may be nil.
func Bench(b *testing.B, h Harness, ledger func(Log) Ledger) {
	b.Run(fmt.Sprintf("append/batch=%d/value=%d", benchBatch, benchData), func(b *testing.B) { benchAppend(b, h, ledger) })
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("recover/entries=%d", n), func(b *testing.B) { benchRecover(b, h, n) })
	}
}

// benchEntries fills a batch in place; the data are shared, as the log only reads them.
func benchEntries(list []raft.Entry, from raft.Index, data []byte) {
	for i := range list {
		list[i] = raft.Entry{Term: 3, Index: from + raft.Index(i), Data: data[i*benchData : (i+1)*benchData]}
	}
}

func benchAppend(b *testing.B, h Harness, ledger func(Log) Ledger) {
	l := open(b, h.New(b))
	data := make([]byte, benchBatch*benchData)
	_, _ = rand.Read(data)
	list := make([]raft.Entry, benchBatch)
	var before Ledger
	if ledger != nil {
		before = ledger(l)
	}
	next := raft.Index(1)
	b.ReportAllocs()
	for b.Loop() {
		benchEntries(list, next, data)
		next += benchBatch
		must(b, l.Write(nil, list, raft.HardState{Term: 3, Vote: 1, Commit: next - benchBatch}, true))
		if next%(64*1024) < benchBatch { // as a member does: the log stays short
			must(b, l.CreateSnapshot(next-1000, conf(1, 2, 3), nil))
			must(b, l.Compact(next-1000))
		}
	}
	n := float64(next-1) / benchBatch
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n/benchBatch, "ns/entry")
	if ledger == nil {
		return
	}
	if after := ledger(l); after.Syncs >= 0 && after.WrittenBytes >= 0 {
		b.ReportMetric(float64(after.Syncs-before.Syncs)/n, "syncs/batch")
		b.ReportMetric(float64(after.WrittenBytes-before.WrittenBytes)/n/benchBatch/benchData, "written/byte")
	}
}

func benchRecover(b *testing.B, h Harness, n int) {
	s := h.New(b)
	l := open(b, s)
	data := make([]byte, benchBatch*benchData)
	_, _ = rand.Read(data)
	list := make([]raft.Entry, benchBatch)
	next := raft.Index(1)
	for int(next) <= n {
		list = list[:min(benchBatch, n+1-int(next))]
		benchEntries(list, next, data)
		next += raft.Index(len(list))
		must(b, l.Write(nil, list, raft.HardState{Term: 3, Commit: 1}, int(next) > n))
	}
	must(b, l.Close())
	for b.Loop() {
		l, err := s.Open()
		must(b, err)
		if last, _ := l.LastIndex(); int(last) != n {
			b.Fatalf("the log ends at %d", last)
		}
		b.StopTimer()
		must(b, l.Close())
		b.StartTimer()
	}
}
