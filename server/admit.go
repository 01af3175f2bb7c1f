package server

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/server/rpc"
)

// first is the value of a key in the metadata of a call, "" if there is none. It copies no more
// than that.
func first(ctx context.Context, key string) string {
	if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// admit tells whether a call can be served now. A learner serves only what asks nobody else; a
// client may ask to be refused where no leader is known.
func (s *Server) admit(ctx context.Context, byLearner bool) error {
	return s.admitCaller(rpc.Caller{
		Version: first(ctx, rpctypes.MetadataClientAPIVersionKey), HasLeader: first(ctx, rpctypes.MetadataRequireLeaderKey),
	}, byLearner)
}

func (s *Server) admitCaller(c rpc.Caller, byLearner bool) error {
	switch {
	case !byLearner && s.learner.Load():
		return rpctypes.ErrGRPCNotSupportedForLearner
	case !utf8.ValidString(c.Version):
		return rpctypes.ErrGRPCInvalidClientAPIVersion
	case c.HasLeader == rpctypes.MetadataHasLeader && s.leader() == raft.None:
		return rpctypes.ErrGRPCNoLeader
	}
	return nil
}

func requiresLeader(ctx context.Context) bool {
	return first(ctx, rpctypes.MetadataRequireLeaderKey) == rpctypes.MetadataHasLeader
}

// admitUnary is the interceptor of the calls that use the generated code.
func (s *Server) admitUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	_, status := req.(*pb.StatusRequest)
	if err := s.admit(ctx, status); err != nil {
		return nil, err
	}
	resp, err := handler(ctx, req)
	return resp, toGRPC(err)
}

// admitStream is admit for a stream. Where the client requires a leader, the stream is canceled
// when there was none for some time. leave must be called when the stream ends.
func (s *Server) admitStream(ctx context.Context, cancel context.CancelCauseFunc) (leave func(), err error) {
	if err := s.admit(ctx, false); err != nil {
		return nil, err
	}
	if !requiresLeader(ctx) {
		return func() {}, nil
	}
	return s.orphans.add(cancel), nil
}

// orphans are the streams to be canceled when there is no leader.
type orphans struct {
	mu      sync.Mutex
	streams map[*context.CancelCauseFunc]struct{}
}

func (o *orphans) add(cancel context.CancelCauseFunc) (leave func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.streams == nil {
		o.streams = make(map[*context.CancelCauseFunc]struct{})
	}
	o.streams[&cancel] = struct{}{}
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.streams, &cancel)
	}
}

func (o *orphans) cancel() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.streams {
		(*c)(rpctypes.ErrGRPCNoLeader)
	}
	clear(o.streams)
}

// leaderlessElections is for how many election timeouts streams wait for a leader.
const leaderlessElections = 3

// watchLeader cancels the streams that require a leader when none was known for that long. It
// ends with the server.
func (s *Server) watchLeader() {
	tick := time.NewTicker(s.config.ElectionTimeout)
	defer tick.Stop()
	for without := 0; ; {
		select {
		case <-s.stopping:
			return
		case <-tick.C:
		}
		if without++; s.leader() != raft.None {
			without = 0
		}
		if without >= leaderlessElections {
			s.orphans.cancel()
		}
	}
}
