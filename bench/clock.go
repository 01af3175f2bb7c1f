package bench

import (
	"context"
	"runtime"
	"time"
)

// clock reads time and waits; tests put a fake in its place.
type clock interface {
	// now is a monotonic reading from an arbitrary start.
	now() time.Duration
	// waitUntil returns when now has reached t, or ctx has ended. One goroutine at a time may call it.
	waitUntil(ctx context.Context, t time.Duration)
}

// wallClock is the machine's clock. Waiting is precise, and cheap as far as precision allows: it
// sleeps while the time left is longer than sleeps have lately overshot, and yields to other
// goroutines for the rest.
type wallClock struct {
	start  time.Time
	timer  *time.Timer
	margin time.Duration // how much earlier than due a sleep is asked to end
}

// Bounds of the margin. The Go runtime may wait for network and timers together in whole
// milliseconds, so that a sleep of any length takes more than one; without sockets it takes about
// 60 µs too long.
const (
	minMargin = 50 * time.Microsecond
	maxMargin = 2 * time.Millisecond
)

func newWallClock() *wallClock {
	c := &wallClock{start: time.Now(), timer: time.NewTimer(time.Hour), margin: minMargin}
	c.timer.Stop()
	return c
}

func (c *wallClock) now() time.Duration { return time.Since(c.start) }

func (c *wallClock) waitUntil(ctx context.Context, t time.Duration) {
	for {
		now := c.now()
		left := t - now
		if left <= 0 {
			return
		}
		if left <= c.margin {
			runtime.Gosched()
			if ctx.Err() != nil {
				return
			}
			continue
		}
		asked := left - c.margin
		c.timer.Reset(asked)
		select {
		case <-c.timer.C:
			over := c.now() - now - asked
			c.margin = min(max(over+over/2, c.margin-c.margin/16, minMargin), maxMargin)
		case <-ctx.Done():
			c.timer.Stop()
			return
		}
	}
}
