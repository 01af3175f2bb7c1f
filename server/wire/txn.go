package wire

import "github.com/etalon-kv/etalon/apply"

// Txn is a TxnRequest.
type Txn struct {
	apply.Txn
	// Serializable: all operations are ranges whose answers may be those of a member which is
	// behind.
	Serializable bool
}

// Decode reads t, whose slices alias b. An operation without a request has no field that is not
// nil.
func (t *Txn) Decode(b []byte) error {
	t.Serializable = true
	return decodeTxn(b, &t.Txn, &t.Serializable, maxDepth)
}

func decodeTxn(b []byte, t *apply.Txn, serializable *bool, depth int) error {
	if depth--; depth < 0 {
		return malformed("nested too deeply")
	}
	for len(b) > 0 {
		f, n, err := next(b)
		if err != nil {
			return err
		}
		b = b[n:]
		switch f.num {
		case -1:
			t.Compares = append(t.Compares, apply.Compare{})
			err = decodeCompare(f.bytes, &t.Compares[len(t.Compares)-1], depth)
		case -2:
			t.Success, err = decodeOp(f.bytes, t.Success, serializable, depth)
		case -3:
			t.Failure, err = decodeOp(f.bytes, t.Failure, serializable, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unionOf is the field of a Compare's target_union that belongs to each target.
var unionOf = [...]int32{
	apply.CompareVersion: 4, apply.CompareCreate: 5, apply.CompareMod: 6, apply.CompareValue: -7, apply.CompareLease: 8,
}

// decodeCompare reads a Compare. Where the value is not of the kind that the target asks for, it
// is as if there were none.
func decodeCompare(b []byte, c *apply.Compare, depth int) error {
	if depth <= 0 {
		return malformed("nested too deeply")
	}
	var union field
	for len(b) > 0 {
		f, n, err := next(b)
		if err != nil {
			return err
		}
		b = b[n:]
		switch f.num {
		case 1:
			c.Result = apply.CompareResult(f.enum())
		case 2:
			c.Target = apply.CompareTarget(f.enum())
		case -3:
			c.Key = f.bytes
		case 4, 5, 6, -7, 8:
			union = f
		case -64:
			c.End = f.bytes
		}
	}
	if c.Target <= apply.CompareLease && unionOf[c.Target] == union.num {
		c.Value, c.Number = union.bytes, union.int()
	}
	settle(c)
	return nil
}

// settle replaces a compare with numbers that nobody knows by one that has the outcome etcd gives
// it: an unknown target is equal to everything, an unknown result always holds, except for the
// value of a key that does not exist.
func settle(c *apply.Compare) {
	if c.Target <= apply.CompareLease && c.Result <= apply.NotEqual {
		return
	}
	least := int64(-1) // every version is above, and that of a key which does not exist
	switch {
	case c.Target == apply.CompareValue:
		least = 0
	case c.Target > apply.CompareLease && (c.Result == apply.Greater || c.Result == apply.Less || c.Result == apply.NotEqual):
		least = 1<<63 - 1
	}
	*c = apply.Compare{Key: c.Key, End: c.End, Target: apply.CompareVersion, Result: apply.Greater, Number: least}
}

// decodeOp reads a RequestOp and appends it to ops. It has one request: of several the last
// counts, and one that comes again adds to itself. serializable is set to false unless it is a
// serializable range.
func decodeOp(b []byte, ops []apply.Op, serializable *bool, depth int) ([]apply.Op, error) {
	if depth--; depth < 0 {
		return nil, malformed("nested too deeply")
	}
	ops = append(ops, apply.Op{})
	o, local, ignored := &ops[len(ops)-1], false, false
	for len(b) > 0 {
		f, n, err := next(b)
		if err != nil {
			return nil, err
		}
		b = b[n:]
		switch f.num {
		case -1:
			if o.Range == nil {
				*o, local = apply.Op{Range: new(apply.Range)}, false
			}
			err = decodeRange(f.bytes, o.Range, &local)
		case -2:
			if o.Put == nil {
				*o = apply.Op{Put: new(apply.Put)}
			}
			err = DecodePut(f.bytes, o.Put)
		case -3:
			if o.Delete == nil {
				*o = apply.Op{Delete: new(apply.DeleteRange)}
			}
			err = DecodeDelete(f.bytes, o.Delete)
		case -4:
			if o.Txn == nil {
				*o = apply.Op{Txn: new(apply.Txn)}
			}
			err = decodeTxn(f.bytes, o.Txn, &ignored, depth)
		}
		if err != nil {
			return nil, err
		}
	}
	*serializable = *serializable && local && o.Range != nil
	return ops, nil
}
