package server

import (
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etalon-kv/etalon/apply"
)

// What needs no state is refused before it costs anything: by the Check methods of apply, which come in
// etcd's order, so that the first one that fails is the answer.

// checkPut refuses a put that is wrong in itself, or that the engine cannot store: that would stop the
// member.
func (s *Server) checkPut(p *apply.Put) error {
	if err := p.Check(); err != nil {
		return err
	}
	if len(p.Key)+len(p.Value) > s.maxWrite {
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
			if p := ops[i].Put; p != nil && len(p.Key)+len(p.Value) > s.maxWrite {
				return false
			}
			if n := ops[i].Txn; n != nil && !s.fits(n) {
				return false
			}
		}
	}
	return true
}
