package peers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/raft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ear is a handler that remembers.
type ear struct {
	messages chan raft.Message
	images   chan []byte
	refuse   error // of snapshots
	lost     chan raft.NodeID
	sent     chan bool
	refused  chan error
}

func newEar() *ear {
	return &ear{messages: make(chan raft.Message, 1<<16), images: make(chan []byte, 4), lost: make(chan raft.NodeID, 1<<10), sent: make(chan bool, 16), refused: make(chan error, 1<<10)}
}

func (e *ear) Deliver(messages []raft.Message) {
	for _, m := range messages {
		e.messages <- m
	}
}
func (e *ear) Snapshot(m raft.Message, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err == nil {
		err = e.refuse
	}
	if err == nil {
		e.images <- b
	}
	return err
}
func (e *ear) Unreachable(id raft.NodeID) {
	select {
	case e.lost <- id:
	default:
	}
}
func (e *ear) SnapshotSent(_ raft.NodeID, ok bool) { e.sent <- ok }
func (e *ear) Call(_ context.Context, from raft.NodeID, b []byte) ([]byte, error) {
	return fmt.Appendf(nil, "%d said %s", from, b), nil
}
func (e *ear) Refused(_ raft.NodeID, err error) {
	select {
	case e.refused <- err:
	default:
	}
}

// member is a transport of group 5 that listens.
func member(t testing.TB, id raft.NodeID, tune func(*Config)) (*TCP, *ear, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{ID: id, Group: 5, Incarnation: uint64(id) * 11, Listeners: []net.Listener{l}, Addrs: []string{l.Addr().String()}, MinRetry: time.Millisecond}
	if tune != nil {
		tune(&c)
	}
	tr, err := NewTCP(c)
	if err != nil {
		t.Fatal(err)
	}
	e := newEar()
	if err := tr.Start(e); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr, e, l.Addr().String()
}

func beat(from, to raft.NodeID, n uint64) raft.Message {
	return raft.Message{Type: raft.MsgHeartbeat, From: from, To: to, Group: 5, Term: 3, Context: n,
		Entries: []raft.Entry{{Term: 3, Index: 1, Data: bytes.Repeat([]byte{byte(n)}, 100)}}}
}

type image struct{ b []byte }

func (i image) At() raft.Snapshot { return raft.Snapshot{Index: 9, Term: 3} }
func (i image) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, bytes.NewReader(i.b))
	return n, err
}
func (i image) Close() error { return nil }

func snap(from, to raft.NodeID) raft.Message {
	return raft.Message{Type: raft.MsgSnap, From: from, To: to, Group: 5, Term: 3, Snapshot: &raft.Snapshot{Index: 9, Term: 3, Conf: raft.ConfState{Voters: []raft.NodeID{1, 2}}}}
}

// talk has a say everything to b that a transport can.
func talk(t *testing.T, a *TCP, heard *ear, own *ear, from, to raft.NodeID) {
	t.Helper()
	for n := range uint64(1000) {
		a.Send([]raft.Message{beat(from, to, n)})
	}
	for n := range uint64(1000) {
		if m := <-heard.messages; m.Context != n || len(m.Entries) != 1 || m.Entries[0].Data[99] != byte(n) {
			t.Fatalf("message %d arrives as %+v", n, m)
		}
	}
	body := bytes.Repeat([]byte("an image "), 100_000)
	a.SendSnapshot(snap(from, to), image{body})
	if got := <-heard.images; !bytes.Equal(got, body) || !<-own.sent {
		t.Fatalf("an image of %d bytes arrives with %d", len(body), len(got))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			want := fmt.Sprintf("%d said %d", from, i)
			if b, err := a.Call(ctx, to, fmt.Append(nil, i)); err != nil || string(b) != want {
				t.Errorf("a call answers %q %v, want %q", b, err, want)
			}
		})
	}
	wg.Wait()
}

