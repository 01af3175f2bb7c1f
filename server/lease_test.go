package server_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etalon-kv/etalon/server"
)

func TestLease(t *testing.T) {
	m := start(t, nil)
	grant := func(id, ttl int64) (*pb.LeaseGrantResponse, error) {
		return m.lease.LeaseGrant(t.Context(), &pb.LeaseGrantRequest{ID: id, TTL: ttl})
	}
	t.Run("an id is chosen, and the time is at least two seconds", func(t *testing.T) {
		g, err := grant(0, 1)
		must(t, err)
		if g.ID <= 0 || g.TTL != 2 || g.Header.Revision != 1 {
			t.Errorf("%v", g)
		}
	})
	t.Run("an id that is taken", func(t *testing.T) {
		_, err := grant(5, 100)
		must(t, err)
		_, err = grant(5, 100)
		wantError(t, err, rpctypes.ErrGRPCLeaseExist)
	})
	t.Run("a time that is too long", func(t *testing.T) {
		_, err := grant(6, 9_000_000_001)
		wantError(t, err, rpctypes.ErrGRPCLeaseTTLTooLarge)
	})
	put := func(key string) {
		_, err := m.kv.Put(t.Context(), &pb.PutRequest{Key: b(key), Lease: 5})
		must(t, err)
	}
	put("b")
	put("a")
	t.Run("what is left, and the keys", func(t *testing.T) {
		r, err := m.lease.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: 5, Keys: true})
		must(t, err)
		if r.GrantedTTL != 100 || r.TTL < 1 || r.TTL > 100 || len(r.Keys) != 2 || string(r.Keys[0]) != "a" {
			t.Errorf("%v", r)
		}
	})
	t.Run("an unknown lease has -1 left, and is no error", func(t *testing.T) {
		r, err := m.lease.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: 99})
		must(t, err)
		if r.TTL != -1 || r.ID != 99 || r.GrantedTTL != 0 {
			t.Errorf("%v", r)
		}
	})
	t.Run("keeping alive; an unknown lease gets 0, and no error", func(t *testing.T) {
		s, err := m.lease.LeaseKeepAlive(within(t))
		must(t, err)
		for id, want := range map[int64]int64{5: 100, 99: 0} {
			must(t, s.Send(&pb.LeaseKeepAliveRequest{ID: id}))
			r, err := s.Recv()
			must(t, err)
			if r.ID != id || r.TTL != want {
				t.Errorf("%v, want %d", r, want)
			}
		}
		must(t, s.CloseSend())
	})
	t.Run("all leases", func(t *testing.T) {
		r, err := m.lease.LeaseLeases(t.Context(), &pb.LeaseLeasesRequest{})
		must(t, err)
		if len(r.Leases) != 2 {
			t.Errorf("%v", r)
		}
	})
	t.Run("revoking deletes the keys in one revision", func(t *testing.T) {
		r, err := m.lease.LeaseRevoke(t.Context(), &pb.LeaseRevokeRequest{ID: 5})
		must(t, err)
		if got := m.get(t, &pb.RangeRequest{Key: b("a"), RangeEnd: b("c")}); got.Count != 0 || got.Header.Revision != 4 || r.Header.Revision != 4 {
			t.Errorf("%v after %v", got, r)
		}
		_, err = m.lease.LeaseRevoke(t.Context(), &pb.LeaseRevokeRequest{ID: 5})
		wantError(t, err, rpctypes.ErrGRPCLeaseNotFound)
	})
}

func TestAnExpiredLeaseTakesItsKeysWithIt(t *testing.T) {
	var ahead atomic.Int64 // of the clock
	m := start(t, func(c *server.NodeConfig) {
		c.Server.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	for _, id := range []int64{1, 2} {
		_, err := m.lease.LeaseGrant(t.Context(), &pb.LeaseGrantRequest{ID: id, TTL: 100})
		must(t, err)
		_, err = m.kv.Put(t.Context(), &pb.PutRequest{Key: b(fmt.Sprint("k", id)), Lease: id})
		must(t, err)
	}
	ttl := func(id int64) int64 {
		r, err := m.lease.LeaseTimeToLive(t.Context(), &pb.LeaseTimeToLiveRequest{ID: id})
		must(t, err)
		return r.TTL
	}
	if one, two := ttl(1), ttl(2); one < 90 || two < 90 { // the lessor knows of them now
		t.Errorf("new leases have %d and %d left", one, two)
	}
	ahead.Store(int64(90 * time.Second))
	s, err := m.lease.LeaseKeepAlive(within(t))
	must(t, err)
	must(t, s.Send(&pb.LeaseKeepAliveRequest{ID: 2}))
	r, err := s.Recv()
	must(t, err)
	if left := ttl(1); r.TTL != 100 || left < 1 || left > 10 {
		t.Errorf("renewed to %d, the other has %d", r.TTL, left)
	}
	w := m.stream(t)
	w.create(&pb.WatchCreateRequest{Key: b("k1"), RangeEnd: b("k3")})
	w.created(0)
	ahead.Store(int64(110 * time.Second))
	w.wantEvents(0, "DELETE k1=@4")
	if one, two := ttl(1), ttl(2); one != -1 || two < 70 {
		t.Errorf("the expired lease has %d left, the renewed one %d", one, two)
	}
	if r := m.get(t, &pb.RangeRequest{Key: b("k2")}); r.Count != 1 {
		t.Error("a renewed lease lost its key")
	}
}
