package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etalon-kv/etalon/replica"
	"github.com/etalon-kv/etalon/replica/peers"
	"github.com/etalon-kv/etalon/server"
)

// together lets members reach each other in memory.
func together(net *peers.Net) func(*server.NodeConfig) {
	return func(c *server.NodeConfig) {
		c.OpenTransport = func(id server.Identity) (replica.Transport, error) { return net.Member(id.Member), nil }
		c.Replica.TickInterval = 10 * time.Millisecond
	}
}

// wantClientError is wantError for what the official client has made of the answer.
func wantClientError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, rpctypes.Error(want)) {
		t.Errorf("error is %v, want %v", got, want)
	}
}

func TestMembersAreAddedPromotedAndRemoved(t *testing.T) {
	net := peers.NewNet()
	m, ctx := start(t, together(net)), within(t)
	two := []string{"http://127.0.0.1:22"}
	added, err := m.client.MemberAddAsLearner(ctx, two)
	must(t, err)
	id := added.Member.ID
	_, err = m.client.MemberAddAsLearner(ctx, []string{"http://127.0.0.1:23"})
	wantClientError(t, err, rpctypes.ErrGRPCTooManyLearners)
	_, err = m.client.MemberAdd(ctx, append([]string{"http://127.0.0.1:21"}, two...))
	wantClientError(t, err, rpctypes.ErrGRPCPeerURLExist)
	_, err = m.client.MemberPromote(ctx, id)
	wantClientError(t, err, rpctypes.ErrGRPCLearnerNotReady)

	members, _ := m.node.State.Members()
	other := launch(t, func(c *server.NodeConfig) {
		together(net)(c)
		c.Name, c.PeerURLs, c.Cluster = "two", two, nil
		c.Join = func(context.Context) (*server.Joining, error) {
			return &server.Joining{Cluster: added.Header.ClusterId, Members: members}, nil
		}
	})
	for {
		_, err = m.client.MemberPromote(ctx, id)
		if err == nil {
			break
		}
		wantClientError(t, err, rpctypes.ErrGRPCLearnerNotReady)
		// A learner that has caught up serves what asks nobody else.
		_, err := other.kv.Range(ctx, &pb.RangeRequest{Key: b("a"), Serializable: true})
		must(t, err)
	}
	_, err = m.client.MemberPromote(ctx, id)
	wantClientError(t, err, rpctypes.ErrGRPCMemberNotLearner)
	_, err = pb.NewClusterClient(m.client.ActiveConnection()).MemberUpdate(ctx, &pb.MemberUpdateRequest{ID: id, PeerURLs: []string{"nonsense"}})
	wantError(t, err, rpctypes.ErrGRPCMemberBadURLs)
	_, err = other.kv.Put(ctx, &pb.PutRequest{Key: b("a")})
	must(t, err)

	// A third voter that never starts leaves a quorum; with a fourth there would be none.
	_, err = m.client.MemberAdd(ctx, []string{"http://127.0.0.1:24"})
	must(t, err)
	_, err = m.client.MemberAdd(ctx, []string{"http://127.0.0.1:25"})
	wantClientError(t, err, rpctypes.ErrMemberNotEnoughStarted)
	_, err = m.client.MemberRemove(ctx, id)
	wantClientError(t, err, rpctypes.ErrMemberNotEnoughStarted)
	list, err := m.client.MemberList(ctx)
	must(t, err)
	if len(list.Members) != 3 {
		t.Errorf("%v", list.Members)
	}
	_, err = m.client.MemberRemove(ctx, 12345)
	wantClientError(t, err, rpctypes.ErrGRPCMemberNotFound)
}