func TestMessagesSnapshotsAndCallsArrive(t *testing.T) {
	a, earA, addrA := member(t, 1, nil)
	b, earB, addrB := member(t, 2, nil)
	a.SetPeers([]Peer{{ID: 2, Addrs: []string{"127.0.0.1:1", addrB}, Incarnation: 22}})
	talk(t, a, earB, earA, 1, 2)
	talk(t, b, earA, earB, 2, 1) // it never was told where 1 is, but 1 has called
	b.SetPeers([]Peer{{ID: 1, Addrs: []string{addrA}}})
	talk(t, b, earA, earB, 2, 1)
	earB.refuse = errors.New("no room")
	a.SendSnapshot(snap(1, 2), image{[]byte("x")})
	if <-earA.sent {
		t.Fatal("a snapshot that was refused counts as sent")
	}
}

func TestMutualTLS(t *testing.T) {
	server, client, other := certificates(t)
	secure := func(c *Config) { c.ServerTLS, c.ClientTLS = server, client }
	a, earA, _ := member(t, 1, secure)
	_, earB, addrB := member(t, 2, secure)
	a.SetPeers([]Peer{{ID: 2, Addrs: []string{addrB}}})
	talk(t, a, earB, earA, 1, 2)
	for name, tune := range map[string]func(*Config){
		"plain":         nil,
		"foreign":       func(c *Config) { c.ServerTLS, c.ClientTLS = other, other },
		"no-client-key": func(c *Config) { c.ServerTLS = server; c.ClientTLS = &tls.Config{RootCAs: client.RootCAs} },
	} {
		t.Run(name, func(t *testing.T) {
			c, earC, _ := member(t, 3, tune)
			c.SetPeers([]Peer{{ID: 2, Addrs: []string{addrB}}})
			c.Send([]raft.Message{beat(3, 2, 1)})
			<-earC.lost
			select {
			case m := <-earB.messages:
				t.Fatalf("%s got through", m)
			default:
			}
		})
	}
}

// certificates returns configurations that trust one authority, and one that trusts and has another.
func certificates(t *testing.T) (server, client, other *tls.Config) {
	t.Helper()
	issue := func() (tls.Certificate, *x509.CertPool) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err = x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(c)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: c}, pool
	}
	cert, pool := issue()
	server = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	client = &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool}
	cert, pool = issue()
	return server, client, &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool}
}

func TestWhoIsNotMeantIsRefused(t *testing.T) {
	b, earB, addr := member(t, 2, nil)
	b.SetPeers([]Peer{{ID: 1, Incarnation: 11}, {ID: 4, Removed: true}})
	for _, c := range []struct {
		name  string
		tune  func(*Config)
		to    raft.NodeID
		want  error
		final bool
	}{
		{"another group", func(c *Config) { c.Group = 6 }, 2, ErrGroup, false},
		{"another receiver", nil, 3, ErrMember, false},
		{"an emptied disk", func(c *Config) { c.Incarnation = 12 }, 2, ErrIncarnation, true},
		{"a removed member", func(c *Config) { c.ID = 4 }, 2, ErrRemoved, true},
		{"itself", func(c *Config) { c.ID = 2 }, 2, ErrMember, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, earA, _ := member(t, 1, c.tune)
			for _, what := range []byte{forMessages, forSnapshot, forCalls} {
				conn, err := a.dial(context.Background(), c.to, []string{addr}, what)
				if !errors.Is(err, c.want) {
					t.Fatalf("dialing for %d: %v %v, want %v", what, conn, err, c.want)
				}
			}
			if c.final {
				a.SetPeers([]Peer{{ID: c.to, Addrs: []string{addr}}})
				m := beat(a.cfg.ID, c.to, 1)
				a.Send([]raft.Message{m})
				if err := <-earA.refused; !errors.Is(err, c.want) {
					t.Fatalf("the member hears %v", err)
				}
			}
		})
	}
	if len(earB.messages) > 0 {
		t.Fatal("something got through")
	}
	// The other way round: whoever answers with another incarnation is not talked to.
	a, earA, _ := member(t, 1, nil)
	a.SetPeers([]Peer{{ID: 2, Addrs: []string{addr}, Incarnation: 23}})
	if _, err := a.dial(context.Background(), 2, []string{addr}, forMessages); !errors.Is(err, ErrIncarnation) {
		t.Fatalf("a replaced member answers: %v", err)
	}
	// That is no reason for this one to stop.
	for range 2 {
		a.Send([]raft.Message{beat(1, 2, 1)})
		<-earA.lost
	}
	select {
	case err := <-earA.refused:
		t.Fatalf("who refuses another one hears that it is refused itself: %v", err)
	default:
	}
}

