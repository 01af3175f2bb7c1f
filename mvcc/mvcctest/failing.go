package mvcctest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
)

// weak is an engine that fails in an Apply, or takes small batches only. It hides what its
// Backend can do besides.
type weak struct {
	engine.Backend
	caps    engine.Caps
	applies int
	failAt  int  // the Apply that fails, counted from 1; 0: none
	late    bool // it fails after it has written
	biggest int
}

var errWeak = errors.New("the disk is gone")

func (k *weak) Caps() engine.Caps { return k.caps }

func (k *weak) Apply(b engine.Batch, sync bool) error {
	k.applies++
	k.biggest = max(k.biggest, b.Len())
	if k.caps.MaxBatchOps > 0 && int64(b.Len()) > k.caps.MaxBatchOps {
		return engine.ErrBatchTooBig
	}
	if k.failAt > 0 && k.applies >= k.failAt {
		if k.late && k.applies == k.failAt {
			if err := k.Backend.Apply(b, sync); err != nil {
				return err
			}
		}
		return fmt.Errorf("%w: %w", engine.ErrFailed, errWeak)
	}
	return k.Backend.Apply(b, sync)
}

func weaken(b engine.Backend) *weak { return &weak{Backend: b, caps: b.Caps()} }

func testFailing(t *testing.T, h Harness) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("an engine that fails in a commit stops the store, late=%v", late), func(t *testing.T) {
			x := &house{h: h, dir: t.TempDir()}
			b, err := h.Open(t, x.dir)
			must(t, err)
			k := weaken(b)
			s, err := x.openStore(k)
			must(t, err)
			put(t, s, "a", "1")
			r, err := s.Read()
			must(t, err)
			k.failAt, k.late = k.applies+1, late
			w, err := s.Begin()
			must(t, err)
			for _, key := range []string{"a", "b"} {
				_, err = w.Put([]byte(key), []byte("2"), 0)
				must(t, err)
			}
			_, err = w.Commit(true)
			wantErr(t, "commit", err, mvcc.ErrStopped)
			wantErr(t, "commit", err, errWeak)
			wantErr(t, "commit", err, engine.ErrFailed)
			_, err = s.Begin()
			wantErr(t, "begin", err, mvcc.ErrStopped)
			_, _, err = s.Get([]byte("a"), 0)
			wantErr(t, "get", err, mvcc.ErrStopped)
			_, err = r.Range(nil, nil, mvcc.RangeOptions{})
			wantErr(t, "range of an older transaction", err, mvcc.ErrStopped)
			wantErr(t, "compact", s.Compact(2), mvcc.ErrStopped)
			if s.Rev() != 2 {
				t.Errorf("revision %d has become visible", s.Rev())
			}
			must(t, r.Close())
			must(t, s.Close())
			s, err = x.openStore(b)
			must(t, err)
			want := "1 keys at 2\n"
			if late {
				want = "2 keys at 3\n"
			}
			if got := rangeText(s.Range(nil, nil, mvcc.RangeOptions{CountOnly: true})); got != want {
				t.Errorf("after reopening: %s, want %s", got, want)
			}
			must(t, s.Close())
			must(t, b.Close())
		})
	}
	t.Run("an engine that fails when a compaction is scheduled stops the store, and nothing was compacted", func(t *testing.T) {
		x := &house{h: h, dir: t.TempDir()}
		b, err := h.Open(t, x.dir)
		must(t, err)
		k := weaken(b)
		s, err := x.openStore(k)
		must(t, err)
		for range 5 {
			put(t, s, "a", "1")
		}
		k.failAt = k.applies + 1
		wantErr(t, "compact", s.Compact(4), mvcc.ErrStopped)
		wantErr(t, "waiting for it", s.WaitCompacted(t.Context(), 4), mvcc.ErrStopped)
		must(t, s.Close())
		s, err = x.openStore(b)
		must(t, err)
		if kv, ok, err := s.Get([]byte("a"), 2); err != nil || !ok || kv.Version != 1 || s.Compacted() != -1 {
			t.Errorf("after reopening: %+v %v %v, compacted %d", kv, ok, err, s.Compacted())
		}
		must(t, s.Close())
		must(t, b.Close())
	})
	t.Run("an engine that fails in a compaction stops the store", func(t *testing.T) {
		x := &house{h: h, dir: t.TempDir()}
		b, err := h.Open(t, x.dir)
		must(t, err)
		k := weaken(b)
		s, err := x.openStore(k)
		must(t, err)
		for range 10 {
			put(t, s, "a", "1")
		}
		k.failAt = k.applies + 2 // the first is Compact's own
		must(t, s.Compact(9))
		wantErr(t, "waiting for it", s.WaitCompacted(t.Context(), 9), mvcc.ErrStopped)
		wantErr(t, "sync", s.Sync(), mvcc.ErrStopped)
		must(t, s.Close())
		s, err = x.openStore(b)
		must(t, err)
		must(t, s.WaitCompacted(t.Context(), 9))
		must(t, s.Close())
		must(t, b.Close())
	})
}

