package mvcctest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// twin is the dumb store: the list of all changes, and every question answered by going through
// it from the beginning.
type twin struct {
	changes        []mvcc.Change
	rev, compacted int64
	meta           map[string]string
}

func newTwin() *twin { return &twin{rev: 1, compacted: -1, meta: map[string]string{}} }

// at is the content at rev.
func at(changes []mvcc.Change, rev int64) map[string]mvcc.Change {
	state := map[string]mvcc.Change{}
	for _, c := range changes {
		if c.Rev.Main > rev {
			break
		}
		if c.Tombstone {
			delete(state, string(c.Key))
		} else {
			state[string(c.Key)] = c
		}
	}
	return state
}

// twinTxn is a transaction of the twin.
type twinTxn struct {
	w         *twin
	changes   []mvcc.Change // with those before
	main, sub int64
	meta      map[string]string
	compacted int64
	answer    strings.Builder
}

func (w *twin) write(script []act) string {
	t := &twinTxn{w: w, changes: slices.Clone(w.changes), main: w.rev + 1, meta: maps.Clone(w.meta), compacted: w.compacted}
	for _, a := range script {
		t.do(a)
	}
	return t.answer.String()
}

func (t *twinTxn) add(c mvcc.Change) {
	c.Rev, c.ModRevision = index.Revision{Main: t.main, Sub: t.sub}, t.main
	t.sub++
	t.changes = append(t.changes, c)
}

func (t *twinTxn) do(a act) {
	now := at(t.changes, t.main)
	say := func(format string, args ...any) { fmt.Fprintf(&t.answer, format+"\n", args...) }
	switch a.kind {
	case "put":
		old, live := now[string(a.lo)]
		c := mvcc.Change{KeyValue: mvcc.KeyValue{Key: a.lo, Value: a.value, Lease: a.lease, CreateRevision: t.main, Version: 1}}
		if live {
			c.CreateRevision, c.Version = old.CreateRevision, old.Version+1
			say("put over %v %d %d", old.Rev, old.CreateRevision, old.Version)
		} else {
			say("put over nothing")
		}
		t.add(c)
	case "delete":
		_, live := now[string(a.lo)]
		if live {
			t.add(mvcc.Change{KeyValue: mvcc.KeyValue{Key: a.lo}, Tombstone: true})
		}
		say("delete %v", live)
	case "deleterange":
		if a.hi != nil && bytes.Compare(a.lo, a.hi) >= 0 {
			say("deleterange %s", errName(mvcc.ErrInvertedRange))
			return
		}
		n := 0
		for _, k := range slices.Sorted(maps.Keys(now)) {
			if k >= string(a.lo) && (a.hi == nil || k < string(a.hi)) {
				t.add(mvcc.Change{KeyValue: mvcc.KeyValue{Key: []byte(k)}, Tombstone: true})
				n++
			}
		}
		say("deleterange %d", n)
	case "get", "range":
		say("%s", answer(now, a, t.w.rev))
	case "next":
		if t.sub > 0 {
			t.main, t.sub = t.main+1, 0
		}
	case "setmeta":
		t.meta[string(a.lo)] = string(a.value)
	case "deletemeta":
		delete(t.meta, string(a.lo))
	case "meta":
		v, ok := t.meta[string(a.lo)]
		say("meta %q %v", v, ok)
	case "compact":
		if e := refuseCompaction(a.rev, t.compacted, t.main-1); e != "" {
			say("compact %s", e)
			return
		}
		t.compacted = a.rev
		say("compact")
	case "rollback":
		say("rolled back at %d", t.w.rev)
	case "commit", "sync":
		if t.sub == 0 {
			t.main--
		}
		t.w.changes, t.w.rev, t.w.meta, t.w.compacted = t.changes, t.main, t.meta, t.compacted
		say("committed %d", t.w.rev)
	}
}

// answer is that of a get or range on state.
func answer(state map[string]mvcc.Change, a act, rev int64) string {
	if a.kind == "get" {
		c, ok := state[string(a.lo)]
		if !ok {
			return "none"
		}
		return kvText(c.KeyValue)
	}
	if a.hi != nil && bytes.Compare(a.lo, a.hi) >= 0 {
		return errName(mvcc.ErrInvertedRange)
	}
	if a.limit < 0 {
		return errName(mvcc.ErrNegative)
	}
	var res mvcc.RangeResult
	for _, k := range slices.Sorted(maps.Keys(state)) {
		if k >= string(a.lo) && (a.hi == nil || k < string(a.hi)) {
			kv := state[k].KeyValue
			if a.flags&1 != 0 {
				kv.Value, kv.Lease = nil, 0
			}
			res.KVs = append(res.KVs, kv)
		}
	}
	res.Count, res.Rev = int64(len(res.KVs)), rev
	if a.flags&4 != 0 {
		slices.Reverse(res.KVs)
	}
	if a.limit > 0 && res.Count > a.limit {
		res.KVs = res.KVs[:a.limit]
	}
	if a.flags&2 != 0 {
		res.KVs = nil
	}
	return resultText(res)
}