func TestGarbageHurtsNobody(t *testing.T) {
	b, earB, addr := member(t, 2, nil)
	a, earA, _ := member(t, 1, nil)
	a.SetPeers([]Peer{{ID: 2, Addrs: []string{addr}}})
	good := hello{version: version, what: forMessages, group: 5, from: 1, to: 2, incarnation: 11}
	m := beat(1, 2, 7)
	frame := sealFrame(appendMessage(beginFrame(nil, frameMessages), &m), 0)
	strange := beat(3, 2, 7) // a member must not speak for another
	spoof := sealFrame(appendMessage(beginFrame(nil, frameMessages), &strange), 0)
	huge := []byte{0xff, 0xff, 0xff, 0x7f, frameMessages}
	flipped := slices.Clone(frame)
	flipped[40] ^= 1
	for name, bytes := range map[string][]byte{
		"nothing":            nil,
		"text":               []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n" + strings.Repeat("x", 100)),
		"half a greeting":    good.append(nil)[:20],
		"a damaged greeting": append(good.append(nil)[:30], 99),
		"a huge frame":       append(good.append(nil), huge...),
		"a flipped bit":      append(good.append(nil), flipped...),
		"half a frame":       append(good.append(nil), frame[:30]...),
		"a foreign sender":   append(good.append(nil), spoof...),
		"a wrong kind":       append(good.append(nil), sealFrame(beginFrame(nil, frameChunk), 0)...),
		"no messages":        append(good.append(nil), sealFrame(append(beginFrame(nil, frameMessages), 200, 0, 0, 0, 1), 0)...),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(bytes); err != nil {
				t.Fatal(err)
			}
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c) // until the other side has closed
			_ = c.Close()
		})
	}
	select {
	case m := <-earB.messages:
		t.Fatalf("%s got through", m)
	default:
	}
	talk(t, a, earB, earA, 1, 2)
	_ = b
}

