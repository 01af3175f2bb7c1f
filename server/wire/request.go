package wire

import "github.com/etalon-kv/etalon/apply"

// Range is a RangeRequest.
type Range struct {
	apply.Range
	// Serializable: the answer may be that of a member which is behind.
	Serializable bool
}

// Decode reads r, whose slices alias b.
func (r *Range) Decode(b []byte) error { return decodeRange(b, &r.Range, &r.Serializable) }

func decodeRange(b []byte, r *apply.Range, serializable *bool) error {
	for len(b) > 0 {
		f, n, err := next(b)
		if err != nil {
			return err
		}
		b = b[n:]
		switch f.num {
		case -1:
			r.Key = f.bytes
		case -2:
			r.End = f.bytes
		case 3:
			r.Limit = f.int()
		case 4:
			r.Rev = f.int()
		case 5:
			r.Order = apply.SortOrder(f.enum())
		case 6:
			r.Target = apply.SortTarget(f.enum())
		case 7:
			*serializable = f.bool()
		case 8:
			r.KeysOnly = f.bool()
		case 9:
			r.CountOnly = f.bool()
		case 10:
			r.MinMod = f.int()
		case 11:
			r.MaxMod = f.int()
		case 12:
			r.MinCreate = f.int()
		case 13:
			r.MaxCreate = f.int()
		}
	}
	return nil
}

// DecodePut reads a PutRequest into p, whose slices alias b.
func DecodePut(b []byte, p *apply.Put) error {
	for len(b) > 0 {
		f, n, err := next(b)
		if err != nil {
			return err
		}
		b = b[n:]
		switch f.num {
		case -1:
			p.Key = f.bytes
		case -2:
			p.Value = f.bytes
		case 3:
			p.Lease = apply.LeaseID(f.int())
		case 4:
			p.PrevKV = f.bool()
		case 5:
			p.IgnoreValue = f.bool()
		case 6:
			p.IgnoreLease = f.bool()
		}
	}
	return nil
}

// DecodeDelete reads a DeleteRangeRequest into d, whose slices alias b.
func DecodeDelete(b []byte, d *apply.DeleteRange) error {
	for len(b) > 0 {
		f, n, err := next(b)
		if err != nil {
			return err
		}
		b = b[n:]
		switch f.num {
		case -1:
			d.Key = f.bytes
		case -2:
			d.End = f.bytes
		case 3:
			d.PrevKV = f.bool()
		}
	}
	return nil
}
