package server_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/badger"
	"github.com/etalon-kv/etalon/engines/bolt"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/engines/pebble"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica/peers"
	"github.com/etalon-kv/etalon/server"
	"github.com/etalon-kv/etalon/server/rpc"
)

// opens are the engines, by name.
var opens = map[string]func(dir string) (engine.Backend, error){
	"mem":    func(string) (engine.Backend, error) { return mem.Open(mem.Options{}) },
	"bolt":   func(dir string) (engine.Backend, error) { return bolt.Open(dir, bolt.Options{}) },
	"pebble": func(dir string) (engine.Backend, error) { return pebble.Open(dir, pebble.Options{}) },
	"badger": func(dir string) (engine.Backend, error) {
		return badger.Open(dir, badger.Options{MemTableBytes: 8 << 20})
	},
}

// left is a cluster of three, of which the last can be left behind: its log is short, so that it needs a snapshot.
type left struct {
	net     *peers.Net
	nodes   []*server.Node
	watches []pb.WatchClient
	addrs   []string
	rng     *rand.Rand
}

// startLeft starts two members on one engine and a third on another, which does not lead.
func startLeft(t *testing.T, engines [3]string) *left {
	c := &left{net: peers.NewNet(), rng: rand.New(rand.NewPCG(1, 1))}
	dir := t.TempDir()
	plenty := new(atomic.Int64)
	plenty.Store(1 << 40)
	for i, name := range engines {
		nc := trio(dir, i, c.net, plenty)
		nc.Engine, nc.State.Open, nc.State.SyncEntries = name, opens[name], 1
		if name == "mem" {
			nc.Dir = filepath.Join(t.TempDir(), "n")
		}
		nc.Replica.TickInterval, nc.Replica.SnapshotEntries, nc.Replica.KeepEntries = 20*time.Millisecond, 10, 2
		nc.Replica.Raft.CacheBytes = 1 // or what the log has lost comes from memory
		n, err := server.StartNode(t.Context(), nc)
		must(t, err)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		g, err := n.Server.RPC(rpc.Config{})
		must(t, err)
		served := make(chan error, 1)
		go func() { served <- g.Serve(l) }()
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(t, err)
		t.Cleanup(func() {
			conn.Close()
			n.Server.Stop()
			g.Stop()
			must(t, <-served)
			must(t, n.Close())
		})
		c.nodes, c.watches = append(c.nodes, n), append(c.watches, pb.NewWatchClient(conn))
		c.addrs = append(c.addrs, l.Addr().String())
	}
	return c
}

func (c *left) id(i int) raft.NodeID { return c.nodes[i].Replica.Status().ID }

// behind cuts the last member off from the others, or lets it back.
func (c *left) behind(on bool) {
	for i := range 2 {
		c.net.Cut(c.id(i), c.id(2), on)
		c.net.Cut(c.id(2), c.id(i), on)
	}
}

// do proposes a command at the first member until it is done: a change of leader may lose it.
func (c *left) do(t *testing.T, cmd apply.Command) any {
	t.Helper()
	ctx := within(t)
	for {
		res, err := c.nodes[0].Replica.Propose(ctx, cmd.Append(nil))
		if err == nil {
			return res
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// write makes a random revision.
func (c *left) write(t *testing.T) int64 {
	t.Helper()
	key := func() []byte { return fmt.Appendf(nil, "k%d", c.rng.IntN(6)) }
	put := func(k []byte) *apply.Put { return &apply.Put{Key: k, Value: fmt.Append(nil, c.rng.Uint32())} }
	switch c.rng.IntN(4) {
	case 0:
		del := &apply.DeleteRange{Key: key(), End: []byte("k3")}
		return c.do(t, &apply.Txn{Success: []apply.Op{{Delete: del}, {Put: put([]byte("k9"))}}}).(*apply.TxnResult).Rev
	case 1:
		return c.do(t, &apply.Txn{Success: []apply.Op{{Put: put([]byte("k1"))}, {Put: put([]byte("k2"))}}}).(*apply.TxnResult).Rev
	}
	return c.do(t, put(key())).(*apply.PutResult).Rev
}

// listener is a Watch stream, with what its watches were told, as text.
type listener struct {
	t        *testing.T
	stream   pb.Watch_WatchClient
	told     map[int64][]string
	canceled map[int64]int64 // by watch: the compacted revision that it ended with
	last     map[int64]int64 // the newest revision told
	progress []string
}

func (c *left) listen(t *testing.T, i int) *listener {
	t.Helper()
	s, err := c.watches[i].Watch(t.Context())
	must(t, err)
	return &listener{t: t, stream: s, told: map[int64][]string{}, canceled: map[int64]int64{}, last: map[int64]int64{}}
}

func (l *listener) send(r *pb.WatchRequest) {
	l.t.Helper()
	must(l.t, l.stream.Send(r))
}

func (l *listener) watch(id int64, r *pb.WatchCreateRequest) {
	l.t.Helper()
	r.WatchId, r.PrevKv = id, true
	l.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}})
	for !l.hear() {
	}
}

