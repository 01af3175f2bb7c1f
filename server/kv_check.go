package server

import (
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etalon-kv/etalon/apply"
)

// What needs no state is refused before it costs anything: by the Check methods of apply, which come in
// etcd's order, so that the first one that fails is the answer.

// checkPut refuses a put that is wrong in itself, or that some member's engine cannot store: apply
// would refuse it, after it had gone through the log.
func (s *Server) checkPut(p *apply.Put) error {
	if err := p.Check(); err != nil {
		return err
	}
	if int64(len(p.Key)+len(p.Value)) > s.maxWrite.Load() {
		return rpctypes.ErrGRPCRequestTooLarge
	}
	return nil
}

// checkTxn is likewise for transactions.
func (s *Server) checkTxn(t *apply.Txn) error {
	if err := t.Check(s.config.MaxTxnOps); err != nil {
		return err
	}
	if !s.fits(t) {
		return rpctypes.ErrGRPCRequestTooLarge
	}
	return nil
}

func (s *Server) fits(t *apply.Txn) bool {
	for _, ops := range [...][]apply.Op{t.Success, t.Failure} {
		for i := range ops {
			if p := ops[i].Put; p != nil && int64(len(p.Key)+len(p.Value)) > s.maxWrite.Load() {
				return false
			}
			if n := ops[i].Txn; n != nil && !s.fits(n) {
				return false
			}
		}
	}
	return true
}
