package mvcctest

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/mvcc/index"
)

func testInput(t *testing.T, h Harness) {
	x := h.build(t)
	s := x.store
	put(t, s, "a", "1") // 2
	put(t, s, "a", "2") // 3
	put(t, s, "b", "1") // 4
	compact(t, s, 3)
	key := []byte("a")
	t.Run("bad input is refused by name and changes nothing", func(t *testing.T) {
		w, err := s.Begin()
		must(t, err)
		defer w.Rollback()
		big := make([]byte, s.MaxWriteBytes())
		for _, c := range []struct {
			what string
			call func() error
			want error
		}{
			{"put of an empty key", func() error { _, err := w.Put(nil, key, 0); return err }, mvcc.ErrEmptyKey},
			{"put of too large a value", func() error { _, err := w.Put(key, big, 0); return err }, mvcc.ErrTooLarge},
			{"delete of an empty key", func() error { _, err := w.Delete(nil); return err }, mvcc.ErrEmptyKey},
			{"delete of an inverted range", func() error { _, err := w.DeleteRange([]byte("b"), key); return err }, mvcc.ErrInvertedRange},
			{"delete of an empty range", func() error { _, err := w.DeleteRange(key, key); return err }, mvcc.ErrInvertedRange},
			{"meta data under an empty key", func() error { return w.SetMeta(nil, key) }, mvcc.ErrEmptyKey},
			{"too much meta data", func() error { return w.SetMeta(key, big) }, mvcc.ErrTooLarge},
			{"get of an empty key", func() error { _, _, err := s.Get(nil, 0); return err }, mvcc.ErrEmptyKey},
			{"get at a negative revision", func() error { _, _, err := s.Get(key, -1); return err }, mvcc.ErrNegative},
			{"get at a future revision", func() error { _, _, err := s.Get(key, 5); return err }, mvcc.ErrFutureRevision},
			{"get at a compacted revision", func() error { _, _, err := s.Get(key, 2); return err }, mvcc.ErrCompacted},
			{"range that is inverted", func() error { _, err := s.Range([]byte("b"), key, mvcc.RangeOptions{}); return err }, mvcc.ErrInvertedRange},
			{"range to an empty end", func() error { _, err := s.Range(key, []byte{}, mvcc.RangeOptions{}); return err }, mvcc.ErrInvertedRange},
			{"range with a negative limit", func() error { _, err := s.Range(nil, nil, mvcc.RangeOptions{Limit: -1}); return err }, mvcc.ErrNegative},
			{"range at a negative revision", func() error { _, err := s.Range(nil, nil, mvcc.RangeOptions{Rev: -1}); return err }, mvcc.ErrNegative},
			{"range at a future revision", func() error { _, err := s.Range(nil, nil, mvcc.RangeOptions{Rev: 5}); return err }, mvcc.ErrFutureRevision},
			{"range at a compacted revision", func() error { _, err := s.Range(nil, nil, mvcc.RangeOptions{Rev: 2}); return err }, mvcc.ErrCompacted},
			{"hash of a compacted revision", func() error { _, err := s.HashKV(context.Background(), 2); return err }, mvcc.ErrCompacted},
			{"chain at a future revision", func() error { _, err := s.Chain(5); return err }, mvcc.ErrFutureRevision},
			{"history from a compacted revision", func() error { return s.History(2, 0, nil) }, mvcc.ErrCompacted},
			{"history to a future revision", func() error { return s.History(3, 5, nil) }, mvcc.ErrFutureRevision},
			{"history backwards", func() error { return s.History(4, 3, nil) }, mvcc.ErrInvertedRange},
			{"history from a negative revision", func() error { return s.History(-1, 0, nil) }, mvcc.ErrNegative},
			{"history to a negative revision", func() error { return s.History(3, -1, nil) }, mvcc.ErrNegative},
			{"hash of a negative revision", func() error { _, err := s.HashKV(context.Background(), -1); return err }, mvcc.ErrNegative},
			{"hash of a future revision", func() error { _, err := s.HashKV(context.Background(), 5); return err }, mvcc.ErrFutureRevision},
			{"chain at a negative revision", func() error { _, err := s.Chain(-1); return err }, mvcc.ErrNegative},
			{"chain at a compacted revision", func() error { _, err := s.Chain(2); return err }, mvcc.ErrCompacted},
			{"get of an empty key in a transaction", func() error { _, _, err := w.Get(nil, 0); return err }, mvcc.ErrEmptyKey},
			{"get in a transaction at a negative revision", func() error { _, _, err := w.Get(key, -1); return err }, mvcc.ErrNegative},
			{"get in a transaction at a future revision", func() error { _, _, err := w.Get(key, 5); return err }, mvcc.ErrFutureRevision},
			{"range in a transaction that is inverted", func() error { _, err := w.Range([]byte("b"), key, mvcc.RangeOptions{}); return err }, mvcc.ErrInvertedRange},
			{"range in a transaction with a negative limit", func() error { _, err := w.Range(nil, nil, mvcc.RangeOptions{Limit: -1}); return err }, mvcc.ErrNegative},
			{"range in a transaction at a future revision", func() error { _, err := w.Range(nil, nil, mvcc.RangeOptions{Rev: 5}); return err }, mvcc.ErrFutureRevision},
			{"compaction in a transaction at a negative revision", func() error { return w.Compact(-1) }, mvcc.ErrNegative},
			{"compaction in a transaction at a compacted revision", func() error { return w.Compact(3) }, mvcc.ErrCompacted},
			{"compaction in a transaction at a future revision", func() error { return w.Compact(5) }, mvcc.ErrFutureRevision},
		} {
			wantErr(t, c.what, c.call(), c.want)
		}
		w.Rollback()
		for _, c := range []struct {
			rev  int64
			want error
		}{{-1, mvcc.ErrNegative}, {3, mvcc.ErrCompacted}, {5, mvcc.ErrFutureRevision}} {
			wantErr(t, "compaction", s.Compact(c.rev), c.want)
		}
		if got := (driven{s}).read(act{kind: "range"}); !strings.HasPrefix(got, "2 keys at 4\n") {
			t.Errorf("afterwards: %s", got)
		}
	})
	t.Run("an ended transaction and a closed store answer so", func(t *testing.T) {
		w, err := s.Begin()
		must(t, err)
		_, err = w.Commit(false)
		must(t, err)
		_, err = w.Put(key, key, 0)
		wantErr(t, "put", err, mvcc.ErrDone)
		_, err = w.Commit(false)
		wantErr(t, "commit", err, mvcc.ErrDone)
		w.Rollback()
		r, err := s.Read()
		must(t, err)
		wantErr(t, "close beside a reader", s.Close(), mvcc.ErrBusy)
		must(t, r.Close())
		wantErr(t, "second close of a reader", r.Close(), mvcc.ErrDone)
		must(t, s.Close())
		wantErr(t, "second close", s.Close(), mvcc.ErrClosed)
		_, err = s.Begin()
		wantErr(t, "begin", err, mvcc.ErrClosed)
		_, err = s.Read()
		wantErr(t, "read", err, mvcc.ErrClosed)
		_, _, err = s.Get(key, 0)
		wantErr(t, "get", err, mvcc.ErrClosed)
		wantErr(t, "compact", s.Compact(4), mvcc.ErrClosed)
		x.store = nil
	})
	t.Run("a configuration that makes no sense is refused", func(t *testing.T) { testConfig(t, h) })
	t.Run("more meta data than a batch of the engine takes is refused, and had no effect", func(t *testing.T) { testMuchMeta(t, h) })
	t.Run("another format version and foreign data are refused, untouched", func(t *testing.T) { testFormat(t, h) })
}

