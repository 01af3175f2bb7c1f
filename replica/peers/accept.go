package peers

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// accept takes connections in.
func (t *TCP) accept(l net.Listener) {
	defer t.running.Done()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) || t.ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if err != nil { // out of files, most likely: others may give some back
			t.cfg.Logger.Warn("accepting a peer", "error", err)
			select {
			case <-time.After(t.cfg.MinRetry):
			case <-t.ctx.Done():
			}
			continue
		}
		if t.cfg.ServerTLS != nil {
			c = tls.Server(c, t.cfg.ServerTLS)
		}
		// Here and not in serve, whose goroutines run in any order: the oldest are to go.
		t.shake(c)
		if !t.run(func() { t.serve(c) }) {
			_ = c.Close()
		}
	}
}

// shake enters c among the handshakes under way, in the place of the oldest if there are too many: an honest
// one is done in a moment.
func (t *TCP) shake(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.shaking) >= t.cfg.MaxHandshakes {
		_ = t.shaking[0].Close()
		t.shaking = slices.Delete(t.shaking, 0, 1)
	}
	t.shaking = append(t.shaking, c)
}

// shaken takes c out again.
func (t *TCP) shaken(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.shaking, c); i >= 0 {
		t.shaking = slices.Delete(t.shaking, i, i+1)
	}
}

// serve greets who connected, and does what the connection is for.
func (t *TCP) serve(c net.Conn) {
	defer c.Close()
	h, err := t.welcome(c)
	if err != nil {
		t.complain("peer refused", h.from, err, "remote", c.RemoteAddr().String())
		return
	}
	key := inboundKey{h.from, h.what}
	if !t.enter(key, c, h.addrs) {
		return
	}
	defer t.leave(key, c)
	r := bufio.NewReaderSize(c, 64<<10)
	switch h.what {
	case forMessages:
		err = t.receive(c, r, h.from)
	case forSnapshot:
		err = t.receiveSnapshot(c, r, h.from)
	case forCalls:
		err = t.answerCalls(c, r, h.from)
	}
	t.complain("peer left", h.from, err)
}

// welcome reads the greeting and answers it. Nothing behind it is looked at before.
func (t *TCP) welcome(c net.Conn) (hello, error) {
	defer t.shaken(c)
	if err := c.SetDeadline(time.Now().Add(t.cfg.HandshakeTimeout)); err != nil {
		return hello{}, err
	}
	status := statusOK
	h, err := readHello(c, func(h *hello) error {
		switch {
		case h.version != version:
			status = statusVersion
		case h.what == forIntro && t.cfg.Introduce != nil:
			return errIntro
		case h.group != t.cfg.Group:
			status = statusGroup
		case h.to != t.cfg.ID || h.from == t.cfg.ID || h.from == raft.None:
			status = statusMember
		case h.what < forMessages || h.what > forCalls:
			return fmt.Errorf("%w: a connection for %d", ErrMalformed, h.what)
		default:
			status = t.judge(h)
		}
		return statusError(status)
	})
	if err == errIntro {
		return h, t.introduce(c)
	}
	if err != nil && status == statusOK {
		return h, err // not worth an answer
	}
	a := hello{version: version, what: status, group: t.cfg.Group, from: t.cfg.ID, to: h.from, incarnation: t.cfg.Incarnation}
	if _, werr := c.Write(a.append(nil)); err == nil {
		err = werr
	}
	if err != nil {
		return h, err
	}
	return h, c.SetDeadline(time.Time{})
}

// enter makes c the connection of its kind from that member; an older one is dead.
func (t *TCP) enter(key inboundKey, c net.Conn, addrs []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	if len(addrs) > 0 && (len(t.learned) < 64 || t.learned[key.id] != nil) {
		t.learned[key.id] = addrs
	}
	if old := t.inbound[key]; old != nil {
		_ = old.Close()
	}
	t.inbound[key] = c
	return true
}

func (t *TCP) leave(key inboundKey, c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inbound[key] == c {
		delete(t.inbound, key)
	}
}

// receive takes messages in, and gives a sign of life at most every fifth of what counts as silence.
func (t *TCP) receive(c net.Conn, r *bufio.Reader, from raft.NodeID) error {
	var messages []raft.Message
	var told time.Time
	for {
		kind, payload, err := readFrame(r, maxFrame)
		if err != nil {
			return err
		}
		if kind != frameMessages {
			return fmt.Errorf("%w: frame of kind %d among messages", ErrMalformed, kind)
		}
		if messages, err = decodeMessages(messages[:0], payload); err != nil {
			return err
		}
		for i := range messages {
			if m := &messages[i]; m.From != from || m.To != t.cfg.ID || m.Group != t.cfg.Group || m.Type == raft.MsgSnap {
				return fmt.Errorf("%w: %s from %d", ErrMalformed, m, from)
			}
		}
		if now := time.Now(); now.Sub(told) > t.cfg.SilenceTimeout/5 {
			told = now
			if _, err := c.Write([]byte{1}); err != nil {
				return err
			}
		}
		t.h.Deliver(messages)
		clear(messages)
	}
}
