package engine

import "errors"

// Span is the part [From, To) of a slice. In an answer of GetMany, From is negative for a key that
// is not there.
type Span struct{ From, To int }

// Found tells whether the key of the span is there.
func (s Span) Found() bool { return s.From >= 0 }

// ManyGetter is a Snapshot that reads many keys for less than as many Gets cost: it shares the way
// to neighbouring keys, and waits for the memory or the device of all of them at once.
type ManyGetter interface {
	// GetMany appends the values of keys to dst, in an order of its own, and returns the extended
	// slice, which the caller owns. spans, as long as keys, is told where in it the value of each
	// key stands. Keys may come in any order and more than once; ascending is the cheapest. A key
	// that is missing is no error. After an error neither dst nor spans hold anything.
	GetMany(dst []byte, s Space, keys [][]byte, spans []Span) ([]byte, error)
}

// GetMany is that of sn, or as many Gets if it has none (Caps.GetMany).
func GetMany(sn Snapshot, dst []byte, s Space, keys [][]byte, spans []Span) ([]byte, error) {
	if m, ok := sn.(ManyGetter); ok {
		return m.GetMany(dst, s, keys, spans)
	}
	for i, key := range keys {
		from := len(dst)
		out, err := sn.Get(dst, s, key)
		switch {
		case err == nil:
			dst, spans[i] = out, Span{from, len(out)}
		case errors.Is(err, ErrNotFound):
			spans[i] = Span{From: -1}
		default:
			return dst, err
		}
	}
	return dst, nil
}
