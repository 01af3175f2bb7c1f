package difftest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// engines are Etalon's; each gets its part of the requests.
var engines = []string{"mem", "bolt", "pebble", "badger"}

const defaultRequests = 20_000

func setting(t *testing.T, name string, zero uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return zero
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s is %q, want a whole number", name, s)
	}
	return n
}

// build compiles both servers into dir, except for those that the environment names.
func build(t *testing.T, dir string) (etcd, etalon string) {
	t.Helper()
	etcd, etalon = filepath.Join(dir, "etcd"), filepath.Join(dir, "etalon")
	for _, c := range []struct{ in, out, pkg string }{{".", etcd, "./etcd"}, {"../..", etalon, "./cmd/etalon"}} {
		if given := os.Getenv("DIFFTEST_" + strings.ToUpper(filepath.Base(c.out))); given != "" {
			if c.out == etcd {
				etcd = given
			} else {
				etalon = given
			}
			continue
		}
		cmd := exec.Command("go", "build", "-o", c.out, c.pkg)
		cmd.Dir = c.in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", c.pkg, err, out)
		}
	}
	return etcd, etalon
}

func TestDifferential(t *testing.T) {
	seed := setting(t, "DIFFTEST_SEED", uint64(time.Now().UnixNano()))
	requests := setting(t, "DIFFTEST_REQUESTS", defaultRequests)
	etcd, etalon := build(t, t.TempDir())
	if os.Getenv("DIFFTEST_SELF") != "" {
		t.Run("etcd beside etcd", func(t *testing.T) {
			compareServers(t, seed, int(requests), etcd, etcd)
		})
		return
	}
	for i, engine := range engines {
		t.Run("engine="+engine, func(t *testing.T) {
			compareServers(t, seed+uint64(i), int(requests)/len(engines), etcd, etalon, "serve", "--engine", engine)
		})
	}
}

// pair is a reference and a server under test.
type pair struct {
	t       *testing.T
	servers [2]*server
	g       *generator
	watch   *watchers
	sent    int
	recent  []string // the last requests, for the report of a difference
}

// Every so many requests something else happens.
const (
	watchEvery   = 15
	barrierEvery = 250
	restartAfter = 0.6 // of the requests, once
)

// newPair describes the two; args are ours, others etcd's.
func newPair(t *testing.T, etcd string, args []string, etalon string, others []string) *pair {
	t.Helper()
	dir := t.TempDir()
	p := &pair{t: t}
	for i, s := range []struct {
		name, binary string
		args         []string
	}{{"etcd", etcd, append([]string{"--log-level", "error"}, others...)}, {"etalon", etalon, args}} {
		var err error
		if p.servers[i], err = newServer(s.name, s.binary, dir, s.args...); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *pair) stop() {
	for _, s := range p.servers {
		if err := s.stop(); err != nil {
			p.t.Error(err)
		}
	}
}

func compareServers(t *testing.T, seed uint64, requests int, etcd, etalon string, args ...string) {
	t.Logf("DIFFTEST_SEED=%d DIFFTEST_REQUESTS=%d", seed, requests)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	p := newPair(t, etcd, args, etalon, nil)
	p.g = newGenerator(shuffleSeed(seed, 0))
	defer p.stop()
	p.must(p.start(ctx))
	for p.sent < requests {
		p.step(ctx)
		switch {
		case p.sent%barrierEvery == 0 || len(p.watch.asked) >= maxWatches:
			p.settle(ctx)
		case p.sent%watchEvery == 0:
			p.watchStep(ctx)
		}
		if p.sent == int(float64(requests)*restartAfter) {
			p.settle(ctx)
			p.restart(ctx)
		}
	}
	p.settle(ctx)
	p.closeWatches()
	t.Logf("%d requests, %d revisions", p.sent, p.g.rev)
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("after %d requests: %v\netcd: %s\netalon: %s", p.sent, err, p.servers[0].log, p.servers[1].log)
	}
}

