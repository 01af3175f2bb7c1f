package server

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etalon-kv/etalon/apply"
)

// leaseServer is etcd's Lease service.
type leaseServer struct {
	pb.UnsafeLeaseServer
	s *Server
}

// leastTTL is the least time to live of a lease in seconds: one that a change of leaders may take
// must not let leases expire.
func (s *Server) leastTTL() int64 {
	millis := s.config.ElectionTimeout.Milliseconds()
	return max((3*millis/2+999)/1000, 1)
}

// LeaseGrant makes a lease. Without an id it chooses one.
func (l *leaseServer) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	s := l.s
	g := &apply.LeaseGrant{ID: apply.LeaseID(r.ID), TTL: r.TTL}
	if err := s.checkQuota(g.Cost()); err != nil {
		return nil, err
	}
	for g.ID == 0 {
		g.ID = apply.LeaseID(rand.Int64())
	}
	g.TTL = max(g.TTL, s.leastTTL())
	res, err := propose[*apply.LeaseGrantResult](ctx, s, g, 0)
	if err != nil {
		return nil, err
	}
	if res.Err != nil {
		return nil, res.Err
	}
	return &pb.LeaseGrantResponse{Header: s.pbHeader(s.state.Rev()), ID: int64(res.ID), TTL: res.TTL}, nil
}

// LeaseRevoke ends a lease and deletes its keys.
func (l *leaseServer) LeaseRevoke(ctx context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	res, err := propose[*apply.Done](ctx, l.s, &apply.LeaseRevoke{ID: apply.LeaseID(r.ID)}, 0)
	if err != nil {
		return nil, err
	}
	if res.Err != nil {
		return nil, res.Err
	}
	return &pb.LeaseRevokeResponse{Header: l.s.pbHeader(l.s.state.Rev())}, nil
}

// LeaseLeases lists all leases.
func (l *leaseServer) LeaseLeases(context.Context, *pb.LeaseLeasesRequest) (*pb.LeaseLeasesResponse, error) {
	resp := &pb.LeaseLeasesResponse{Header: l.s.pbHeader(l.s.state.Rev())}
	for _, lease := range l.s.state.Leases() {
		resp.Leases = append(resp.Leases, &pb.LeaseStatus{ID: int64(lease.ID)})
	}
	return resp, nil
}

// LeaseTimeToLive tells what a lease has left, as the leader knows. An unknown lease has -1.
func (l *leaseServer) LeaseTimeToLive(ctx context.Context, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	a, err := l.s.askLessor(ctx, lessorQuestion{kind: questionTimeToLive, id: apply.LeaseID(r.ID), keys: r.Keys})
	resp := &pb.LeaseTimeToLiveResponse{ID: r.ID, TTL: a.ttl, GrantedTTL: a.granted, Keys: a.keys}
	if errors.Is(err, apply.ErrLeaseNotFound) {
		resp, err = &pb.LeaseTimeToLiveResponse{ID: r.ID, TTL: -1}, nil
	}
	if err != nil {
		return nil, err
	}
	resp.Header = l.s.pbHeader(l.s.state.Rev())
	return resp, nil
}

// LeaseKeepAlive renews leases, as many and as often as the client asks. An unknown lease gets a
// time to live of 0, and no error.
func (l *leaseServer) LeaseKeepAlive(rpc pb.Lease_LeaseKeepAliveServer) error {
	ctx, cancel := context.WithCancelCause(rpc.Context())
	defer cancel(nil)
	leave, err := l.s.admitStream(ctx, cancel)
	if err != nil {
		return err
	}
	defer leave()
	ended := make(chan error, 1)
	l.s.receivers.Go(func() { ended <- l.keepAlive(ctx, rpc) })
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-l.s.stopping:
		err = errStopped
	}
	return toGRPC(err)
}

func (l *leaseServer) keepAlive(ctx context.Context, rpc pb.Lease_LeaseKeepAliveServer) error {
	for {
		r, err := rpc.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// The revision is one from before the renewal: at a later one the lease may be gone again.
		resp := &pb.LeaseKeepAliveResponse{Header: l.s.pbHeader(l.s.state.Rev()), ID: r.ID}
		a, err := l.s.askLessor(ctx, lessorQuestion{kind: questionRenew, id: apply.LeaseID(r.ID)})
		if err != nil && !errors.Is(err, apply.ErrLeaseNotFound) {
			return err
		}
		resp.TTL = a.ttl
		if err := rpc.Send(resp); err != nil {
			return err
		}
	}
}
