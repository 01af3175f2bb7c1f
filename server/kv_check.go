package server

import (
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etalon-kv/etalon/apply"
)

// The checks of this file need no state, are those of etcd, and come in its order: the first one
// that fails is the answer.

func checkRange(r *apply.Range) error {
	switch {
	case len(r.Key) == 0:
		return rpctypes.ErrGRPCEmptyKey
	case r.Order > apply.SortDescend, r.Target > apply.SortByValue:
		return rpctypes.ErrGRPCInvalidSortOption
	}
	return nil
}

func checkPut(p *apply.Put) error {
	switch {
	case len(p.Key) == 0:
		return rpctypes.ErrGRPCEmptyKey
	case p.IgnoreValue && len(p.Value) != 0:
		return rpctypes.ErrGRPCValueProvided
	case p.IgnoreLease && p.Lease != 0:
		return rpctypes.ErrGRPCLeaseProvided
	}
	return nil
}

func checkDelete(d *apply.DeleteRange) error {
	if len(d.Key) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	return nil
}

// checkPut is the function of that name, and refuses what the engine cannot store: that would stop
// the member.
func (s *Server) checkPut(p *apply.Put) error {
	if err := checkPut(p); err != nil {
		return err
	}
	if len(p.Key)+len(p.Value) > s.maxWrite {
		return rpctypes.ErrGRPCRequestTooLarge
	}
	return nil
}

// checkTxn is likewise for the function of that name.
func (s *Server) checkTxn(t *apply.Txn) error {
	if err := checkTxn(t, s.config.MaxTxnOps); err != nil {
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

// checkTxn checks a transaction: at most maxOps compares and operations in each branch, where
// a nested transaction has what those around it have left; then the operations one by one, then
// that no key is written twice.
func checkTxn(t *apply.Txn, maxOps int) error {
	if err := checkOps(t, maxOps); err != nil {
		return err
	}
	if !checkOverlaps(t.Success) || !checkOverlaps(t.Failure) {
		return rpctypes.ErrGRPCDuplicateKey
	}
	return nil
}

func checkOps(t *apply.Txn, maxOps int) error {
	n := max(len(t.Compares), len(t.Success), len(t.Failure))
	if n > maxOps {
		return rpctypes.ErrGRPCTooManyOps
	}
	for i := range t.Compares {
		if len(t.Compares[i].Key) == 0 {
			return rpctypes.ErrGRPCEmptyKey
		}
	}
	for _, ops := range [...][]apply.Op{t.Success, t.Failure} {
		for i := range ops {
			if err := checkOp(&ops[i], maxOps-n); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkOp(o *apply.Op, maxOps int) error {
	switch {
	case o.Range != nil:
		return checkRange(o.Range)
	case o.Put != nil:
		return checkPut(o.Put)
	case o.Delete != nil:
		return checkDelete(o.Delete)
	case o.Txn != nil:
		return checkOps(o.Txn, maxOps)
	}
	return rpctypes.ErrGRPCKeyNotFound
}
