package server

import (
	"context"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
)

// Differs raises the alarm CORRUPT, through the log, for a member whose history is not that of the
// majority; for member 0 where there is no majority. See replica.Config.Differs. Nothing can be written then
// until somebody has removed the member, or cleared the alarm. An alarm that cannot be raised now is
// raised after the next comparison.
func (s *Server) Differs(id raft.NodeID, rev uint64) {
	for _, a := range s.state.Alarms(apply.AlarmCorrupt) {
		if a.Member == uint64(id) {
			return
		}
	}
	s.config.Logger.Error("a member's history is not that of the others: raising CORRUPT", "member", uint64(id), "revision", rev)
	ctx, cancel := context.WithTimeout(context.Background(), s.config.requestTimeout())
	defer cancel()
	if _, err := propose[*apply.AlarmResult](ctx, s, &apply.Alarm{Member: uint64(id), Type: apply.AlarmCorrupt}, 0); err != nil {
		s.config.Logger.Warn("raising an alarm", "type", apply.AlarmCorrupt, "error", err)
	}
}
