package apply

// The checks of this file need no state, and come in etcd's order: the first one that fails is the
// answer. A server makes them before it proposes anything, and the machine makes them again: what an
// entry does must not depend on who proposed it.

// MaxTxnOps is the most compares and operations that a branch of a transaction can have with all
// that are nested in it, whatever servers allow.
const MaxTxnOps = 1 << 16

// Check refuses a Range that cannot be answered at any revision. Errors: ErrEmptyKey, ErrSortOption.
func (r *Range) Check() error {
	switch {
	case len(r.Key) == 0:
		return ErrEmptyKey
	case r.Order > SortDescend, r.Target > SortByValue:
		return ErrSortOption
	}
	return nil
}

// Check refuses a Put that cannot be done in any state. Errors: ErrEmptyKey, ErrValueProvided,
// ErrLeaseProvided.
func (p *Put) Check() error {
	switch {
	case len(p.Key) == 0:
		return ErrEmptyKey
	case p.IgnoreValue && len(p.Value) != 0:
		return ErrValueProvided
	case p.IgnoreLease && p.Lease != 0:
		return ErrLeaseProvided
	}
	return nil
}

// Check refuses a DeleteRange that cannot be done in any state. Error: ErrEmptyKey.
func (r *DeleteRange) Check() error {
	if len(r.Key) == 0 {
		return ErrEmptyKey
	}
	return nil
}

// Check refuses a Txn that cannot be done in any state: at most maxOps compares and operations in
// each branch, where a nested transaction has what those around it have left; then the operations
// one by one, then that no branch writes a key twice. Errors: ErrTooManyOps, ErrDuplicateKey,
// ErrKeyNotFound for an operation that is none, those of the operations' Check.
func (t *Txn) Check(maxOps int) error {
	if err := checkOps(t, maxOps); err != nil {
		return err
	}
	if !checkOverlaps(t.Success) || !checkOverlaps(t.Failure) {
		return ErrDuplicateKey
	}
	return nil
}

func checkOps(t *Txn, maxOps int) error {
	n := max(len(t.Compares), len(t.Success), len(t.Failure))
	if n > maxOps {
		return ErrTooManyOps
	}
	for i := range t.Compares {
		if len(t.Compares[i].Key) == 0 {
			return ErrEmptyKey
		}
	}
	for _, ops := range [...][]Op{t.Success, t.Failure} {
		for i := range ops {
			if err := ops[i].check(maxOps - n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *Op) check(maxOps int) error {
	switch {
	case o.Range != nil:
		return o.Range.Check()
	case o.Put != nil:
		return o.Put.Check()
	case o.Delete != nil:
		return o.Delete.Check()
	case o.Txn != nil:
		return checkOps(o.Txn, maxOps)
	}
	return ErrKeyNotFound
}
