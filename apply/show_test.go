package apply_test

import (
	"fmt"
	"strings"

	"github.com/etalon-kv/etalon/apply"
)

// sameResult compares what two results say.
func sameResult(a, b any) bool { return show(a) == show(b) }

// show is a result as text, to compare and to read.
func show(result any) string {
	var b strings.Builder
	switch r := result.(type) {
	case nil:
		return "nothing"
	case *apply.PutResult:
		fmt.Fprintf(&b, "put rev=%d prev=", r.Rev)
		if r.PrevKV != nil {
			showKVs(&b, []apply.KeyValue{*r.PrevKV})
		}
		showErr(&b, r.Err)
	case *apply.DeleteRangeResult:
		fmt.Fprintf(&b, "delete rev=%d n=%d prev=", r.Rev, r.Deleted)
		showKVs(&b, r.PrevKVs)
		showErr(&b, r.Err)
	case *apply.RangeResult:
		fmt.Fprintf(&b, "range rev=%d count=%d more=%v ", r.Rev, r.Count, r.More)
		showKVs(&b, r.KVs)
	case *apply.TxnResult:
		fmt.Fprintf(&b, "txn rev=%d %v", r.Rev, r.Succeeded)
		showErr(&b, r.Err)
		for _, o := range r.Ops {
			switch {
			case o.Put != nil:
				fmt.Fprintf(&b, "\n  %s", show(o.Put))
			case o.Delete != nil:
				fmt.Fprintf(&b, "\n  %s", show(o.Delete))
			case o.Range != nil:
				fmt.Fprintf(&b, "\n  %s", show(o.Range))
			case o.Txn != nil:
				fmt.Fprintf(&b, "\n  %s", strings.ReplaceAll(show(o.Txn), "\n", "\n  "))
			}
		}
	default:
		fmt.Fprintf(&b, "%T %+v", r, r)
	}
	return b.String()
}

func showKVs(b *strings.Builder, kvs []apply.KeyValue) {
	for _, kv := range kvs {
		fmt.Fprintf(b, "[%s=%x c=%d m=%d v=%d l=%d]", kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease)
	}
}

func showErr(b *strings.Builder, err error) {
	if err != nil {
		fmt.Fprintf(b, " err=%v", err)
	}
}
