package server

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/server/wire"
)

// noWatch is the id in a response that is about no watch of the client's: a creation that failed,
// or progress of all watches.
const noWatch int64 = -1

// The reasons that etcd gives for a watch that was not created, which clients show.
const (
	reasonEmptyRange  = "mvcc: watcher range is empty"
	reasonDuplicateID = "mvcc: duplicate watch ID provided on the WatchStream"
)

// watchStream serves one Watch call, with any number of watches. Two goroutines work for it: the
// handler's delivers what the stream of the store's hub has to tell, and one reads the client's
// requests. What a client does not read is kept by the hub's stream, which bounds it.
//
// When a snapshot replaces the store all watches are begun again on the new one, each where it had
// stopped, so the client sees neither a gap nor an event twice.
type watchStream struct {
	s      *Server
	rpc    grpc.ServerStream
	ctx    context.Context // of the call; ends with cancel, whose cause is the answer
	cancel context.CancelCauseFunc

	sending sync.Mutex // holds together a message and what it changes here
	out     wire.WatchResponse

	mu       sync.Mutex
	view     apply.View
	stream   *mvcc.Stream
	byKey    map[int64]*watcher // by its number in stream
	byID     map[int64]*watcher // by the client's id
	nextKey  int64
	nextID   int64
	creating int           // watches whose creation was not answered yet
	answered chan struct{} // room for one: creating has fallen
	progress *time.Timer   // nil until a watch asks to be notified
}

// watcher is one watch.
type watcher struct {
	id     int64 // the client's
	key    int64 // in the hub's stream
	config mvcc.WatchConfig

	notify, fragment bool
	created          bool // the client knows
	quiet            bool // nothing was sent since the last notification was due
	gone             bool // canceled by compaction: only its id is taken
}

// Watch serves the call.
func (s *Server) watch(rpc grpc.ServerStream) error {
	ctx, cancel := context.WithCancelCause(rpc.Context())
	defer cancel(nil)
	leave, err := s.admitStream(ctx, cancel)
	if err != nil {
		return err
	}
	defer leave()
	w := &watchStream{
		s: s, rpc: rpc, ctx: ctx, cancel: cancel,
		byKey: make(map[int64]*watcher), byID: make(map[int64]*watcher), answered: make(chan struct{}, 1),
	}
	if err := w.open(); err != nil {
		return toGRPC(err)
	}
	defer w.close()
	s.receivers.Add(1) // ends when this handler has returned, if not before
	go func() {
		defer s.receivers.Done()
		w.receive()
	}()
	err = w.deliver()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if errors.Is(err, context.Canceled) {
		return rpctypes.ErrGRPCWatchCanceled
	}
	return toGRPC(err)
}

// open begins on the present store.
func (w *watchStream) open() (err error) {
	if w.view, err = w.s.state.View(); err != nil {
		return err
	}
	w.stream, err = w.view.Hub.Stream()
	return err
}

func (w *watchStream) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream.Close()
	if w.progress != nil {
		w.progress.Stop()
	}
}

// receive carries out the client's requests until it sends none any more.
func (w *watchStream) receive() {
	for {
		var r pb.WatchRequest
		if err := w.rpc.RecvMsg(&r); err != nil {
			if !errors.Is(err, io.EOF) { // after EOF the client still listens
				w.cancel(err)
			}
			return
		}
		var err error
		switch q := r.RequestUnion.(type) {
		case *pb.WatchRequest_CreateRequest:
			if q.CreateRequest != nil {
				err = w.create(q.CreateRequest)
			}
		case *pb.WatchRequest_CancelRequest:
			if q.CancelRequest != nil {
				err = w.end(q.CancelRequest.WatchId)
			}
		case *pb.WatchRequest_ProgressRequest:
			w.mu.Lock()
			w.stream.RequestProgress(mvcc.AllWatches) // an answer that cannot be given is left out
			w.mu.Unlock()
		}
		if err != nil {
			w.cancel(err)
			return
		}
	}
}

