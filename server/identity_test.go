package server_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

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
