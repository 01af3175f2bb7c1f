package server_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/replica/peers"
	"github.com/etalon-kv/etalon/server"
)

func TestAMemberDirectoryOfSomethingElseIsRefusedAndStaysAsItIs(t *testing.T) {
	var left atomic.Int64
	left.Store(1 << 40)
	c := trio(t.TempDir(), 0, peers.NewNet(), &left)
	snap := filepath.Join(c.Dir, "member", "snap", "db") // as an etcd has it
	must(t, os.MkdirAll(filepath.Dir(snap), 0o700))
	must(t, os.WriteFile(snap, []byte("theirs"), 0o600))
	if _, err := server.StartNode(t.Context(), c); !errors.Is(err, server.ErrIdentity) || !strings.Contains(err.Error(), `holds "snap"`) {
		t.Fatalf("started beside it: %v", err)
	}
	if list, err := os.ReadDir(filepath.Join(c.Dir, "member")); err != nil || len(list) != 1 {
		t.Fatalf("%v %v, want what was there", list, err)
	}
	must(t, os.RemoveAll(filepath.Join(c.Dir, "member", "snap")))
	must(t, os.WriteFile(filepath.Join(c.Dir, "member", "identity.new"), []byte("{"), 0o600)) // a crash while it was made
	n, err := server.StartNode(t.Context(), c)
	must(t, err)
	must(t, n.Close())
}

func TestAMemberThatForgetsItsLogIsAnotherAtEachStart(t *testing.T) {
	for _, volatile := range []bool{false, true} {
		var left atomic.Int64
		left.Store(1 << 40)
		c := trio(t.TempDir(), 0, peers.NewNet(), &left)
		c.VolatileLog = volatile
		var seen []server.Identity
		join := c.OpenTransport
		c.OpenTransport = func(id server.Identity) (replica.Transport, error) {
			id.Introduce = nil
			seen = append(seen, id)
			return join(id)
		}
		for range 2 {
			n, err := server.StartNode(t.Context(), c)
			must(t, err)
			must(t, n.Close())
		}
		first, second := seen[0], seen[1]
		if first.Member != second.Member || first.Cluster != second.Cluster || (first.Incarnation != second.Incarnation) != volatile {
			t.Errorf("with a volatile log: %t; it starts as %+v and then as %+v", volatile, first, second)
		}
	}
}

// refused is a way to members that will not talk to this one.
type refused struct{ replica.Transport }

func (r refused) Start(h peers.Handler) error {
	err := r.Transport.Start(h)
	h.Refused(1, peers.ErrIncarnation)
	return err
}

func TestAMemberThatIsRefusedEndsAndSaysSoOnce(t *testing.T) {
	var left atomic.Int64
	left.Store(1 << 40)
	c := trio(t.TempDir(), 0, peers.NewNet(), &left)
	join := c.OpenTransport
	c.OpenTransport = func(id server.Identity) (replica.Transport, error) {
		way, err := join(id)
		return refused{way}, err
	}
	var log bytes.Buffer
	c.Server.Logger = slog.New(slog.NewTextHandler(&log, nil))
	n, err := server.StartNode(t.Context(), c)
	must(t, err)
	<-n.Replica.Done()
	for range 10_000 { // others have their turn
		runtime.Gosched()
	}
	if err := n.Close(); !errors.Is(err, replica.ErrReplaced) {
		t.Errorf("it has ended with %v", err)
	}
	if log.Len() > 0 {
		t.Errorf("%d lines besides, the first bytes of which are %.300s", bytes.Count(log.Bytes(), []byte("\n")), &log)
	}
}