// testSplit has an engine that takes six operations at once, and fails it at each Apply of
// transactions that need several.
func testSplit(t *testing.T, h Harness) {
	t.Run("a transaction in several batches is all or nothing", func(t *testing.T) {
		done := false
		for failAt := 1; !done; failAt++ {
			for _, late := range []bool{false, true} {
				done = splitOnce(t, h, failAt, late)
			}
		}
	})
}

// splitOnce tells whether failAt was never reached.
func splitOnce(t *testing.T, h Harness, failAt int, late bool) bool {
	x := &house{h: h, dir: t.TempDir()}
	b, err := h.Open(t, x.dir)
	must(t, err)
	defer func() { must(t, b.Close()) }()
	k := weaken(b)
	k.caps.MaxBatchOps = 6
	s, err := x.openStore(k)
	must(t, err)
	put(t, s, "a", "1")
	k.failAt, k.late = k.applies+failAt, late
	want := []string{"1 keys at 2\n"}
	stopped := false
	for round := range 2 {
		w, err := s.Begin()
		must(t, err)
		for i := range 20 {
			_, err := w.Put(fmt.Appendf(nil, "k%d.%d", round, i), []byte("v"), 0)
			must(t, err)
			if i == 9 {
				w.Next()
			}
		}
		must(t, w.SetMeta([]byte("round"), []byte{byte(round)}))
		want = append(want, fmt.Sprintf("%d keys at %d\n", 21+20*round, 4+2*round))
		if _, err = w.Commit(false); err != nil {
			wantErr(t, "commit", err, mvcc.ErrStopped)
			stopped = true
			break
		}
	}
	if k.biggest > 6 || !stopped && k.applies < 10 {
		t.Fatalf("%d batches of up to %d operations: the test shows nothing", k.applies, k.biggest)
	}
	must(t, s.Close())
	s, err = x.openStore(b)
	must(t, err)
	got := rangeText(s.Range(nil, nil, mvcc.RangeOptions{CountOnly: true}))
	round, ok, err := s.Meta([]byte("round"))
	must(t, err)
	n := len(want) - 1
	if stopped && got != want[n] { // then nothing of the last one
		n--
	}
	if got != want[n] || ok != (n > 0) || ok && int(round[0]) != n-1 {
		t.Errorf("failed at %d, late %v: found %s and round %v %v, want %q", failAt, late, got, round, ok, want[n])
	}
	before := s.Rev()
	if rev := put(t, s, "after", "1"); rev != before+1 {
		t.Errorf("the next revision is %d after %d", rev, before)
	}
	must(t, s.Close())
	s, err = x.openStore(b)
	must(t, err)
	must(t, s.Close())
	return !stopped
}
