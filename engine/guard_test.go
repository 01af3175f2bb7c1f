package engine

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func nothing() error { return nil }

func TestGuard(t *testing.T) {
	t.Run("Close answers ErrBusy while a pin is held, then works, then ErrClosed", func(t *testing.T) {
		var g Guard
		if err := g.Pin(); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(nothing); !errors.Is(err, ErrBusy) {
			t.Errorf("Close = %v, want ErrBusy", err)
		}
		g.Unpin()
		cause := errors.New("release")
		if err := g.Close(func() error { return cause }); err != cause {
			t.Errorf("Close = %v, want the error of release", err)
		}
		for name, err := range map[string]error{
			"Close": g.Close(nothing), "Pin": g.Pin(), "Enter": g.Enter(), "EnterWrite": g.EnterWrite(),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s after Close = %v, want ErrClosed", name, err)
			}
		}
	})
	t.Run("the first failure is final and is told to later writers", func(t *testing.T) {
		var g Guard
		first, second := errors.New("EIO"), errors.New("other")
		if err := g.Fail(first); !errors.Is(err, ErrFailed) || !errors.Is(err, first) {
			t.Errorf("Fail = %v, want ErrFailed and the cause", err)
		}
		if err := g.Fail(second); !errors.Is(err, second) {
			t.Errorf("Fail = %v, want its own cause", err)
		}
		err := g.EnterWrite()
		if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "EIO") {
			t.Errorf("EnterWrite = %v, want ErrFailed with the first cause", err)
		}
		if err := g.Enter(); err != nil {
			t.Errorf("Enter = %v, want nil: reads go on", err)
		}
		g.Exit()
		if err := g.Close(nothing); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	t.Run("a pin too few is a panic", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		var g Guard
		g.Unpin()
	})
	t.Run("nothing allocates", func(t *testing.T) {
		var g Guard
		n := testing.AllocsPerRun(100, func() {
			g.Pin()
			g.Unpin()
			g.EnterWrite()
			g.Exit()
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// TestGuardCloseIsAlone closes beside users that hold pins and calls: release must never run
// beside one of them.
func TestGuardCloseIsAlone(t *testing.T) {
	for range 200 {
		var g Guard
		var inside atomic.Int64
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for {
					enter, exit := g.Enter, g.Exit
					if i%2 == 0 {
						enter, exit = g.Pin, g.Unpin
					}
					if enter() != nil {
						return
					}
					inside.Add(1)
					inside.Add(-1)
					exit()
				}
			})
		}
		for {
			err := g.Close(func() error {
				if n := inside.Load(); n != 0 {
					t.Errorf("release ran beside %d users", n)
				}
				return nil
			})
			if err == nil {
				break
			}
			if !errors.Is(err, ErrBusy) {
				t.Fatal(err)
			}
		}
		wg.Wait()
	}
}

func BenchmarkGuard(b *testing.B) {
	var g Guard
	b.Run("op=pin", func(b *testing.B) {
		for b.Loop() {
			g.Pin()
			g.Unpin()
		}
	})
	b.Run("op=enterwrite", func(b *testing.B) {
		for b.Loop() {
			g.EnterWrite()
			g.Exit()
		}
	})
}
