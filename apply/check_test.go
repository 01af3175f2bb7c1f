package apply_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/etalon-kv/etalon/apply"
)

// Entries that no server of this version would propose are refused by the machine itself.
func TestTheMachineRefusesWhatAServerShouldHave(t *testing.T) {
	ops := func(n int) (list []apply.Op) {
		for i := range n {
			list = append(list, apply.Op{Put: put(fmt.Sprint("k", i), "")})
		}
		return list
	}
	del := func(key, end string) apply.Op {
		return apply.Op{Delete: &apply.DeleteRange{Key: []byte(key), End: []byte(end)}}
	}
	never := []apply.Compare{{Key: []byte("x"), Result: apply.Greater}}
	for _, c := range []struct {
		name string
		cmd  apply.Command
		want error
	}{
		{"a put without a key", &apply.Put{}, apply.ErrEmptyKey},
		{"a value to be ignored", &apply.Put{Key: []byte("k0"), Value: []byte("v"), IgnoreValue: true}, apply.ErrValueProvided},
		{"a lease to be ignored", &apply.Put{Key: []byte("k0"), Lease: 1, IgnoreLease: true}, apply.ErrLeaseProvided},
		{"a deletion without a key", &apply.DeleteRange{}, apply.ErrEmptyKey},
		{"a key put twice", &apply.Txn{Success: append(ops(2), ops(1)...)}, apply.ErrDuplicateKey},
		{"a key put twice by the branch that is not taken", &apply.Txn{Compares: never, Success: append(ops(20), ops(1)...)}, apply.ErrDuplicateKey},
		{"a key put and deleted", &apply.Txn{Success: append(ops(2), del("k", "l"))}, apply.ErrDuplicateKey},
		{"a nested put of a key that is deleted", &apply.Txn{Success: []apply.Op{del("k1", ""), {Txn: &apply.Txn{Failure: ops(2)}}}}, apply.ErrDuplicateKey},
		{"more operations than any server allows", &apply.Txn{Success: ops(apply.MaxTxnOps + 1)}, apply.ErrTooManyOps},
		{"a compare without a key", &apply.Txn{Compares: []apply.Compare{{}}}, apply.ErrEmptyKey},
		{"a read without a key in the branch that is not taken", &apply.Txn{Compares: never, Success: []apply.Op{{Range: &apply.Range{}}}}, apply.ErrEmptyKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := begin(t)
			l.do(put("k0", "before"))
			var got error
			switch r := l.do(c.cmd).(type) {
			case *apply.PutResult:
				got = r.Err
			case *apply.DeleteRangeResult:
				got = r.Err
			case *apply.TxnResult:
				got = r.Err
			}
			if !errors.Is(got, c.want) || l.m.Rev() != 2 {
				t.Errorf("error %v at revision %d, want %v and nothing done", got, l.m.Rev(), c.want)
			}
		})
	}
	t.Run("branches may put the same key, and deletions overlap", func(t *testing.T) {
		l := begin(t)
		cmd := &apply.Txn{Success: append(ops(1), del("l", "n"), del("m", "")), Failure: ops(1)}
		if r := l.do(cmd).(*apply.TxnResult); r.Err != nil || r.Rev != 2 {
			t.Errorf("%+v", r)
		}
	})
}