func testFormat(t *testing.T, h Harness) {
	for _, c := range []struct {
		what  string
		space engine.Space
		key   string
		value []byte
	}{
		{"a newer version", 0, "format", []byte{0, 0, 0, 99}},
		{"an older version", 0, "format", []byte{0, 0, 0, 0}},
		{"a version that is none", 0, "format", []byte{1}},
		{"data without a version", 1, "somebody's", []byte("data")},
		{"meta data without a version", 2, "somebody's", []byte("data")},
	} {
		x := &house{h: h, dir: t.TempDir()}
		b, err := h.Open(t, x.dir)
		must(t, err)
		w := b.NewBatch()
		head := binary.AppendUvarint([]byte{byte(c.space)}, uint64(len(c.key)))
		sum := crc32.Checksum(append(append(head, c.key...), c.value...), crc32.MakeTable(crc32.Castagnoli))
		w.Set(c.space, []byte(c.key), binary.LittleEndian.AppendUint32(c.value, sum))
		must(t, b.Apply(w, true))
		before := contentHash(t, b)
		_, err = x.openStore(b)
		wantErr(t, c.what, err, mvcc.ErrFormat)
		if contentHash(t, b) != before {
			t.Errorf("%s: the content was changed", c.what)
		}
		must(t, b.Close())
	}
}

func contentHash(t *testing.T, b engine.Backend) [engine.HashSize]byte {
	t.Helper()
	snap, err := b.Snapshot()
	must(t, err)
	defer snap.Close()
	sum, err := engine.Hash(context.Background(), snap)
	must(t, err)
	return sum
}

func testConfig(t *testing.T, h Harness) {
	b, err := h.Open(t, t.TempDir())
	must(t, err)
	defer func() { must(t, b.Close()) }()
	full := h.Index()
	full.Put([]byte("a"), index.Revision{Main: 2})
	few := weaken(b)
	few.caps.MaxBatchBytes = 1 << 10
	for what, c := range map[string]mvcc.Config{
		"no backend":                          {Index: h.Index()},
		"no index":                            {Backend: b},
		"an index that is not empty":          {Backend: b, Index: full},
		"a negative limit":                    {Backend: b, Index: h.Index(), MaxWriteBytes: -1},
		"a limit above what the engine takes": {Backend: few, Index: h.Index(), MaxWriteBytes: 1 << 10},
	} {
		if s, err := mvcc.Open(context.Background(), c); err == nil {
			t.Errorf("%s was accepted", what)
			must(t, s.Close())
		}
	}
}

func testMuchMeta(t *testing.T, h Harness) {
	b, err := h.Open(t, t.TempDir())
	must(t, err)
	defer func() { must(t, b.Close()) }()
	k := weaken(b)
	k.caps.MaxBatchOps = 6
	s, err := (&house{h: h}).openStore(k)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	w, err := s.Begin()
	must(t, err)
	_, err = w.Put([]byte("a"), []byte("1"), 0)
	must(t, err)
	for i := range 6 {
		must(t, w.SetMeta([]byte{byte(i)}, []byte("x")))
	}
	_, err = w.Commit(true)
	wantErr(t, "commit", err, mvcc.ErrMetaTooLarge)
	if _, ok, err := s.Meta([]byte{0}); ok || err != nil || s.Rev() != 1 {
		t.Errorf("meta data is there: %v, %v; revision %d", ok, err, s.Rev())
	}
	if rev := put(t, s, "a", "2"); rev != 2 {
		t.Errorf("the next revision is %d, want 2", rev)
	}
}
