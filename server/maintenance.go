package server

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/version"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
)

// maintenanceServer is etcd's Maintenance service. What it does not have is Unimplemented.
type maintenanceServer struct {
	pb.UnimplementedMaintenanceServer
	s *Server
}

// Version is the version of etcd whose API is served.
var Version = version.Version

// Status tells how the member is.
func (m *maintenanceServer) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	s := m.s
	st := s.replica.Status()
	stats, _, err := s.state.Stats()
	if err != nil {
		return nil, err
	}
	resp := &pb.StatusResponse{
		Header: s.pbHeader(s.state.Rev()), Version: Version, Leader: uint64(st.Leader), RaftIndex: uint64(st.Committed),
		RaftAppliedIndex: uint64(st.Applied), RaftTerm: uint64(st.Term), DbSize: storeBytes(stats), DbSizeInUse: stats.LiveBytes,
		IsLearner: s.learner.Load(), DbSizeQuota: max(s.config.QuotaBytes, 0), StorageVersion: storageVersion,
		DowngradeInfo: &pb.DowngradeInfo{},
	}
	if st.Leader == raft.None {
		resp.Errors = append(resp.Errors, "etcdserver: no leader")
	}
	for _, a := range s.state.Alarms(apply.AlarmNone) {
		resp.Errors = append(resp.Errors, pbAlarm(a).String())
	}
	return resp, nil
}

// storageVersion is what etcd of this version says of its files.
const storageVersion = "3.7.0"

func pbAlarm(a apply.AlarmMember) *pb.AlarmMember {
	return &pb.AlarmMember{MemberID: a.Member, Alarm: pb.AlarmType(a.Type)}
}

// Alarm lists, raises or clears alarms.
func (m *maintenanceServer) Alarm(ctx context.Context, r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	s := m.s
	resp := &pb.AlarmResponse{}
	var alarms []apply.AlarmMember
	switch r.Action {
	case pb.AlarmRequest_GET:
		if err := s.replica.ReadIndex(ctx); err != nil {
			return nil, err
		}
		alarms = s.state.Alarms(apply.AlarmType(r.Alarm))
	case pb.AlarmRequest_ACTIVATE, pb.AlarmRequest_DEACTIVATE:
		cmd := &apply.Alarm{Member: r.MemberID, Type: apply.AlarmType(r.Alarm), Clear: r.Action == pb.AlarmRequest_DEACTIVATE}
		res, err := propose[*apply.AlarmResult](ctx, s, cmd, 0)
		if err != nil {
			return nil, err
		}
		if res.Err != nil {
			return nil, res.Err
		}
		alarms = res.Alarms
	}
	for _, a := range alarms {
		resp.Alarms = append(resp.Alarms, pbAlarm(a))
	}
	resp.Header = s.pbHeader(s.state.Rev())
	return resp, nil
}

// raise raises an alarm of this member.
func (s *Server) raise(t apply.AlarmType) {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.requestTimeout())
	defer cancel()
	cmd := &apply.Alarm{Member: uint64(s.config.Member), Type: t}
	if _, err := propose[*apply.AlarmResult](ctx, s, cmd, 0); err != nil {
		s.config.Logger.Warn("raising an alarm", "type", t, "error", err)
	}
}

// hashOfNothing is etcd's hash of no records: CRC-32C of the name of their bucket, "key".
const hashOfNothing = 1084519789

// HashKV is the hash of the history up to a revision.
func (m *maintenanceServer) HashKV(ctx context.Context, r *pb.HashKVRequest) (*pb.HashKVResponse, error) {
	h := mvcc.KVHash{Hash: hashOfNothing, Rev: r.Revision, CompactRev: m.s.state.Compacted()}
	if r.Revision >= 0 { // no record is from before that
		var err error
		if h, err = m.s.state.HashKV(ctx, r.Revision); err != nil {
			return nil, err
		}
	}
	return &pb.HashKVResponse{Header: m.s.pbHeader(m.s.state.Rev()), Hash: h.Hash, CompactRevision: h.CompactRev, HashRevision: h.Rev}, nil
}

// Hash is HashKV of now: engines have no common form that could be hashed.
func (m *maintenanceServer) Hash(ctx context.Context, _ *pb.HashRequest) (*pb.HashResponse, error) {
	h, err := m.s.state.HashKV(ctx, 0)
	if err != nil {
		return nil, err
	}
	return &pb.HashResponse{Header: m.s.pbHeader(h.Rev), Hash: h.Hash}, nil
}

// MoveLeader hands leadership to another voter. It has no header, as with etcd.
func (m *maintenanceServer) MoveLeader(ctx context.Context, r *pb.MoveLeaderRequest) (*pb.MoveLeaderResponse, error) {
	if l, _ := m.s.replica.Leadership(); !l.Leads {
		return nil, replica.ErrNotLeader
	}
	if err := m.s.replica.TransferLeader(ctx, raft.NodeID(r.TargetID)); err != nil {
		return nil, err
	}
	return &pb.MoveLeaderResponse{}, nil
}
