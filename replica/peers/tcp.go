package peers

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// TCP is a transport over TCP or TLS. See replica.Transport for what its methods promise.
type TCP struct {
	cfg Config
	h   Handler

	mu      sync.Mutex
	links   map[raft.NodeID]*link
	known   map[raft.NodeID]Peer
	learned map[raft.NodeID][]string // where members listen that are not among the peers
	inbound map[inboundKey]net.Conn  // the newest of each
	shaking []net.Conn               // handshakes under way, oldest first
	sending map[raft.NodeID]bool     // snapshots under way
	closed  bool

	ctx     context.Context // ends with Close; of dialing and calls
	cancel  context.CancelFunc
	running sync.WaitGroup

	complaints complaints
}

type inboundKey struct {
	id   raft.NodeID
	what byte
}

// NewTCP returns a transport that is not started.
func NewTCP(c Config) (*TCP, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t := &TCP{cfg: c, links: map[raft.NodeID]*link{}, known: map[raft.NodeID]Peer{}, learned: map[raft.NodeID][]string{},
		inbound: map[inboundKey]net.Conn{}, sending: map[raft.NodeID]bool{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// Start implements replica.Transport.
func (t *TCP) Start(h Handler) error {
	t.h = h
	for _, l := range t.cfg.Listeners {
		t.running.Add(1)
		go t.accept(l)
	}
	return nil
}

// SetPeers implements replica.Transport. Connections to members that are gone, or have moved, end.
func (t *TCP) SetPeers(list []Peer) {
	known := map[raft.NodeID]Peer{}
	for _, p := range list {
		if p.ID != t.cfg.ID {
			known[p.ID] = p
		}
	}
	for _, l := range t.setPeers(known) {
		l.stop()
	}
}

// setPeers returns the links that are to end. They are stopped without the lock, which a link's
// goroutines may need.
func (t *TCP) setPeers(known map[raft.NodeID]Peer) (gone []*link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, l := range t.links {
		_, was := t.known[id]
		p, is := known[id]
		if is && !p.Removed && slices.Equal(p.Addrs, l.addrs) || !is && !was {
			continue // as before, or a stranger to the list
		}
		delete(t.links, id)
		gone = append(gone, l)
	}
	for key, c := range t.inbound {
		if known[key.id].Removed {
			_ = c.Close()
		}
	}
	t.known = known
	return gone
}

// link returns the way to a member, nil if nobody knows where it is.
func (t *TCP) link(id raft.NodeID) *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.links[id]; l != nil {
		return l
	}
	p, ok := t.known[id]
	addrs := p.Addrs
	if !ok {
		addrs = t.learned[id]
	}
	if t.closed || p.Removed || len(addrs) == 0 {
		return nil
	}
	l := newLink(t, id, addrs)
	t.links[id] = l
	return l
}

// Send implements replica.Transport.
func (t *TCP) Send(messages []raft.Message) {
	for i := 0; i < len(messages); {
		to, n := messages[i].To, 1
		for i+n < len(messages) && messages[i+n].To == to {
			n++
		}
		if l := t.link(to); l != nil {
			l.queue(messages[i : i+n])
		}
		i += n
	}
}

// Close implements replica.Transport.
func (t *TCP) Close() error {
	for _, l := range t.shut() {
		l.stop()
	}
	t.running.Wait()
	return nil
}

// shut closes everything that can be closed with the lock held, and returns the links.
func (t *TCP) shut() (links []*link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.cancel()
	for _, l := range t.cfg.Listeners {
		_ = l.Close()
	}
	for _, l := range t.links {
		links = append(links, l)
	}
	for _, c := range t.inbound {
		_ = c.Close()
	}
	for _, c := range t.shaking {
		_ = c.Close()
	}
	return links
}

// run starts a goroutine that Close waits for. False: it is too late.
func (t *TCP) run(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.running.Go(f)
	return true
}

// dial connects to a member and greets it.
func (t *TCP) dial(ctx context.Context, id raft.NodeID, addrs []string, what byte) (net.Conn, error) {
	err := fmt.Errorf("%w: %d has no address", ErrUnreachable, id)
	for _, addr := range addrs {
		var c net.Conn
		if c, err = t.dialOne(ctx, id, addr, what); err == nil {
			return c, nil
		}
		if forGood(err) {
			break
		}
	}
	return nil, err
}

func (t *TCP) dialOne(ctx context.Context, id raft.NodeID, addr string, what byte) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.HandshakeTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if t.cfg.ClientTLS != nil {
		cfg := t.cfg.ClientTLS.Clone()
		if cfg.ServerName == "" {
			cfg.ServerName, _, _ = net.SplitHostPort(addr)
		}
		c = tls.Client(c, cfg)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	err = t.greet(c, id, what)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, addr, err)
	}
	return c, nil
}

// greet says who this is, and hears who the other one is.
func (t *TCP) greet(c net.Conn, id raft.NodeID, what byte) error {
	if err := c.SetDeadline(time.Now().Add(t.cfg.HandshakeTimeout)); err != nil {
		return err
	}
	h := hello{version: version, what: what, group: t.cfg.Group, from: t.cfg.ID, to: id, incarnation: t.cfg.Incarnation, addrs: t.cfg.Addrs}
	if _, err := c.Write(h.append(nil)); err != nil {
		return err
	}
	_, err := readHello(c, func(a *hello) error {
		switch {
		case a.version != version:
			return ErrVersion
		case a.what != statusOK:
			return statusError(a.what)
		case a.group != t.cfg.Group:
			return ErrGroup
		case a.from != id || a.to != t.cfg.ID:
			return ErrMember
		}
		if err := statusError(t.judge(a)); err != nil {
			return fmt.Errorf("%w: %w", errJudged, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

// judge says what is known against a member.
func (t *TCP) judge(h *hello) byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.known[h.from]
	switch {
	case p.Removed:
		return statusRemoved
	case p.Incarnation != 0 && p.Incarnation != h.incarnation:
		return statusIncarnation
	}
	return statusOK
}