// watchConfig translates r. The reason is not empty if there can be no such watch.
func watchConfig(r *pb.WatchCreateRequest) (c mvcc.WatchConfig, reason string) {
	c = mvcc.WatchConfig{Key: r.Key, StartRev: r.StartRevision, PrevKV: r.PrevKv}
	if len(c.Key) == 0 {
		c.Key = []byte{0}
	}
	switch end := r.RangeEnd; {
	case len(end) == 0:
	case len(end) == 1 && end[0] == 0:
		c.Range = true
	default:
		c.Range, c.End = true, end
	}
	for _, f := range r.Filters {
		c.NoPut = c.NoPut || f == pb.WatchCreateRequest_NOPUT
		c.NoDelete = c.NoDelete || f == pb.WatchCreateRequest_NODELETE
	}
	switch {
	case r.StartRevision < 0:
		return c, rpctypes.ErrCompacted.Error()
	case c.End != nil && string(c.Key) >= string(c.End):
		return c, reasonEmptyRange
	}
	return c, ""
}

// create begins a watch. What comes of it is told in the order of the requests.
func (w *watchStream) create(r *pb.WatchCreateRequest) error {
	config, reason := watchConfig(r)
	if reason == "" {
		var err error
		if reason, err = w.add(r, config); err != nil {
			return err
		}
	}
	if reason == "" {
		return nil
	}
	if err := w.awaitAnswers(); err != nil {
		return err
	}
	return w.send(&wire.WatchResponse{ID: noWatch, Created: true, Canceled: true, Reason: reason}, w.s.state.Rev())
}

func (w *watchStream) add(r *pb.WatchCreateRequest, config mvcc.WatchConfig) (reason string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := r.WatchId
	if id != 0 && w.byID[id] != nil {
		return reasonDuplicateID, nil
	}
	for id == 0 {
		if w.byID[w.nextID] == nil {
			id = w.nextID
			w.nextID++
			break
		}
		w.nextID++
	}
	w.nextKey++
	config.ID = w.nextKey
	x := &watcher{id: id, key: w.nextKey, config: config, notify: r.ProgressNotify, fragment: r.Fragment, quiet: true}
	switch _, err := w.stream.Watch(config); {
	case errors.Is(err, mvcc.ErrTooManyWatches):
		return err.Error(), nil
	case errors.Is(err, mvcc.ErrWatchEnded), errors.Is(err, mvcc.ErrClosed):
		// The store is being replaced: the watch begins with the others on the new one.
	case err != nil:
		return "", err
	}
	w.byKey[x.key], w.byID[id] = x, x
	w.creating++
	if x.notify && w.progress == nil {
		every := w.s.config.WatchProgressInterval
		every += rand.N(every/10 + 1) // so that streams that began together are not notified together
		w.progress = time.AfterFunc(every, func() { w.notify(every) })
	}
	return "", nil
}

// awaitAnswers waits until all watches created so far were answered.
func (w *watchStream) awaitAnswers() error {
	for {
		w.mu.Lock()
		n := w.creating
		w.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-w.answered:
		case <-w.ctx.Done():
			return context.Cause(w.ctx)
		}
	}
}

// end cancels a watch. A watch that is not there gets no answer.
func (w *watchStream) end(id int64) error {
	w.mu.Lock()
	x := w.byID[id]
	if x == nil {
		w.mu.Unlock()
		return nil
	}
	delete(w.byID, id)
	if !x.gone && w.stream.Cancel(x.key) == nil {
		w.mu.Unlock()
		return nil // the stream tells
	}
	delete(w.byKey, x.key)
	w.mu.Unlock()
	return w.send(&wire.WatchResponse{ID: id, Canceled: true}, w.s.state.Rev())
}

// notify asks for the progress of all watches that want to be notified and were not told
// anything lately.
func (w *watchStream) notify(every time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return
	}
	for key, x := range w.byKey {
		if x.notify && x.quiet && !x.gone {
			w.stream.RequestProgress(key) // as above
		}
		x.quiet = true
	}
	w.progress.Reset(every)
}