func (l *listener) ask() {
	l.t.Helper()
	l.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
}

// hear takes in a response, and tells whether it was of the creation of a watch.
func (l *listener) hear() (created bool) {
	l.t.Helper()
	r, err := l.stream.Recv()
	must(l.t, err)
	switch {
	case r.Created && r.Canceled:
		l.t.Fatalf("not created: %v", r)
	case r.Canceled:
		l.canceled[r.WatchId] = r.CompactRevision
	case r.WatchId == -1:
		for id, last := range l.last {
			l.progress = append(l.progress, fmt.Sprintf("%d/%d/%d", id, last, r.Header.Revision))
		}
	}
	for _, e := range r.Events {
		if rev := e.Kv.ModRevision; rev < l.last[r.WatchId] {
			l.t.Fatalf("watch %d goes back from %d to %d", r.WatchId, l.last[r.WatchId], rev)
		}
		l.last[r.WatchId] = e.Kv.ModRevision
		l.told[r.WatchId] = append(l.told[r.WatchId], textOf(e))
	}
	return r.Created
}

func textOf(e *mvccpb.Event) string {
	prev := ""
	if e.PrevKv != nil {
		prev = fmt.Sprintf(" before %s@%d", e.PrevKv.Value, e.PrevKv.ModRevision)
	}
	return fmt.Sprintf("%d %s %s=%s v%d%s", e.Kv.ModRevision, e.Type, e.Kv.Key, e.Kv.Value, e.Kv.Version, prev)
}

// The watches: of everything, of one key from the present on, of puts only, and of what comes later.
const (
	everything int64 = iota + 1
	oneKey
	putsOnly
	later
)

// laterRev is where that begins: after the first snapshot.
const laterRev = 20

// A member that was cut off for long gets a snapshot of a member with another engine, or the same. Watches of it
// hear everything that others hear, once and in order; or, where something was compacted meanwhile that they had not
// heard, that they are canceled for it.
func TestAWatchThatASnapshotMovesMissesNothing(t *testing.T) {
	pairs := [][2]string{{"bolt", "bolt"}, {"bolt", "pebble"}, {"pebble", "badger"}, {"badger", "mem"}}
	if !testing.Short() {
		pairs = nil
		for from := range opens {
			for to := range opens {
				if from != "mem" { // which keeps nothing, so that its log is never cut
					pairs = append(pairs, [2]string{from, to})
				}
			}
		}
	}
	for _, p := range pairs {
		t.Run(fmt.Sprintf("from %s to %s", p[0], p[1]), func(t *testing.T) {
			c := startLeft(t, [3]string{p[0], p[0], p[1]})
			for range 5 {
				c.write(t)
			}
			truth, heard := c.listen(t, 0), c.listen(t, 2)
			all := pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("l"), StartRevision: 2}
			truth.watch(everything, &all)
			must(t, c.nodes[2].Replica.ReadIndex(within(t)))
			heard.watch(everything, &all)
			heard.watch(oneKey, &pb.WatchCreateRequest{Key: []byte("k1")})
			heard.watch(putsOnly, &pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("l"), StartRevision: 2, Filters: []pb.WatchCreateRequest_FilterType{pb.WatchCreateRequest_NODELETE}})
			heard.watch(later, &pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("l"), StartRevision: laterRev})
			since := c.nodes[2].State.Rev()

			c.leaveBehind(t, heard, false)
			c.leaveBehind(t, heard, false)
			end := c.end(t)
			want := until(truth, end)
			for _, id := range []int64{everything, oneKey, putsOnly, later} {
				compareTold(t, heard, id, end, filter(want, id, since))
			}

			compacted := c.leaveBehind(t, heard, true)
			heard.watch(later+1, &pb.WatchCreateRequest{Key: []byte("k"), RangeEnd: []byte("l"), StartRevision: compacted})
			end = c.end(t)
			want = until(truth, end)
			for len(heard.canceled) < 4 || heard.last[later+1] < end {
				heard.hear()
			}
			for id := everything; id <= later; id++ {
				if heard.canceled[id] != compacted || heard.last[id] >= compacted {
					t.Errorf("watch %d, which heard %d last, is canceled for %d, compacted is %d", id, heard.last[id], heard.canceled[id], compacted)
				}
			}
			fresh := filter(want, later+1, compacted-1)
			for i, line := range fresh {
				if revOf(line) == compacted { // what was before is compacted
					fresh[i], _, _ = strings.Cut(line, " before ")
				}
			}
			compareTold(t, heard, later+1, end, fresh)
			for _, p := range slices.Concat(truth.progress, heard.progress) {
				var id, last, rev int64
				_, err := fmt.Sscanf(p, "%d/%d/%d", &id, &last, &rev)
				must(t, err)
				if next := nextAfter(want, id, last, since); next != 0 && next <= rev && heard.canceled[id] == 0 {
					t.Errorf("progress %d was told to watch %d at %d, which had not heard of %d", rev, id, last, next)
				}
			}
		})
	}
}

