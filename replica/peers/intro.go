package peers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// errIntro: the connection is for an introduction, which ends it.
var errIntro = errors.New("peers: introduction")

// introduce tells somebody who is no member yet what Config.Introduce says.
func (t *TCP) introduce(c net.Conn) error {
	a := hello{version: version, what: statusOK, group: t.cfg.Group, from: t.cfg.ID, incarnation: t.cfg.Incarnation}
	b := a.append(nil)
	at := len(b)
	b = append(beginFrame(b, frameIntro), t.cfg.Introduce()...)
	if _, err := c.Write(sealFrame(b, at)); err != nil {
		return err
	}
	return errIntro
}

// introTimeout bounds an Introduction, introBytes what it tells.
const (
	introTimeout = 5 * time.Second
	introBytes   = 1 << 20
)

// Introduction asks the member that listens at addr, host:port, about its group: the group's id, and
// what its Config.Introduce says. t, if not nil, is for TLS. Whoever can connect can ask.
func Introduction(ctx context.Context, addr string, t *tls.Config) (group uint64, payload []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, introTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if t != nil {
		t = t.Clone()
		if t.ServerName == "" {
			t.ServerName, _, _ = net.SplitHostPort(addr)
		}
		c = tls.Client(c, t)
	}
	h := hello{version: version, what: forIntro}
	if _, err := c.Write(h.append(nil)); err != nil {
		return 0, nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, addr, err)
	}
	a, err := readHello(c, func(a *hello) error {
		switch {
		case a.version != version:
			return ErrVersion
		case a.what != statusOK:
			return statusError(a.what)
		case a.from == raft.None:
			return ErrMember
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, addr, err)
	}
	kind, payload, err := readFrame(c, introBytes)
	if err == nil && kind != frameIntro {
		err = fmt.Errorf("%w: frame of kind %d in the place of an introduction", ErrMalformed, kind)
	}
	return a.group, payload, err
}
