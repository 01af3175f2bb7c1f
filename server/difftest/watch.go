package difftest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
)

// barrierTimeout bounds the wait for a stream to have told everything up to a revision.
const barrierTimeout = 20 * time.Second

// watchStream is one stream of a server, with everything it has told so far, by watch.
type watchStream struct {
	stream pb.Watch_WatchClient
	cancel context.CancelFunc
	in     chan *pb.WatchResponse
	failed chan error
	// told of a watch: a line an event, and what happened to it.
	told map[int64][]string
	// created are the answers to create requests, in order; progress is the newest of the stream.
	created  []string
	progress int64
	live     map[int64]bool // watches that were created and not canceled
	refused  error          // of sending
}

// streamQueue is how many responses wait for the test.
const streamQueue = 1024

func openStream(ctx context.Context, conn *grpc.ClientConn) (*watchStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	w := &watchStream{stream: s, cancel: cancel, in: make(chan *pb.WatchResponse, streamQueue), failed: make(chan error, 1), told: map[int64][]string{}, live: map[int64]bool{}}
	go func() {
		for {
			resp, err := s.Recv()
			if err != nil {
				w.failed <- err
				return
			}
			select {
			case w.in <- resp:
			case <-ctx.Done():
				w.failed <- ctx.Err()
				return
			}
		}
	}()
	return w, nil
}

// close ends the stream and waits until its receiver is gone.
func (w *watchStream) close() {
	w.cancel()
	<-w.failed
}

// take notes one response.
func (w *watchStream) take(r *pb.WatchResponse) {
	switch {
	case r.Created:
		if !r.Canceled {
			w.live[r.WatchId] = true
		}
		// Created and canceled at once: a request that was refused.
		w.created = append(w.created, fmt.Sprintf("id %d canceled %v compact %d reason %q", r.WatchId, r.Canceled, r.CompactRevision, r.CancelReason))
	case r.Canceled && !w.live[r.WatchId]: // the answer to what follows
	case r.Canceled:
		delete(w.live, r.WatchId)
		if r.CompactRevision > 0 {
			// etcd keeps such a watch among those of the stream, and says nothing of its progress any more
			// until the client cancels it too.
			w.refused = w.sendCancel(r.WatchId)
		}
		w.told[r.WatchId] = append(w.told[r.WatchId], fmt.Sprintf("canceled, compact %d, reason %q", r.CompactRevision, r.CancelReason))
	case r.WatchId == -1 && len(r.Events) == 0:
		w.progress = max(w.progress, r.Header.Revision)
	}
	for _, e := range r.Events {
		w.told[r.WatchId] = append(w.told[r.WatchId], prototext.MarshalOptions{}.Format(e))
	}
}

// next takes the next response; false if none came within d.
func (w *watchStream) next(ctx context.Context, d time.Duration) (bool, error) {
	select {
	case r := <-w.in:
		w.take(r)
		return true, w.refused
	case err := <-w.failed:
		w.failed <- err
		return false, err
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(d):
		return false, nil
	}
}

// create asks for a watch and waits for the answer.
func (w *watchStream) create(ctx context.Context, r *pb.WatchCreateRequest) error {
	n := len(w.created)
	err := w.stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: r}})
	return w.until(ctx, err, func() bool { return len(w.created) > n })
}

// drop cancels a watch and waits for the answer.
func (w *watchStream) drop(ctx context.Context, id int64) error {
	ended := func() bool { return !w.live[id] }
	if ended() { // a watch that has ended gets no answer
		return nil
	}
	return w.until(ctx, w.sendCancel(id), ended)
}

func (w *watchStream) sendCancel(id int64) error {
	return w.stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}})
}

func (w *watchStream) until(ctx context.Context, err error, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, barrierTimeout)
	defer cancel()
	for err == nil && !done() {
		_, err = w.next(ctx, barrierTimeout)
	}
	return err
}

