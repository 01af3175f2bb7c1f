package server

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/server/rpc"
	"github.com/etalon-kv/etalon/server/wire"
)

// Replica is what a server needs of the member that it serves; replica.Replica says what its
// methods do. All may be called by any number of goroutines. (Nine methods: the two forms of each
// request belong together.)
type Replica interface {
	Propose(ctx context.Context, command []byte) (any, error)
	ReadIndex(ctx context.Context) error
	ProposeTo(command []byte, to replica.Receiver) error
	ReadIndexTo(to replica.Receiver) error
	ChangeMembers(ctx context.Context, cc raft.ConfChange) (any, error)
	TransferLeader(ctx context.Context, to raft.NodeID) error
	Call(ctx context.Context, to raft.NodeID, payload []byte) ([]byte, error)
	Leadership() (replica.Leadership, <-chan struct{})
	Status() replica.Status
}

// Server serves the API of one member. New starts its goroutines, Register makes it part of a
// grpc.Server, Close ends it. All methods may be called by any number of goroutines.
type Server struct {
	config   Config
	replica  Replica
	state    *apply.Machine
	learner  atomic.Bool // this member is one
	orphans  orphans
	lessor   *lessor
	health   *health.Server
	alarming atomic.Bool // NOSPACE is being raised
	// sizeBytes is what the store takes on disk, as of lately.
	sizeBytes     atomic.Int64
	leaderChanges atomic.Int64
	maxWrite      atomic.Int64 // the largest key and value together that every member can store

	stopping  chan struct{}
	stop      sync.Once
	running   sync.WaitGroup // goroutines of the server
	receivers sync.WaitGroup // those that read streams, which end with gRPC's handlers
}

// New makes a server of c and starts its goroutines. The caller must Close it, before the replica
// and the state machine.
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	lessor, err := newLessor(c)
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, lessor: lessor, replica: c.Replica, state: c.State, health: health.NewServer(), stopping: make(chan struct{})}
	s.maxWrite.Store(int64(c.State.WriteLimit()))
	s.running.Go(s.watchLeader)
	s.running.Go(s.watchMembers)
	s.running.Go(s.runLessor)
	s.running.Go(s.watchSize)
	s.running.Go(s.countLeaders)
	if c.Retention != (Retention{}) {
		s.running.Go(s.autoCompact)
	}
	return s, nil
}

// Options are those that a grpc.Server must be made with to be given to Register.
func (s *Server) Options() []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.UnaryInterceptor(s.admitUnary),
		grpc.MaxRecvMsgSize(s.config.maxMessageBytes()),
		grpc.MaxSendMsgSize(math.MaxInt32),
	}
	if s.config.MaxStreams > 0 {
		options = append(options, grpc.MaxConcurrentStreams(s.config.MaxStreams))
	}
	return options
}

// Register gives the services to g, a grpc.Server or an rpc.Server.
func (s *Server) Register(g grpc.ServiceRegistrar) {
	g.RegisterService(&kvService, s)
	g.RegisterService(&watchService, s)
	pb.RegisterLeaseServer(g, &leaseServer{s: s})
	pb.RegisterClusterServer(g, &clusterServer{s: s})
	pb.RegisterMaintenanceServer(g, &maintenanceServer{s: s})
	pb.RegisterAuthServer(g, &authServer{})
	healthpb.RegisterHealthServer(g, s.health)
	if fast, ok := g.(*rpc.Server); ok {
		s.registerFast(fast)
	}
}

// RPC makes a server for connections of gRPC clients with all services. It takes less of the processor
// than a grpc.Server, and serves nothing else. What c says of codec, interceptor and sizes is set here.
func (s *Server) RPC(c rpc.Config) (*rpc.Server, error) {
	c.Codec, c.Unary, c.Logger = newCodec(), s.admitUnary, s.config.Logger
	c.MaxMessageBytes, c.MaxStreams = s.config.maxMessageBytes(), s.config.MaxStreams
	g, err := rpc.NewServer(c)
	if err == nil {
		s.Register(g)
	}
	return g, err
}

// Stop makes streams end and calls fail that wait. It does not wait for them.
func (s *Server) Stop() {
	s.stop.Do(func() {
		close(s.stopping)
		s.health.Shutdown()
	})
}

// Close is Stop, and waits for the server's goroutines. The grpc.Server must have been stopped.
func (s *Server) Close() {
	s.Stop()
	s.running.Wait()
	s.receivers.Wait()
}

func (s *Server) leader() raft.NodeID {
	l, _ := s.replica.Leadership()
	return l.Leader
}

// header is that of a response which tells a revision.
func (s *Server) header(rev int64) wire.Header {
	l, _ := s.replica.Leadership()
	return wire.Header{Cluster: s.config.Cluster, Member: uint64(s.config.Member), Revision: rev, Term: uint64(l.Term)}
}

// pbHeader is header for the generated code.
func (s *Server) pbHeader(rev int64) *pb.ResponseHeader {
	h := s.header(rev)
	return &pb.ResponseHeader{ClusterId: h.Cluster, MemberId: h.Member, Revision: h.Revision, RaftTerm: h.Term}
}

// watchMembers keeps what depends on the members up to date.
func (s *Server) watchMembers() {
	for {
		members, changed := s.state.Members()
		learner := false
		for _, m := range members {
			learner = learner || m.ID == uint64(s.config.Member) && m.Learner
		}
		s.learner.Store(learner)
		s.maxWrite.Store(int64(s.state.WriteLimit()))
		select {
		case <-s.stopping:
			return
		case <-changed:
		}
	}
}

// sizeInterval is how often the size of the store is looked up.
const sizeInterval = 100 * time.Millisecond

// watchSize keeps sizeBytes up to date.
func (s *Server) watchSize() {
	tick := time.NewTicker(sizeInterval)
	defer tick.Stop()
	for {
		if stats, _, err := s.state.Stats(); err == nil {
			s.sizeBytes.Store(storeBytes(stats))
		}
		select {
		case <-s.stopping:
			return
		case <-tick.C:
		}
	}
}
