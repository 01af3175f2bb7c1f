package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
)

// gated is a backend whose Apply tells that it began, and goes on when it is let through.
type gated struct {
	engine.Backend
	began chan bool  // the sync flag
	pass  chan error // nil: apply; else fail with it
}

func newGated(t *testing.T) *gated {
	t.Helper()
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &gated{Backend: b, began: make(chan bool, 1), pass: make(chan error)}
}

func (g *gated) Apply(b engine.Batch, sync bool) error {
	g.began <- sync
	if err := <-g.pass; err != nil {
		return err
	}
	return g.Backend.Apply(b, sync)
}

func buffered(t *testing.T, b engine.Backend, p engine.Policy) engine.Backend {
	t.Helper()
	u, err := engine.Buffered(b, p)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// put applies n keys in one batch.
func put(b engine.Backend, prefix string, n int, sync bool) error {
	w := b.NewBatch()
	for i := range n {
		w.Set(1, fmt.Appendf(nil, "%s%d", prefix, i), []byte("value"))
	}
	return b.Apply(w, sync)
}

func keys(t *testing.T, b engine.Backend) int {
	t.Helper()
	sn, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	n := len(list(t, sn.Scan(1, nil, nil)))
	if err := sn.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBufferedCommits(t *testing.T) {
	t.Run("after the interval, counted from the first pending write, with a sync", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGated(t)
			u := buffered(t, g, engine.Policy{Interval: time.Second})
			time.Sleep(time.Hour)
			check(t, put(u, "a", 1, false))
			time.Sleep(600 * time.Millisecond)
			check(t, put(u, "b", 1, false))
			time.Sleep(399 * time.Millisecond)
			synctest.Wait()
			if len(g.began) != 0 {
				t.Fatal("committed before the interval was over")
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if sync := <-g.began; !sync {
				t.Error("committed without sync")
			}
			g.pass <- nil
			synctest.Wait()
			if n := keys(t, g.Backend); n != 2 {
				t.Errorf("%d keys were committed, want 2", n)
			}
			check(t, u.Close())
		})
	})
	t.Run("at the phase of the interval, however late the first pending write came", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGated(t)
			u := buffered(t, g, engine.Policy{Interval: time.Second, Phase: 300 * time.Millisecond})
			at := func(due time.Duration) { // of the second, the clock's
				t.Helper()
				now := time.Duration(time.Now().UnixNano()) % time.Second
				time.Sleep((due-now+time.Second-1)%time.Second + 1 - time.Millisecond)
				synctest.Wait()
				if len(g.began) != 0 {
					t.Fatalf("committed before %v", due)
				}
				time.Sleep(time.Millisecond)
				synctest.Wait()
				if len(g.began) != 1 {
					t.Fatalf("not committed at %v", due)
				}
				<-g.began
				g.pass <- nil
				synctest.Wait()
			}
			for _, pause := range []time.Duration{0, 100, 299, 300, 301, 700, 999, 12345} {
				time.Sleep(pause*time.Millisecond + 2*time.Microsecond)
				check(t, put(u, fmt.Sprint(pause), 1, false))
				at(300 * time.Millisecond)
			}
			check(t, u.Close())
		})
	})
	t.Run("at the number of operations, and at the number of bytes", func(t *testing.T) {
		for _, p := range []engine.Policy{{Interval: time.Hour, MaxOps: 4}, {Interval: time.Hour, MaxBytes: 25}} {
			synctest.Test(t, func(t *testing.T) {
				g := newGated(t)
				u := buffered(t, g, p)
				check(t, put(u, "a", 3, false))
				synctest.Wait()
				if len(g.began) != 0 {
					t.Fatal("committed too early")
				}
				check(t, put(u, "b", 1, false))
				synctest.Wait()
				if len(g.began) != 1 {
					t.Fatal("not committed")
				}
				g.pass <- nil
				check(t, u.Close())
			})
		}
	})
	t.Run("what is pending, at Close", func(t *testing.T) {
		b, err := mem.Open(mem.Options{})
		check(t, err)
		rec := &recorder{Backend: b}
		u := buffered(t, rec, engine.Policy{Interval: time.Hour})
		check(t, put(u, "a", 3, false))
		check(t, u.Close())
		if rec.ops != 3 {
			t.Errorf("%d operations were committed, want 3", rec.ops)
		}
		if err := u.Close(); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("second Close = %v, want ErrClosed", err)
		}
	})
}

func TestBufferedKnowsWhatIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(t)
		u := buffered(t, g, engine.Policy{Interval: time.Hour, MaxOps: 2})
		want := func(applied, durable int64) {
			t.Helper()
			synctest.Wait()
			if a, d := u.(engine.Progressing).Progress(); a != applied || d != durable {
				t.Errorf("Progress = %d, %d, want %d, %d", a, d, applied, durable)
			}
		}
		check(t, u.Apply(u.NewBatch(), false))
		want(0, 0)
		check(t, put(u, "a", 1, false))
		check(t, put(u, "b", 1, false)) // full
		want(2, 0)
		check(t, put(u, "c", 1, false))
		<-g.began
		g.pass <- nil
		want(3, 2)
		check(t, put(u, "d", 1, false))
		<-g.began
		want(4, 2)
		g.pass <- errors.New("no disk")
		want(4, 2)
		if err := u.Close(); !errors.Is(err, engine.ErrFailed) {
			t.Errorf("Close = %v, want ErrFailed", err)
		}
	})
}

// recorder counts what reaches the inner backend.
type recorder struct {
	engine.Backend
	caps         engine.Caps
	ops, batches int
	maxOps       int
}

func (r *recorder) Caps() engine.Caps { return r.caps }

func (r *recorder) Apply(b engine.Batch, sync bool) error {
	r.ops, r.batches, r.maxOps = r.ops+b.Len(), r.batches+1, max(r.maxOps, b.Len())
	return r.Backend.Apply(b, sync)
}

func TestBufferedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(t)
		u := buffered(t, g, engine.Policy{Interval: time.Hour, MaxOps: 2})
		check(t, put(u, "a", 2, false))
		synctest.Wait() // the first group is being committed
		check(t, put(u, "b", 2, false))
		done := make(chan error, 1)
		go func() { done <- put(u, "c", 1, false) }()
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("Apply took a third group")
		}
		if n := keys(t, u); n != 4 {
			t.Errorf("a Snapshot beside the commit shows %d keys, want 4", n)
		}
		<-g.began
		g.pass <- nil
		check(t, <-done)
		if n := keys(t, u); n != 5 {
			t.Errorf("a Snapshot shows %d keys, want 5", n)
		}
		go func() { done <- u.Sync() }()
		<-g.began
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("Sync returned before the commit")
		}
		g.pass <- nil
		<-g.began
		g.pass <- nil
		check(t, <-done)
		if n := keys(t, g.Backend); n != 5 {
			t.Errorf("%d keys were committed, want 5", n)
		}
		check(t, u.Close())
	})
}

func TestBufferedFailureIsFinal(t *testing.T) {
	cause := errors.New("the disk said no")
	for name, write := range map[string]func(engine.Backend) error{
		"a synced Apply": func(u engine.Backend) error { return put(u, "b", 1, true) },
		"a Sync":         func(u engine.Backend) error { return u.Sync() },
		"an Apply that waits for room": func(u engine.Backend) error {
			return errors.Join(put(u, "b", 9, false), put(u, "c", 9, false), put(u, "d", 9, false))
		},
	} {
		t.Run(name+" that waits for it is told", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGated(t)
				u := buffered(t, g, engine.Policy{Interval: time.Hour, MaxOps: 9})
				check(t, put(u, "a", 1, false))
				done := make(chan error, 1)
				go func() { done <- write(u) }()
				<-g.began
				g.pass <- cause
				if err := <-done; !errors.Is(err, engine.ErrFailed) {
					t.Errorf("%v, want ErrFailed", err)
				}
				for _, err := range []error{put(u, "z", 1, false), u.Sync(), put(u, "z", 0, true)} {
					if !errors.Is(err, engine.ErrFailed) || !strings.Contains(err.Error(), cause.Error()) {
						t.Errorf("afterwards %v, want ErrFailed with its cause", err)
					}
				}
				if n := keys(t, u); n == 0 {
					t.Error("what was applied is no longer shown")
				}
				if err := u.Close(); !errors.Is(err, engine.ErrFailed) {
					t.Errorf("Close = %v, want ErrFailed: writes were lost", err)
				}
				if _, err := g.Backend.Snapshot(); !errors.Is(err, engine.ErrClosed) {
					t.Errorf("the inner backend is still open: %v", err)
				}
			})
		})
	}
}