// leaveBehind cuts the last member off until it needs a snapshot, lets it back and waits until it has got one;
// writes go on. With compact, what it has not heard of is compacted meanwhile, and the revision returned.
func (c *left) leaveBehind(t *testing.T, heard *listener, compact bool) (compacted int64) {
	t.Helper()
	view, err := c.nodes[2].State.View()
	must(t, err)
	c.behind(true)
	last := c.nodes[2].Replica.Status().Last
	for short := false; !short; {
		rev := c.write(t)
		short = c.nodes[0].Replica.Status().First > last+1 && c.nodes[1].Replica.Status().First > last+1
		if short && compact {
			compacted = rev
			must(t, c.do(t, &apply.Compact{Rev: rev}).(*apply.Done).Err)
			must(t, c.nodes[1].Replica.ReadIndex(within(t))) // whoever leads has done it, too
		}
	}
	c.behind(false)
	for range 8 {
		c.write(t)
		heard.ask()
	}
	select {
	case <-view.Replaced:
	case <-within(t).Done():
		t.Fatal("the member that was behind got no snapshot")
	}
	return compacted
}

// end makes a last revision that all watches hear of.
func (c *left) end(t *testing.T) int64 {
	t.Helper()
	return c.do(t, &apply.Put{Key: []byte("k1"), Value: []byte("end")}).(*apply.PutResult).Rev
}

// until is what truth has heard of everything up to a revision: no revision is missing.
func until(truth *listener, end int64) []string {
	truth.t.Helper()
	for truth.last[everything] < end {
		truth.hear()
	}
	told, at := truth.told[everything], int64(1)
	for _, line := range told {
		if rev := revOf(line); rev != at && rev != at+1 {
			truth.t.Fatalf("revision %d follows %d", rev, at)
		} else {
			at = rev
		}
	}
	return told
}

func revOf(line string) (rev int64) {
	_, _ = fmt.Sscan(line, &rev)
	return rev
}

// filter leaves what a watch is to hear.
func filter(all []string, id, since int64) (part []string) {
	for _, line := range all {
		var rev int64
		var kind, what string
		_, _ = fmt.Sscan(line, &rev, &kind, &what)
		switch {
		case id == oneKey && (rev <= since || what[:3] != "k1="):
		case id == putsOnly && kind != "PUT":
		case id == later && rev < laterRev:
		case id > later && rev <= since:
		default:
			part = append(part, line)
		}
	}
	return part
}

// nextAfter is the first revision after last that a watch is to hear of, 0 if there is none.
func nextAfter(all []string, id, last, since int64) int64 {
	for _, line := range filter(all, id, since) {
		if rev := revOf(line); rev > last {
			return rev
		}
	}
	return 0
}

func compareTold(t *testing.T, l *listener, id, end int64, want []string) {
	t.Helper()
	for l.last[id] < end && l.canceled[id] == 0 && len(want) > 0 {
		l.hear()
	}
	if got := l.told[id]; !slices.Equal(got, want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		t.Fatalf("watch %d was told %d events, want %d; from the %d. on:\n got %q\nwant %q", id, len(got), len(want), i, got[i:min(len(got), i+3)], want[i:min(len(want), i+3)])
	}
}
