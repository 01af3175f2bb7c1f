package peers

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// Config is how a TCP transport is made.
type Config struct {
	// ID, Group and Incarnation are the member's own.
	ID          raft.NodeID
	Group       uint64
	Incarnation uint64
	// Listeners are where the others connect to; the transport closes them. Addrs is how they reach
	// them, host:port, told to members that do not know yet.
	Listeners []net.Listener
	Addrs     []string
	// ServerTLS and ClientTLS, if not nil, are used for every connection. For mutual TLS ServerTLS asks for
	// client certificates and ClientTLS has one.
	ServerTLS, ClientTLS *tls.Config
	// Introduce, if not nil, is what Introduction tells somebody who wants to become a member. It must not
	// wait.
	Introduce func() []byte
	// HandshakeTimeout bounds dialing and, separately, the greeting; 0 means 5 s. MaxHandshakes bounds
	// those under way: one more, and the oldest is closed; 0 means 64.
	HandshakeTimeout time.Duration
	MaxHandshakes    int
	// SilenceTimeout is after how long without a sign of life a connection that is written to counts as
	// broken; 0 means 5 s.
	SilenceTimeout time.Duration
	// MaxQueuedBytes bounds what waits to be sent to a peer; beyond, messages are lost. 0 means 64 MiB.
	MaxQueuedBytes int
	// MinRetry and MaxRetry are between two attempts to connect: doubled after each; 0 means 50 ms and 2 s.
	MinRetry, MaxRetry time.Duration
	// Logger: nil discards.
	Logger *slog.Logger
}

// Validate fills in defaults and refuses what makes no sense.
func (c *Config) Validate() error {
	if c.ID == raft.None {
		return errors.New("peers: ID is 0")
	}
	if (c.ServerTLS == nil) != (c.ClientTLS == nil) {
		return errors.New("peers: TLS on one side only: members could not reach each other")
	}
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{{&c.HandshakeTimeout, 5 * time.Second}, {&c.SilenceTimeout, 5 * time.Second}, {&c.MinRetry, 50 * time.Millisecond}, {&c.MaxRetry, 2 * time.Second}} {
		if *d.v < 0 {
			return errors.New("peers: negative duration")
		}
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	if c.MaxHandshakes <= 0 {
		c.MaxHandshakes = 64
	}
	if c.MaxQueuedBytes <= 0 {
		c.MaxQueuedBytes = 64 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
