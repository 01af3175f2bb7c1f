package server

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etalon-kv/etalon/apply"
)

// compact carries out a Compact. A physical one returns when nothing is left of what it removes.
func (s *Server) compact(ctx context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	res, err := propose[*apply.Done](ctx, s, &apply.Compact{Rev: r.Revision}, 0)
	if err != nil {
		return nil, err
	}
	if res.Err != nil {
		return nil, res.Err
	}
	if r.Physical {
		if err := s.state.WaitCompacted(ctx, r.Revision); err != nil {
			return nil, err
		}
	}
	return &pb.CompactionResponse{Header: s.pbHeader(s.state.Rev())}, nil
}

// checkQuota tells whether cost more bytes can be stored. If not, all members are told so: an alarm
// goes through the log, and refuses writes everywhere until it is cleared.
func (s *Server) checkQuota(cost int64) error {
	if !s.overQuota(cost) {
		return nil
	}
	return s.refuseForSpace()
}

// refuseForSpace is the answer to what exceeds the quota.
func (s *Server) refuseForSpace() error {
	if s.alarming.CompareAndSwap(false, true) { // one is enough
		defer s.alarming.Store(false)
		if len(s.state.Alarms(apply.AlarmNoSpace)) == 0 {
			s.raise(apply.AlarmNoSpace)
		}
	}
	return rpctypes.ErrGRPCNoSpace
}

func (s *Server) overQuota(cost int64) bool {
	return cost != 0 && s.config.QuotaBytes > 0 && s.sizeBytes.Load()+cost >= s.config.QuotaBytes
}
