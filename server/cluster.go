package server

import (
	"context"
	"crypto/sha1"
	"encoding/binary"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
)

// clusterServer is etcd's Cluster service. Its headers tell no revision.
type clusterServer struct {
	pb.UnsafeClusterServer
	s *Server
}

// MemberID is the id that etcd gives a member: of its peer URLs, the cluster's token and, for one
// that joins a cluster which runs, the time in seconds since 1970; 0 for a founding member.
func MemberID(peerURLs []string, token string, unix int64) uint64 {
	urls := slices.Sorted(slices.Values(peerURLs))
	text := strings.Join(urls, "") + token
	if unix != 0 {
		text += strconv.FormatInt(unix, 10)
	}
	sum := sha1.Sum([]byte(text))
	return binary.BigEndian.Uint64(sum[:])
}

// ClusterID is the id that etcd gives a cluster, of its founding members.
func ClusterID(members []uint64) uint64 {
	var b []byte
	for _, id := range slices.Sorted(slices.Values(members)) {
		b = binary.BigEndian.AppendUint64(b, id)
	}
	sum := sha1.Sum(b)
	return binary.BigEndian.Uint64(sum[:])
}

// parsePeerURLs returns urls in order, or the error that etcd gives for them.
func parsePeerURLs(urls []string) ([]string, error) {
	if len(urls) == 0 {
		return nil, rpctypes.ErrGRPCMemberBadURLs
	}
	parsed := make([]string, 0, len(urls))
	for _, text := range urls {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			return nil, rpctypes.ErrGRPCMemberBadURLs
		}
		switch u.Scheme {
		case "http", "https":
			if _, _, err := net.SplitHostPort(u.Host); err != nil || u.Path != "" {
				return nil, rpctypes.ErrGRPCMemberBadURLs
			}
		case "unix", "unixs":
		default:
			return nil, rpctypes.ErrGRPCMemberBadURLs
		}
		parsed = append(parsed, u.String())
	}
	slices.Sort(parsed)
	return parsed, nil
}

// MemberList lists the members, as of now if that is asked for.
func (c *clusterServer) MemberList(ctx context.Context, r *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	if r.Linearizable {
		if err := c.s.replica.ReadIndex(ctx); err != nil {
			return nil, err
		}
	}
	members, _ := c.s.state.Members()
	return &pb.MemberListResponse{Header: c.s.pbHeader(0), Members: pbMembers(members)}, nil
}

// MemberAdd adds a member.
func (c *clusterServer) MemberAdd(ctx context.Context, r *pb.MemberAddRequest) (*pb.MemberAddResponse, error) {
	urls, err := parsePeerURLs(r.PeerURLs)
	if err != nil {
		return nil, err
	}
	m := apply.Member{ID: MemberID(urls, "", c.s.config.Now().Unix()), PeerURLs: urls, Learner: r.IsLearner}
	t := raft.AddVoter
	if m.Learner {
		t = raft.AddLearner
	}
	members, err := c.change(ctx, t, apply.MemberChange{Member: m, MaxLearners: uint64(c.s.config.MaxLearners)})
	if err != nil {
		return nil, err
	}
	return &pb.MemberAddResponse{Header: c.s.pbHeader(0), Member: pbMember(m), Members: pbMembers(members)}, nil
}

// MemberRemove removes a member, for good.
func (c *clusterServer) MemberRemove(ctx context.Context, r *pb.MemberRemoveRequest) (*pb.MemberRemoveResponse, error) {
	members, err := c.change(ctx, raft.RemoveNode, apply.MemberChange{Member: apply.Member{ID: r.ID}})
	if err != nil {
		return nil, err
	}
	return &pb.MemberRemoveResponse{Header: c.s.pbHeader(0), Members: pbMembers(members)}, nil
}

// MemberPromote makes a learner a voter.
func (c *clusterServer) MemberPromote(ctx context.Context, r *pb.MemberPromoteRequest) (*pb.MemberPromoteResponse, error) {
	members, err := c.change(ctx, raft.AddVoter, apply.MemberChange{Member: apply.Member{ID: r.ID}, Promote: true})
	if err != nil {
		return nil, err
	}
	return &pb.MemberPromoteResponse{Header: c.s.pbHeader(0), Members: pbMembers(members)}, nil
}

// MemberUpdate changes a member's peer URLs.
func (c *clusterServer) MemberUpdate(ctx context.Context, r *pb.MemberUpdateRequest) (*pb.MemberUpdateResponse, error) {
	urls, err := parsePeerURLs(r.PeerURLs)
	if err != nil {
		return nil, err
	}
	cmd := &apply.SetMember{Fields: apply.MemberPeerURLs, Member: apply.Member{ID: r.ID, PeerURLs: urls}}
	res, err := propose[*apply.MembersResult](ctx, c.s, cmd, 0)
	if err != nil {
		return nil, err
	}
	if res.Err != nil {
		return nil, res.Err
	}
	return &pb.MemberUpdateResponse{Header: c.s.pbHeader(0), Members: pbMembers(res.Members)}, nil
}

// change carries out a change of one member and returns the members after it.
func (c *clusterServer) change(ctx context.Context, t raft.ChangeType, m apply.MemberChange) ([]apply.Member, error) {
	members, _ := c.s.state.Members()
	if !c.s.config.Loose && !enoughStarted(members, t, m) {
		return nil, replica.ErrNotEnoughStarted
	}
	if t != raft.RemoveNode && !m.Promote && slices.ContainsFunc(members, func(o apply.Member) bool { return o.ID == m.Member.ID }) {
		return nil, apply.ErrMemberExists // the same URLs in the same second; the core would take it for a promotion
	}
	ctx, cancel := context.WithTimeout(ctx, c.s.config.requestTimeout())
	defer cancel()
	v, err := c.s.replica.ChangeMembers(ctx, memberChange(t, m))
	if err != nil {
		return nil, err
	}
	res, ok := v.(*apply.MembersResult)
	if !ok {
		return nil, errUnexpected
	}
	return res.Members, res.Err
}

// enoughStarted tells whether, of the voters that there are after a change, those that have ever
// started are a quorum: they have a name. A cluster of one may grow; a learner counts for nothing
// before its promotion, and then as started.
func enoughStarted(members []apply.Member, t raft.ChangeType, c apply.MemberChange) bool {
	voters, started := 0, 0
	for _, m := range members {
		if m.ID == c.Member.ID && (m.Learner && !c.Promote) {
			return true
		}
		if m.Learner || t == raft.RemoveNode && m.ID == c.Member.ID {
			continue
		}
		voters++
		if m.Name != "" {
			started++
		}
	}
	switch {
	case t == raft.AddLearner:
		return true
	case c.Promote:
		voters, started = voters+1, started+1
	case t == raft.AddVoter:
		if voters++; started == 1 && voters == 2 {
			return true
		}
	}
	return started >= voters/2+1
}

func pbMembers(members []apply.Member) []*pb.Member {
	list := make([]*pb.Member, len(members))
	for i, m := range members {
		list[i] = pbMember(m)
	}
	return list
}

func pbMember(m apply.Member) *pb.Member {
	return &pb.Member{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, IsLearner: m.Learner}
}
