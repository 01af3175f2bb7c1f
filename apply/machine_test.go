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

// What one member cannot store all refuse, whatever their own engines can.
func TestTheSmallestMemberBoundsWrites(t *testing.T) {
	l := begin(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(l.m.Found([]apply.Member{{ID: 1}, {ID: 2}}))
	l.next = 2
	writes := func(limit int) {
		t.Helper()
		if got := l.m.WriteLimit(); got != limit {
			t.Fatalf("the limit is %d, want %d", got, limit)
		}
		for _, over := range []int{0, 1} {
			var want error
			if over > 0 {
				want = apply.ErrTooLarge
			}
			p := put("k", string(make([]byte, limit-1+over)))
			if r := l.do(p).(*apply.PutResult); !errors.Is(r.Err, want) {
				t.Errorf("a put of %d bytes: %v", limit+over, r.Err)
			}
			txn := &apply.Txn{Success: []apply.Op{{Txn: &apply.Txn{Success: []apply.Op{{Put: p}}}}}}
			if r := l.do(txn).(*apply.TxnResult); !errors.Is(r.Err, want) {
				t.Errorf("a nested put of %d bytes: %v", limit+over, r.Err)
			}
		}
	}
	publish := func(id, limit uint64) {
		t.Helper()
		c := &apply.SetMember{Fields: apply.MemberMaxWriteBytes, Member: apply.Member{ID: id, MaxWriteBytes: limit}}
		must(l.do(c).(*apply.MembersResult).Err)
	}
	writes(apply.AssuredWriteBytes) // nobody has said anything
	publish(1, 1<<20)
	writes(apply.AssuredWriteBytes)
	publish(2, 600<<10)
	writes(600 << 10)
	publish(2, 1<<19)
	writes(1 << 19)
	publish(1, 100)
	writes(100)
	publish(1, 1<<30)
	publish(2, 1<<30)
	if own := l.m.MaxWriteBytes(); l.m.WriteLimit() != own {
		t.Errorf("the limit is %d, this member's own is %d", l.m.WriteLimit(), own)
	}
}
