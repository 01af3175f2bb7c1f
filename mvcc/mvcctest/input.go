package mvcctest

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
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