func TestAThousandConnectionsThatNeverGreet(t *testing.T) {
	b, earB, addr := member(t, 2, func(c *Config) { c.MaxHandshakes, c.HandshakeTimeout = 16, time.Hour })
	a, earA, _ := member(t, 1, nil)
	a.SetPeers([]Peer{{ID: 2, Addrs: []string{addr}}})
	var conns []net.Conn
	for range 1000 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	talk(t, a, earB, earA, 1, 2)
	b.mu.Lock()
	n := len(b.shaking)
	if n == 0 || n > 16 {
		t.Errorf("%d handshakes are under way, want some and at most 16", n)
	}
	for i, c := range b.shaking { // the newest
		if got, want := c.RemoteAddr().String(), conns[len(conns)-n+i].LocalAddr().String(); got != want {
			t.Errorf("handshake %d of %d under way is with %s, want %s", i, n, got, want)
		}
	}
	b.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func TestADamagedImageIsNotedByTheReader(t *testing.T) {
	_, earB, addr := member(t, 2, nil)
	send := func(t *testing.T, frames ...[]byte) byte {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		h := hello{version: version, what: forSnapshot, group: 5, from: 1, to: 2}
		m := snap(1, 2)
		b := sealFrame(m.Append(beginFrame(h.append(nil), frameSnapshot)), helloBytes)
		for _, f := range frames {
			b = append(b, f...)
		}
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
		if _, err := readHello(c, func(*hello) error { return nil }); err != nil {
			t.Fatal(err)
		}
		_, result, err := readFrame(c, 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		return result[0]
	}
	chunk := sealFrame(append(beginFrame(nil, frameChunk), "half"...), 0)
	w := chunkWriter{}
	_, _ = w.Write([]byte("half"))
	end := func(total byte, sum uint32) []byte {
		b := append(beginFrame(nil, frameEnd), total, 0, 0, 0, 0, 0, 0, 0, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
		return sealFrame(b, 0)
	}
	for name, frames := range map[string][][]byte{
		"cut short":        {chunk},
		"wrong length":     {chunk, end(5, w.sum)},
		"wrong checksum":   {chunk, end(4, w.sum+1)},
		"a message inside": {chunk, sealFrame(beginFrame(nil, frameMessages), 0)},
	} {
		t.Run(name, func(t *testing.T) {
			if send(t, frames...) == 0 {
				t.Fatal("it was taken")
			}
		})
	}
	if send(t, chunk, end(4, w.sum)) != 0 || string(<-earB.images) != "half" {
		t.Fatal("the whole one was not")
	}
}

func TestAnIntroductionTellsTheGroup(t *testing.T) {
	_, _, addr := member(t, 2, func(c *Config) { c.Introduce = func() []byte { return []byte("members") } })
	group, data, err := Introduction(context.Background(), addr, nil)
	if err != nil || group != 5 || string(data) != "members" {
		t.Fatalf("%d %q %v", group, data, err)
	}
	_, _, addr = member(t, 2, nil)
	if _, _, err := Introduction(context.Background(), addr, nil); err == nil {
		t.Fatal("a member that introduces nothing has answered")
	}
}

func TestAPeerThatComesBackIsFoundAgain(t *testing.T) {
	a, earA, _ := member(t, 1, nil)
	b, earB, addr := member(t, 2, nil)
	a.SetPeers([]Peer{{ID: 2, Addrs: []string{addr}}})
	talk(t, a, earB, earA, 1, 2)
	_ = b.Close()
	a.Send([]raft.Message{beat(1, 2, 1)})
	<-earA.lost
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, earB, _ = member(t, 2, func(c *Config) {
		_ = c.Listeners[0].Close()
		c.Listeners = []net.Listener{l}
	})
	for n, heard := uint64(0), false; !heard; n++ {
		a.Send([]raft.Message{beat(1, 2, n)})
		select { // whatever is not delivered is reported after it was dropped
		case <-earB.messages:
			heard = true
		case <-earA.lost:
		}
	}
}

func TestSilenceIsNoticed(t *testing.T) {
	v := vigil{silence: 4 * time.Second}
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	alive := at(0).UnixNano()
	for _, s := range []struct {
		now    float64
		broken bool
		alive  float64 // a sign comes then, if > 0
	}{{0.1, false, 0.2}, {0.5, false, 0}, {20, false, 0}, {20.1, false, 20.2}, {21, false, 0}, {22.5, false, 0}, {26, false, 0}, {26.6, true, 0}} {
		if got := v.broken(at(s.now), alive); got != s.broken {
			t.Fatalf("at %v: broken is %t", s.now, got)
		}
		if s.alive > 0 {
			alive = at(s.alive).UnixNano()
		}
	}
}

func FuzzFrames(f *testing.F) {
	m := beat(1, 2, 7)
	f.Add(sealFrame(appendMessage(beginFrame(nil, frameMessages), &m), 0))
	h := hello{version: version, what: forCalls, group: 5, from: 1, to: 2, addrs: []string{"a:1", "b:2"}}
	f.Add(h.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, payload, err := readFrame(bytes.NewReader(b), maxFrame); err == nil {
			_, _ = decodeMessages(nil, payload)
		}
		_, _ = decodeMessages(nil, b)
		if h, err := readHello(bytes.NewReader(b), func(*hello) error { return nil }); err == nil && h.version == version {
			if again := h.append(nil); !bytes.Equal(again, b[:len(again)]) {
				t.Fatalf("%x is read as %+v, which is written as %x", b, h, again)
			}
		}
	})
}