// barrier returns when everything up to rev was told: the server says so itself, once all watches
// of the stream have caught up. A request that comes too early is not answered, so it is repeated; nor
// is one on a stream without watches. What was said before counts no more: there may be a new watch.
func (w *watchStream) barrier(ctx context.Context, rev int64) error {
	w.progress = 0
	ctx, cancel := context.WithTimeout(ctx, barrierTimeout)
	defer cancel()
	for w.progress < rev && len(w.live) > 0 {
		err := w.stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
		if err != nil {
			return err
		}
		for more := true; more && w.progress < rev; {
			if more, err = w.next(ctx, 20*time.Millisecond); err != nil {
				return fmt.Errorf("waiting for revision %d on a stream at %d: %w", rev, w.progress, err)
			}
		}
	}
	return nil
}

// watchRequest makes a random one. Starts in the future are a few revisions away.
func (g *generator) watchRequest() *pb.WatchCreateRequest {
	r := &pb.WatchCreateRequest{PrevKv: g.one(2), Fragment: g.one(6)}
	r.Key, r.RangeEnd = g.span()
	switch g.r.IntN(8) {
	case 0, 1, 2:
		r.StartRevision = max(g.compacted, 1) + g.r.Int64N(max(1, g.rev-g.compacted+1))
	case 3:
		r.StartRevision = max(0, g.compacted-1+g.r.Int64N(2))
	case 4:
		r.StartRevision = -1
	case 5:
		r.StartRevision = g.rev + 1 + g.r.Int64N(3)
	}
	g.future = max(g.future, r.StartRevision)
	if g.one(5) {
		r.Filters = append(r.Filters, pb.WatchCreateRequest_FilterType(g.r.IntN(2)))
	}
	if g.one(8) {
		r.WatchId = g.r.Int64N(12)
	}
	return r
}

// watchers is a stream on each server, driven alike.
type watchers struct {
	streams [2]*watchStream
	asked   []string // the create requests, to tell what a difference is about
	ids     []int64
}

// maxWatches is how many a pair of streams gets before it is closed and another opened.
const maxWatches = 30

func (p *watchers) each(f func(*watchStream) error) error {
	for i, name := range []string{"etcd", "etalon"} {
		if err := f(p.streams[i]); err != nil {
			return fmt.Errorf("watch on %s: %w\nasked %q\ncreated %q", name, err, p.asked, p.streams[i].created)
		}
	}
	return nil
}

// drop cancels a watch on both.
func (p *watchers) drop(ctx context.Context, g *generator) error {
	id := p.ids[g.r.IntN(len(p.ids))]
	return p.each(func(w *watchStream) error { return w.drop(ctx, id) })
}

// create creates a watch on both.
func (p *watchers) create(ctx context.Context, g *generator) error {
	r := g.watchRequest()
	p.asked = append(p.asked, prototext.MarshalOptions{}.Format(r))
	if err := p.each(func(w *watchStream) error { return w.create(ctx, r) }); err != nil {
		return err
	}
	var id int64
	var canceled bool
	line := p.streams[0].created[len(p.streams[0].created)-1]
	if _, err := fmt.Sscanf(line, "id %d canceled %t", &id, &canceled); err == nil && !canceled && !slices.Contains(p.ids, id) {
		p.ids = append(p.ids, id)
	}
	return nil
}

func (p *watchers) barrier(ctx context.Context, rev int64) error {
	return p.each(func(w *watchStream) error { return w.barrier(ctx, rev) })
}

// difference compares what the two streams were told; "" is none.
func (p *watchers) difference() string {
	want, got := p.streams[0], p.streams[1]
	for i := range max(len(want.created), len(got.created)) {
		if w, g := at(want.created, i), at(got.created, i); w != g {
			return fmt.Sprintf("create request %d {%s}\n  etcd    %s\n  etalon  %s", i, at(p.asked, i), w, g)
		}
	}
	for _, id := range p.ids {
		w, g := want.told[id], got.told[id]
		for i := range max(len(w), len(g)) {
			if at(w, i) != at(g, i) {
				return fmt.Sprintf("watch %d, event %d (etcd told %d, etalon %d)\n  etcd    %s\n  etalon  %s", id, i, len(w), len(g), at(w, i), at(g, i))
			}
		}
	}
	return ""
}

func at(list []string, i int) string {
	if i >= len(list) {
		return "nothing"
	}
	return list[i]
}

// shuffleSeed makes a seed of its own for a part of a run.
func shuffleSeed(seed uint64, part int) uint64 {
	return rand.New(rand.NewPCG(seed, uint64(part))).Uint64()
}
