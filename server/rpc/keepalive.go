package rpc

import "time"

// Keepalive is what keeps connections alive, as gRPC knows it. Zero: nothing.
type Keepalive struct {
	// MinTime is the least time between two pings of a client to which nothing was sent meanwhile. Who
	// pings more often, or without a call more than every two hours, is sent away in the end.
	MinTime time.Duration
	// Interval is the time without a sign of a client after which it is pinged, and Timeout how long it
	// may then stay silent. Both are kept to about a tenth.
	Interval, Timeout time.Duration
}

const (
	maxStrikes  = 2
	idlePinging = 2 * time.Hour
)

// mayPing counts a ping of the client, with mu held; false: that was one too many.
func (c *conn) mayPing(now time.Time) bool {
	least := c.s.config.Keepalive.MinTime
	if least == 0 {
		return true
	}
	if len(c.streams) == 0 {
		least = idlePinging
	}
	last := c.pinged
	c.pinged = now
	switch {
	case c.answered: // pings measure how fast the answer goes
		c.answered, c.strikes = false, 0
	case last.IsZero() || now.Sub(last) >= least:
		c.strikes = max(c.strikes-1, 0)
	default:
		c.strikes++
	}
	return c.strikes <= maxStrikes
}

// Clients of gRPC measure the connection by pings: the next one goes out with the first response after
// the acknowledgement of the last. Each costs both sides a good part of a small call. So an acknowledgement
// goes with a response, but not before ackHold unless the connection carries much and is worth measuring, that
// is ackBytes; and after ackDelay, which is looked for as often, it goes alone.
const (
	ackHold  = 40 * time.Millisecond
	ackDelay = 50 * time.Millisecond
	ackBytes = 16 << 10
)

// mayAck tells whether acknowledgements go with what is being sent, with mu held.
func (c *conn) mayAck() bool {
	return c.ackDue || c.ackSent >= ackBytes || time.Since(c.ackFrom) >= ackHold
}

// ackSoon has all pings acknowledged after twice ackDelay, at the latest.
func (s *Server) ackSoon() {
	if s.acking.CompareAndSwap(false, true) {
		time.AfterFunc(ackDelay, s.ackNow)
	}
}

func (s *Server) ackNow() {
	s.acking.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		switch {
		case len(c.acks) == 0 || c.closed:
		case time.Since(c.ackFrom) < ackDelay:
			s.ackSoon()
		default:
			c.ackDue = true
			c.rouse()
		}
		c.mu.Unlock()
	}
}

// silence is how long a client has said nothing.
type silence struct {
	since time.Time
	asked bool // it was pinged since
}

// watch pings silent clients and ends the connections of those that stay silent, until Stop.
func (s *Server) watch() {
	k := s.config.Keepalive
	if k.Interval <= 0 || k.Timeout <= 0 {
		return
	}
	tick := time.NewTicker(max(min(k.Interval, k.Timeout)/10, time.Millisecond))
	defer tick.Stop()
	silent := make(map[*conn]silence)
	for {
		select {
		case now := <-tick.C:
			s.look(silent, now)
		case <-s.ctx.Done():
			return
		}
	}
}

// look goes once through the connections.
func (s *Server) look(silent map[*conn]silence, now time.Time) {
	k := s.config.Keepalive
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range silent {
		if _, open := s.conns[c]; !open {
			delete(silent, c)
		}
	}
	for c := range s.conns {
		was, known := silent[c]
		switch {
		case !known || c.heard.Swap(false):
			silent[c] = silence{since: now}
		case !was.asked && now.Sub(was.since) >= k.Interval:
			silent[c] = silence{since: now, asked: true}
			c.ping()
		case was.asked && now.Sub(was.since) >= k.Timeout:
			c.close()
		}
	}
}

// ping asks the client for a sign.
func (c *conn) ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.control = append(appendFrame(c.control, 8, framePing, 0, 0), 0, 0, 0, 0, 0, 0, 0, 0)
		c.rouse()
	}
}
