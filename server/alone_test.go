package server_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/bolt"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/replica/peers"
	"github.com/etalon-kv/etalon/server"
)

// cutLog is a log whose writes fail once so many were made: with what was written before, that is a crash.
type cutLog struct {
	server.Log
	left *atomic.Int64
}

var errCut = errors.New("cut")

func (l cutLog) Write(snap *raft.Snapshot, entries []raft.Entry, hard raft.HardState, sync bool) error {
	if l.left.Add(-1) < 0 {
		return errCut
	}
	return l.Log.Write(snap, entries, hard, sync)
}

// trio is the i-th of three members that reach each other in memory.
func trio(dir string, i int, net *peers.Net, left *atomic.Int64) server.NodeConfig {
	cluster := map[string][]string{}
	for k := range 3 {
		cluster[fmt.Sprint("n", k)] = []string{fmt.Sprint("http://127.0.0.1:", k+1)}
	}
	name := fmt.Sprint("n", i)
	return server.NodeConfig{
		Dir: filepath.Join(dir, name), Name: name, Token: "trio", Engine: "bolt", PeerURLs: cluster[name], ClientURLs: []string{"http://127.0.0.1:9"}, Cluster: cluster,
		State: apply.Config{Open: func(dir string) (engine.Backend, error) { return bolt.Open(dir, bolt.Options{}) }, Index: packed.New},
		OpenLog: func(dir string, id uint64) (server.Log, error) {
			fs, err := wal.Dir(dir)
			if err != nil {
				return nil, err
			}
			l, err := wal.Open(fs, wal.Options{ID: id, SegmentBytes: 1 << 20})
			return cutLog{l, left}, err
		},
		OpenTransport: func(id server.Identity) (replica.Transport, error) { return net.Member(id.Member), nil },
		Replica:       replica.Config{TickInterval: 10 * time.Millisecond},
	}
}

func put(t *testing.T, n *server.Node, key string) {
	t.Helper()
	res, err := n.Replica.Propose(t.Context(), (&apply.Put{Key: []byte(key), Value: []byte("v")}).Append(nil))
	must(t, err)
	must(t, res.(*apply.PutResult).Err)
}

func TestAMemberGoesOnAloneWithWhatItHasAndACrashMeanwhileIsMadeGood(t *testing.T) {
	const plenty = 1 << 40
	for cut := int64(0); ; cut++ {
		dir := t.TempDir()
		var left atomic.Int64
		left.Store(plenty)
		var nodes []*server.Node
		net := peers.NewNet()
		for i := range 3 {
			n, err := server.StartNode(t.Context(), trio(dir, i, net, &left))
			must(t, err)
			nodes = append(nodes, n)
		}
		put(t, nodes[0], "before")
		for _, n := range nodes {
			must(t, n.Close())
		}

		c := trio(dir, 0, peers.NewNet(), &left)
		c.Alone = true
		left.Store(cut)
		n, err := server.StartNode(t.Context(), c)
		made := left.Load() >= 0 && err == nil
		if err == nil {
			err = n.Close()
		}
		if !made && err != nil && !errors.Is(err, errCut) {
			t.Fatalf("cut at write %d: %v", cut, err)
		}

		left.Store(plenty)
		n, err = server.StartNode(t.Context(), c)
		must(t, err)
		put(t, n, "after")
		var r apply.RangeResult
		must(t, n.State.Range(&apply.Range{Key: []byte("a"), End: []byte("z")}, &r))
		members, _ := n.State.Members()
		if len(r.KVs) != 2 || len(members) != 1 || members[0].Name != "n0" {
			t.Errorf("cut at write %d: keys %v, members %v", cut, r.KVs, members)
		}
		if conf := n.State.Applied().Conf; len(conf.Voters) != 1 || conf.Joint() {
			t.Errorf("cut at write %d: membership %v", cut, conf)
		}
		must(t, n.Close())

		c.Alone = false // and it stays so
		n, err = server.StartNode(t.Context(), c)
		must(t, err)
		put(t, n, "again")
		must(t, n.Close())
		if made {
			t.Logf("%d writes", cut)
			return
		}
		if cut > 20 {
			t.Fatal("the writes have no end")
		}
	}
}
