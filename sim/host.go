package sim

import "time"

// Host is a machine with one process and a clock. What is scheduled on it belongs to the process: a
// crash forgets it, a pause holds it back. A new host is up.
type Host struct {
	w      *World
	up     bool
	life   uint64 // counts crashes
	paused bool
	held   []func() // in order, while paused
	// The clocks: mono at the world's time since, from where it goes on with a rate that is off by ppm.
	since, mono time.Duration
	ppm         int64
	jumped      time.Duration
}

// NewHost returns a host whose clock is right.
func (w *World) NewHost() *Host { return &Host{w: w, up: true} }

// Up reports whether the process runs; also while it is paused.
func (h *Host) Up() bool { return h.up }

// Paused reports whether the process stands still.
func (h *Host) Paused() bool { return h.paused }

// Mono returns the host's monotonic clock. It drifts, and goes on while the host is down or paused.
func (h *Host) Mono() time.Duration { return h.mono + h.scale(h.w.now-h.since) }

// Wall returns the host's wall clock: Mono and all jumps.
func (h *Host) Wall() time.Duration { return h.Mono() + h.jumped }

func (h *Host) scale(d time.Duration) time.Duration {
	return d + time.Duration(int64(d/time.Microsecond)*h.ppm/1000)
}

// SetDrift makes the clock run faster by so many millionths from now on, slower if negative. More
// than -1,000,000.
func (h *Host) SetDrift(ppm int64) {
	h.mono, h.since, h.ppm = h.Mono(), h.w.now, ppm
}

// Jump moves the wall clock.
func (h *Host) Jump(by time.Duration) { h.jumped += by }

// After schedules fn after d of the host's own clock, as it runs now.
func (h *Host) After(d time.Duration, fn func()) {
	h.Later(time.Duration(int64(d/time.Microsecond)*1_000_000/(1_000_000+h.ppm))*time.Microsecond, fn)
}

// Later schedules fn after d of the world's time: for disks and networks, which have no part in the
// clock.
func (h *Host) Later(d time.Duration, fn func()) {
	h.w.push(d, event{fn, h, h.life})
}

func (h *Host) do(fn func()) {
	switch {
	case !h.up:
	case h.paused:
		h.held = append(h.held, fn)
	default:
		fn()
	}
}

// Crash ends the process: whatever it scheduled will not happen.
func (h *Host) Crash() {
	h.up, h.paused, h.held = false, false, nil
	h.life++
}

// Start begins a new process on a host that is down.
func (h *Host) Start() { h.up = true }

// Pause makes the process stand still for d. Then everything that was due meanwhile happens at once,
// in order. On a host that is down or paused already nothing happens.
func (h *Host) Pause(d time.Duration) {
	if !h.up || h.paused {
		return
	}
	h.paused = true
	life := h.life
	h.w.After(d, func() {
		if h.life == life {
			h.Resume()
		}
	})
}

// Resume ends a pause early.
func (h *Host) Resume() {
	if !h.paused {
		return
	}
	h.paused = false
	held := h.held
	h.held = nil
	life := h.life
	for i, fn := range held {
		if h.life != life {
			return
		}
		if h.paused { // again
			h.held = append(h.held, held[i:]...)
			return
		}
		fn()
	}
}
