package engine

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
)

// Guard is the life cycle of a Backend: open, failed, closed, and the number of open Snapshots.
// An adapter embeds one by value; the zero Guard is open. Nothing here allocates except Fail.
//
// What the author of an engine does with it:
//
//   - Snapshot: Pin first, then make the engine's own view; Unpin if that fails, and in the
//     Snapshot's Close. While a pin is held Close answers ErrBusy, so Get and Scan need no guard:
//     the engine cannot be closed under them.
//   - Apply and Sync: EnterWrite, work, Exit (deferred). Stats, Drain and the like: Enter, Exit.
//     Close waits for calls between the two. The pair does not nest.
//   - A write or sync that fails in a way after which the engine's state is unknown:
//     return g.Fail(cause). A batch refused before anything was touched is not such a failure.
//   - Close: g.Close(release), where release shuts the engine down. It runs at most once, with no
//     call inside and no Snapshot open. It asks Failure whether there is still something to sync.
//   - Caps and Stats after Close: release stores the last values in plain fields. Who sees Enter
//     answer ErrClosed may read them: release has returned by then.
type Guard struct {
	// pins counts the open Snapshots; closedPins is added to it once and for all by Close.
	pins atomic.Int64
	// calls is held for reading by calls on the engine, for writing by Close.
	calls  sync.RWMutex
	closed bool
	failed atomic.Pointer[error]
}

// closedPins makes pins negative however many Pins are being tried at the moment.
const closedPins = math.MinInt64 / 2

// Pin counts a Snapshot that is about to be made, or answers ErrClosed. It never waits.
func (g *Guard) Pin() error {
	if g.pins.Add(1) < 0 {
		g.pins.Add(-1)
		return ErrClosed
	}
	return nil
}

// Unpin undoes one Pin that answered nil.
func (g *Guard) Unpin() {
	if n := g.pins.Add(-1); n < 0 { // Close needs pins == 0, so a held pin keeps it from turning negative
		panic(fmt.Sprintf("engine: Guard.Unpin without Pin, count %d", n))
	}
}

// Enter begins a call on the engine, or answers ErrClosed. It waits for a Close that is under way.
func (g *Guard) Enter() error {
	g.calls.RLock()
	if g.closed {
		g.calls.RUnlock()
		return ErrClosed
	}
	return nil
}

// EnterWrite is Enter for writes and syncs: it also answers ErrFailed once Fail was called, with
// the first cause in its text.
func (g *Guard) EnterWrite() error {
	if err := g.Enter(); err != nil {
		return err
	}
	if p := g.failed.Load(); p != nil {
		g.calls.RUnlock()
		return *p
	}
	return nil
}

// Exit ends a call that Enter or EnterWrite let in.
func (g *Guard) Exit() { g.calls.RUnlock() }

// Fail makes the backend failed for good and returns what the failing call returns: an error that
// wraps ErrFailed and cause. The first cause stays; later calls of EnterWrite mention it.
func (g *Guard) Fail(cause error) error {
	later := fmt.Errorf("%w (first failure: %v)", ErrFailed, cause)
	g.failed.CompareAndSwap(nil, &later)
	return fmt.Errorf("%w: %w", ErrFailed, cause)
}

// Failure returns what EnterWrite answers after Fail, nil before.
func (g *Guard) Failure() error {
	if p := g.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Close closes the guard and runs release, whose error it returns; the backend is closed whatever
// that error is. It waits for calls between Enter and Exit and holds new ones off until release
// has returned. ErrBusy: Snapshots are open, nothing was done. ErrClosed: it was closed before.
func (g *Guard) Close(release func() error) error {
	if n := g.pins.Load(); n > 0 { // do not hold calls off just to find this out
		return fmt.Errorf("%w: %d", ErrBusy, n)
	}
	g.calls.Lock()
	defer g.calls.Unlock()
	if g.closed {
		return ErrClosed
	}
	if !g.pins.CompareAndSwap(0, closedPins) {
		return fmt.Errorf("%w: %d", ErrBusy, g.pins.Load())
	}
	g.closed = true
	return release()
}