func TestBufferedLimits(t *testing.T) {
	open := func(t *testing.T, c engine.Caps) (engine.Backend, *recorder) {
		b, err := mem.Open(mem.Options{})
		check(t, err)
		rec := &recorder{Backend: b, caps: c}
		return buffered(t, rec, engine.Policy{Interval: time.Hour}), rec
	}
	t.Run("a batch that the engine could not take is refused and leaves nothing", func(t *testing.T) {
		for _, c := range []engine.Caps{{MaxBatchOps: 10}, {MaxBatchBytes: 70}} {
			u, rec := open(t, c)
			if err := put(u, "a", 11, false); !errors.Is(err, engine.ErrBatchTooBig) {
				t.Errorf("%+v: %v, want ErrBatchTooBig", c, err)
			}
			check(t, put(u, "b", 10, true))
			if rec.ops != 10 || keys(t, u) != 10 {
				t.Errorf("%+v: %d operations, %d keys, want 10", c, rec.ops, keys(t, u))
			}
			check(t, u.Close())
		}
	})
	t.Run("a range deletion counts the keys it covers, those of its own batch too", func(t *testing.T) {
		u, _ := open(t, engine.Caps{MaxBatchOps: 10})
		check(t, put(u, "a", 8, false))
		w := u.NewBatch()
		w.Set(1, []byte("b"), nil)
		w.DeleteRange(1, nil, nil) // 9 deletions
		check(t, u.Apply(w, false))
		if n := keys(t, u); n != 0 {
			t.Errorf("%d keys are left, want 0", n)
		}
		check(t, put(u, "a", 10, false))
		w.Reset()
		w.Set(1, []byte("b"), nil)
		w.DeleteRange(1, nil, nil)
		if err := u.Apply(w, false); !errors.Is(err, engine.ErrBatchTooBig) {
			t.Errorf("%v, want ErrBatchTooBig", err)
		}
		if n := keys(t, u); n != 10 {
			t.Errorf("%d keys are left by a refused batch, want 10", n)
		}
		check(t, u.Close())
	})
	t.Run("batches share a commit while the engine can take them together", func(t *testing.T) {
		u, rec := open(t, engine.Caps{MaxBatchOps: 10})
		for i := range 10 {
			check(t, put(u, fmt.Sprint("key", i, "."), 4, false))
		}
		check(t, u.Close())
		if rec.batches != 5 || rec.maxOps != 8 {
			t.Errorf("%d commits of up to %d operations, want 5 of 8", rec.batches, rec.maxOps)
		}
	})
	t.Run("many range deletions are committed early", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			u, rec := open(t, engine.Caps{RangeDelete: true})
			for range 64 {
				w := u.NewBatch()
				w.DeleteRange(1, []byte("a"), []byte("b"))
				check(t, u.Apply(w, false))
			}
			synctest.Wait()
			if rec.batches != 1 {
				t.Errorf("%d commits, want 1", rec.batches)
			}
			check(t, u.Close())
		})
	})
}

func TestBufferedDescribesItself(t *testing.T) {
	b, err := mem.Open(mem.Options{})
	check(t, err)
	u := buffered(t, b, engine.Policy{})
	defer u.Close()
	got := u.(engine.Described).Options()
	for name, want := range map[string]string{
		"engine": "mem", "buffered.interval": "100ms", "buffered.maxOps": "10000", "buffered.maxBytes": "16777216",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	for _, p := range []engine.Policy{
		{Interval: -1}, {MaxOps: -1}, {MaxBytes: -1}, {Phase: -1}, {Phase: engine.DefaultInterval}, {Interval: time.Second, Phase: 2 * time.Second},
	} {
		if _, err := engine.Buffered(b, p); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
	other, err := mem.Open(mem.Options{})
	check(t, err)
	p := buffered(t, other, engine.Policy{Phase: 7 * time.Millisecond})
	defer p.Close()
	if got := p.(engine.Described).Options()["buffered.phase"]; got != "7ms" {
		t.Errorf("buffered.phase = %q, want 7ms", got)
	}
}
