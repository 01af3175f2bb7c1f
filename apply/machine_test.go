package apply_test

import (
	"errors"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
)

// log applies commands one after the other, each as the next entry.
type log struct {
	tb   testing.TB
	m    *apply.Machine
	next raft.Index
}

func begin(tb testing.TB) *log {
	tb.Helper()
	m := combos()[0].machine(tb, "")
	tb.Cleanup(func() {
		if err := m.Close(); err != nil && !errors.Is(err, apply.ErrClosed) {
			tb.Error(err)
		}
	})
	return &log{tb, m, 1}
}

func (l *log) do(c apply.Command) any {
	l.tb.Helper()
	results := make([]any, 1)
	if err := l.m.Apply([]raft.Entry{{Index: l.next, Term: 1, Data: c.Append(nil)}}, results); err != nil {
		l.tb.Fatalf("entry %d: %v", l.next, err)
	}
	l.next++
	return results[0]
}

func (l *log) read(r apply.Range) apply.RangeResult {
	l.tb.Helper()
	var res apply.RangeResult
	if err := l.m.Range(&r, &res); err != nil {
		l.tb.Fatal(err)
	}
	return res
}

func put(key, value string) *apply.Put { return &apply.Put{Key: []byte(key), Value: []byte(value)} }

func TestAPutCanBeReadAndAMutexWorks(t *testing.T) {
	l := begin(t)
	if r := l.do(put("a", "1")).(*apply.PutResult); r.Rev != 2 || r.Err != nil {
		t.Fatalf("%+v", r)
	}
	if r := l.read(apply.Range{Key: []byte("a")}); r.Rev != 2 || r.Count != 1 || string(r.KVs[0].Value) != "1" {
		t.Fatalf("%+v", r)
	}
	lock := &apply.Txn{
		Compares: []apply.Compare{{Key: []byte("lock/1"), Target: apply.CompareCreate}},
		Success: []apply.Op{
			{Put: put("lock/1", "")},
			{Range: &apply.Range{Key: []byte("lock/"), End: []byte("lock0"), Order: apply.SortAscend, Target: apply.SortByCreate, Limit: 1}},
		},
		Failure: []apply.Op{{Range: &apply.Range{Key: []byte("lock/1")}}},
	}
	r := l.do(lock).(*apply.TxnResult)
	if !r.Succeeded || r.Rev != 3 || len(r.Ops[1].Range.KVs) != 1 || r.Ops[1].Range.KVs[0].CreateRevision != 3 {
		t.Fatalf("%+v", r)
	}
	if r = l.do(lock).(*apply.TxnResult); r.Succeeded || r.Rev != 3 || r.Ops[0].Range.Count != 1 {
		t.Fatalf("%+v", r)
	}
}
