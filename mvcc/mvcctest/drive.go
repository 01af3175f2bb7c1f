package mvcctest

import (
	"context"
	"fmt"
	"strings"
	"testing"

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

// play drives the stores of houses and the twin with n random steps, and compares every answer.
// chains remembers the chain of each revision, in which all must agree for ever.
func play(t *testing.T, r author, n int, w *twin, chains map[int64]uint64, houses []*house) {
	t.Helper()
	for step := range n {
		var what string
		var ask func(s subject) string
		switch k := r.IntN(40); {
		case k < 20:
			script := r.script()
			what, ask = fmt.Sprint("transaction ", script), func(s subject) string { return s.write(script) }
		case k < 32:
			a := r.query(r.rev(w.compacted, w.rev))
			what, ask = a.String(), func(s subject) string { return s.read(a) }
		case k < 34:
			from, to := r.rev(w.compacted, w.rev), r.rev(w.compacted, w.rev)
			what, ask = fmt.Sprint("history ", from, to), func(s subject) string { return s.history(from, to) }
		case k < 36:
			rev := r.rev(w.compacted, w.rev)
			what, ask = fmt.Sprint("hash ", rev), func(s subject) string { return s.hash(rev) }
		case k < 38:
			rev := r.rev(w.compacted, w.rev)
			what, ask = fmt.Sprint("compact ", rev), func(s subject) string { return s.compact(rev) }
		case k < 39 || r.IntN(4) > 0:
			rev := r.rev(w.compacted, w.rev)
			if w.refusal(rev) == "" {
				compareChains(t, rev, w, chains, houses)
			}
			continue
		default:
			for _, x := range houses {
				x.reopen(t)
			}
			continue
		}
		want := ask(w)
		for _, x := range houses {
			if got := ask(driven{x.store}); got != want {
				t.Fatalf("%s, step %d: %s:\ngot  %s\nwant %s", x.h.Name, step, what, got, want)
			}
		}
	}
}

func compareChains(t *testing.T, rev int64, w *twin, chains map[int64]uint64, houses []*house) {
	t.Helper()
	if rev == 0 {
		rev = w.rev
	}
	for _, x := range houses {
		got, err := x.store.Chain(rev)
		if err != nil {
			t.Fatalf("%s: chain at %d: %v", x.h.Name, rev, err)
		}
		want, known := chains[rev]
		if chains[rev] = got; known && got != want {
			t.Fatalf("%s: chain at %d is %x, and was or is elsewhere %x", x.h.Name, rev, got, want)
		}
	}
}

// same compares all that there is: the history, the meta data, and the content, hashes and chains
// at some thirty of the readable revisions.
func same(t *testing.T, w *twin, chains map[int64]uint64, houses []*house) {
	t.Helper()
	for _, x := range houses {
		d := driven{x.store}
		if got := x.store.Rev(); got != w.rev {
			t.Fatalf("%s: revision %d, want %d", x.h.Name, got, w.rev)
		}
		for rev := max(w.compacted, 1); rev <= w.rev; rev += 1 + (w.rev-w.compacted)/30 {
			if got, want := d.read(act{kind: "range", rev: rev}), w.read(act{kind: "range", rev: rev}); got != want {
				t.Fatalf("%s: at %d:\ngot  %s\nwant %s", x.h.Name, rev, got, want)
			}
			if got, want := d.hash(rev), w.hash(rev); got != want {
				t.Fatalf("%s: hash at %d: got %s, want %s", x.h.Name, rev, got, want)
			}
			compareChains(t, rev, w, chains, []*house{x})
		}
		from := max(w.compacted, 0)
		if got, want := d.history(from, 0), w.history(from, 0); got != want {
			t.Fatalf("%s: history:\ngot  %s\nwant %s", x.h.Name, got, want)
		}
		got := map[string]string{}
		must(t, x.store.ScanMeta(nil, nil, func(k, v []byte) bool { got[string(k)] = string(v); return true }))
		if fmt.Sprint(got) != fmt.Sprint(w.meta) {
			t.Fatalf("%s: meta data %q, want %q", x.h.Name, got, w.meta)
		}
	}
}