// refusal is the error of a read at rev, empty if there is none.
func (w *twin) refusal(rev int64) string {
	switch {
	case rev < 0:
		return errName(mvcc.ErrNegative)
	case rev > w.rev:
		return errName(mvcc.ErrFutureRevision)
	case rev != 0 && rev < w.compacted:
		return errName(mvcc.ErrCompacted)
	}
	return ""
}

func (w *twin) read(a act) string {
	if a.kind == "range" && a.hi != nil && bytes.Compare(a.lo, a.hi) >= 0 {
		return errName(mvcc.ErrInvertedRange)
	}
	if a.kind == "range" && a.limit < 0 {
		return errName(mvcc.ErrNegative)
	}
	if e := w.refusal(a.rev); e != "" {
		return e
	}
	if a.rev == 0 {
		a.rev = w.rev
	}
	return answer(at(w.changes, a.rev), a, a.rev)
}

func (w *twin) compact(rev int64) string {
	if e := refuseCompaction(rev, w.compacted, w.rev); e != "" {
		return e
	}
	w.compacted = rev
	return "compacted"
}

// refuseCompaction is the error of a compaction at rev, empty if there is none.
func refuseCompaction(rev, compacted, current int64) string {
	switch {
	case rev < 0:
		return errName(mvcc.ErrNegative)
	case rev <= compacted:
		return errName(mvcc.ErrCompacted)
	case rev > current:
		return errName(mvcc.ErrFutureRevision)
	}
	return ""
}

// left is what compaction leaves at or below the compacted revision: for each key the newest
// change there, unless it is a tombstone; and one that stands exactly at it.
func (w *twin) left(c mvcc.Change) bool {
	if c.Rev.Main > w.compacted {
		return true
	}
	for _, d := range w.changes {
		if d.Rev.Main <= w.compacted && d.Rev.Compare(c.Rev) > 0 && bytes.Equal(d.Key, c.Key) {
			return false
		}
	}
	return !c.Tombstone || c.Rev.Main == w.compacted
}

func (w *twin) history(from, to int64) string {
	if e := w.refusal(to); e != "" {
		return e
	}
	if to == 0 {
		to = w.rev
	}
	switch {
	case from < 0:
		return errName(mvcc.ErrNegative)
	case from > to:
		return errName(mvcc.ErrInvertedRange)
	case from < w.compacted:
		return errName(mvcc.ErrCompacted)
	}
	var b strings.Builder
	for i := range w.changes {
		if c := &w.changes[i]; c.Rev.Main >= from && c.Rev.Main <= to && w.left(*c) {
			b.WriteString(changeText(c))
		}
	}
	return b.String()
}

// hash is HashKV, from its description: protobuf by hand, once more.
func (w *twin) hash(rev int64) string {
	if e := w.refusal(rev); e != "" {
		return e
	}
	if rev == 0 {
		rev = w.rev
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	sum.Write([]byte("key"))
	visible := at(w.changes, rev)
	for _, c := range w.changes {
		if c.Rev.Main > rev {
			break
		}
		if c.Rev.Main <= w.compacted {
			if c.Tombstone || !w.left(c) {
				continue
			}
			if v, ok := visible[string(c.Key)]; len(visible) > 0 && (!ok || v.Rev != c.Rev) {
				continue
			}
		}
		fmt.Fprintf(sum, "%s_%s", be(c.Rev.Main), be(c.Rev.Sub))
		if c.Tombstone {
			sum.Write([]byte{'t', 1<<3 | 2})
			sum.Write(binary.AppendUvarint(nil, uint64(len(c.Key))))
			sum.Write(c.Key)
			continue
		}
		for i, v := range []any{c.Key, c.CreateRevision, c.ModRevision, c.Version, c.Value, c.Lease} {
			tag := byte(i+1) << 3
			switch v := v.(type) {
			case int64:
				if v != 0 {
					sum.Write(binary.AppendUvarint([]byte{tag}, uint64(v)))
				}
			case []byte:
				if len(v) > 0 {
					sum.Write(binary.AppendUvarint([]byte{tag | 2}, uint64(len(v))))
					sum.Write(v)
				}
			}
		}
	}
	return hashText(mvcc.KVHash{Hash: sum.Sum32(), Rev: rev, CompactRev: w.compacted})
}

func be(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// Texts of answers.

func kvText(kv mvcc.KeyValue) string {
	return fmt.Sprintf("%q=%q create %d mod %d version %d lease %d\n", kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease)
}

func resultText(r mvcc.RangeResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d keys at %d\n", r.Count, r.Rev)
	for _, kv := range r.KVs {
		b.WriteString(kvText(kv))
	}
	return b.String()
}

func changeText(c *mvcc.Change) string {
	return fmt.Sprintf("%v %v %s", c.Rev, c.Tombstone, kvText(c.KeyValue))
}

func hashText(h mvcc.KVHash) string { return fmt.Sprintf("%+v", h) }

// errName is the sentinel that err is.
func errName(err error) string {
	for _, known := range []error{
		mvcc.ErrCompacted, mvcc.ErrFutureRevision, mvcc.ErrNegative, mvcc.ErrEmptyKey, mvcc.ErrInvertedRange,
		mvcc.ErrTooLarge, mvcc.ErrStopped, mvcc.ErrCorrupt, mvcc.ErrClosed, mvcc.ErrDone,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "unknown error: " + err.Error()
}
