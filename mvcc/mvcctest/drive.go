package mvcctest

import (
	"context"
	"fmt"
	"strings"

	"github.com/etalon-kv/etalon/mvcc"
)

// driven is a store as a subject.
type driven struct{ s *mvcc.Store }

func (d driven) write(script []act) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w, err := d.s.Begin()
	if err != nil {
		return errName(err)
	}
	defer w.Rollback()
	for _, a := range script {
		switch a.kind {
		case "put":
			before, err := w.Put(a.lo, a.value, a.lease)
			switch {
			case err != nil:
				say("put %s", errName(err))
			case before.Version > 0:
				say("put over %v %d %d", before.ModRev, before.CreateRev, before.Version)
			default:
				say("put over nothing")
			}
		case "delete":
			ok, err := w.Delete(a.lo)
			if err != nil {
				say("delete %s", errName(err))
			} else {
				say("delete %v", ok)
			}
		case "deleterange":
			n, err := w.DeleteRange(a.lo, a.hi)
			if err != nil {
				say("deleterange %s", errName(err))
			} else {
				say("deleterange %d", n)
			}
		case "get":
			say("%s", getText(w.Get(a.lo, a.rev)))
		case "range":
			say("%s", rangeText(w.Range(a.lo, a.hi, a.options())))
		case "next":
			w.Next()
		case "setmeta":
			err = w.SetMeta(a.lo, a.value)
		case "deletemeta":
			err = w.DeleteMeta(a.lo)
		case "meta":
			v, ok, err := w.Meta(a.lo)
			if err != nil {
				say("meta %s", errName(err))
			} else {
				say("meta %q %v", v, ok)
			}
		case "compact":
			if err := w.Compact(a.rev); err != nil {
				say("compact %s", errName(err))
			} else {
				say("compact")
			}
		case "rollback":
			w.Rollback()
			say("rolled back at %d", d.s.Rev())
		default:
			rev, err := w.Commit(a.kind == "sync")
			if err != nil {
				say("commit %s", errName(err))
			} else {
				say("committed %d", rev)
			}
		}
		if err != nil {
			say("%s", errName(err))
		}
	}
	return b.String()
}

func (a act) options() mvcc.RangeOptions {
	return mvcc.RangeOptions{Rev: a.rev, Limit: a.limit, KeysOnly: a.flags&1 != 0, CountOnly: a.flags&2 != 0, Back: a.flags&4 != 0}
}

func getText(kv mvcc.KeyValue, ok bool, err error) string {
	switch {
	case err != nil:
		return errName(err)
	case !ok:
		return "none"
	}
	return kvText(kv)
}

func rangeText(res mvcc.RangeResult, err error) string {
	if err != nil {
		return errName(err)
	}
	return resultText(res)
}

func (d driven) read(a act) string {
	if a.kind == "get" {
		return getText(d.s.Get(a.lo, a.rev))
	}
	return rangeText(d.s.Range(a.lo, a.hi, a.options()))
}

func (d driven) compact(rev int64) string {
	if err := d.s.Compact(rev); err != nil {
		return errName(err)
	}
	return "compacted"
}

func (d driven) hash(rev int64) string {
	h, err := d.s.HashKV(context.Background(), rev)
	if err != nil {
		return errName(err)
	}
	return hashText(h)
}

func (d driven) history(from, to int64) string {
	var b strings.Builder
	err := d.s.History(from, to, func(c *mvcc.Change) bool {
		b.WriteString(changeText(c))
		return true
	})
	if err != nil {
		return errName(err)
	}
	return b.String()
}