func (p *pair) start(ctx context.Context) error {
	var wg sync.WaitGroup
	var errs [2]error
	for i, s := range p.servers {
		wg.Go(func() { errs[i] = s.start(ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return p.openWatches(ctx)
}

func (p *pair) openWatches(ctx context.Context) (err error) {
	p.watch = &watchers{}
	for i, s := range p.servers {
		if p.watch.streams[i], err = openStream(ctx, s.conn); err != nil {
			return fmt.Errorf("opening a watch stream on %s: %w", s.name, err)
		}
	}
	return nil
}

func (p *pair) closeWatches() {
	for _, w := range p.watch.streams {
		w.close()
	}
}

// step makes the next request.
func (p *pair) step(ctx context.Context) {
	req := p.g.next()
	if _, ok := req.(*pb.CompactionRequest); ok {
		p.barrier(ctx)
	}
	p.send(ctx, req)
}

// barrier returns when both servers have told all their watches everything. A watch that starts in
// the future keeps a server from saying so; revisions are made until it is the past.
func (p *pair) barrier(ctx context.Context) {
	for of := pb.AlarmType(1); p.g.rev < p.g.future && p.g.alarms > 0; of = 3 - of {
		p.send(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: alarmed, Alarm: of})
	}
	for p.g.rev < p.g.future {
		p.send(ctx, &pb.PutRequest{Key: []byte("future")})
	}
	p.must(p.watch.barrier(ctx, p.g.rev))
}

// watchStep creates a watch on both, or cancels one: with everything told up to there, since what
// a server has not told when it is asked to cancel need not be told any more.
func (p *pair) watchStep(ctx context.Context) {
	if len(p.watch.ids) > 0 && p.g.one(4) {
		p.barrier(ctx)
		p.must(p.watch.drop(ctx, p.g))
		return
	}
	p.must(p.watch.create(ctx, p.g))
	p.barrier(ctx) // what is in the past is told before anything is compacted
}

// send sends one request to both and compares.
func (p *pair) send(ctx context.Context, req proto.Message) {
	want, got := p.ask(ctx, req)
	p.sent++
	line := fmt.Sprintf("%d %s {%s}", p.sent, req.ProtoReflect().Descriptor().Name(), prototext.MarshalOptions{}.Format(req))
	if p.recent = append(p.recent, line); len(p.recent) > 12 {
		p.recent = p.recent[1:]
	}
	if d := difference(want, got); d != "" {
		p.fail(line, d)
	}
	p.g.learn(req, want)
}

func (p *pair) ask(ctx context.Context, req proto.Message) (want, got answer) {
	var wg sync.WaitGroup
	one := func(conn *grpc.ClientConn, a *answer) { *a = call(ctx, conn, req) }
	wg.Go(func() { one(p.servers[0].conn, &want) })
	one(p.servers[1].conn, &got)
	wg.Wait()
	return want, got
}

func (p *pair) fail(what, difference string) {
	p.t.Helper()
	p.t.Errorf("request %s\n%s\nbefore it:", what, difference)
	for _, r := range p.recent {
		p.t.Log(r)
	}
	p.t.FailNow()
}

// settle waits for all events, compares them, and begins with new streams.
func (p *pair) settle(ctx context.Context) {
	p.barrier(ctx)
	if d := p.watch.difference(); d != "" {
		p.fail("(watch)", d)
	}
	p.closeWatches()
	p.must(p.openWatches(ctx))
}

// restart ends both servers and starts them again: what they were is all on disk.
func (p *pair) restart(ctx context.Context) {
	p.closeWatches()
	for _, s := range p.servers {
		p.must(s.stop())
	}
	p.must(p.start(ctx))
	p.send(ctx, &pb.RangeRequest{Key: []byte("a")}) // serializable reads may be of an older state until the log was read again
	clear(p.g.hashed)
}
