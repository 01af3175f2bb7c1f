package mvcctest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// act is one step of a transaction, or a read.
type act struct {
	kind   string
	lo, hi []byte
	value  []byte
	lease  int64
	rev    int64
	limit  int64
	flags  int // of a range: 1 keys only, 2 count only, 4 back
}

func (a act) String() string {
	return fmt.Sprintf("%s %q %q value %.20q lease %d rev %d limit %d flags %d", a.kind, a.lo, a.hi, a.value, a.lease, a.rev, a.limit, a.flags)
}

// subject is what a random history is driven through: a store or the twin. Answers are text.
type subject interface {
	// write carries out a transaction; the last act ends it.
	write(script []act) string
	read(a act) string
	compact(rev int64) string
	hash(rev int64) string
	history(from, to int64) string
}

// author invents a history. It needs to know the revisions to ask for interesting ones.
type author struct {
	*rand.Rand
	keys int
}

func (r author) key() []byte {
	n := r.IntN(r.keys)
	switch n % 7 {
	case 0:
		return []byte(strings.Repeat("\xff", 1+n/7))
	case 1:
		return append([]byte{0}, make([]byte, n/7)...)
	}
	return fmt.Appendf(nil, "key%0*d", 1+n%3, n)
}

func (r author) span() (lo, hi []byte) {
	if r.IntN(8) > 0 {
		lo = r.key()
	}
	if r.IntN(5) > 0 {
		hi = r.key()
	}
	return lo, hi
}

func (r author) query(rev int64) act {
	a := act{kind: "range", rev: rev, flags: r.IntN(8)}
	if r.IntN(3) == 0 {
		a.kind, a.lo = "get", r.key()
		return a
	}
	a.lo, a.hi = r.span()
	if r.IntN(2) == 0 {
		a.limit = r.Int64N(6) - r.Int64N(2)
	}
	return a
}

// script is a transaction.
func (r author) script() []act {
	var s []act
	for range 1 + r.IntN(1+r.IntN(10)) {
		switch n := r.IntN(20); {
		case n < 9:
			a := act{kind: "put", lo: r.key(), value: make([]byte, r.IntN(1+r.IntN(200)))}
			for i := range a.value {
				a.value[i] = byte(r.Uint32())
			}
			if r.IntN(4) == 0 {
				a.lease = int64(r.Uint64() >> 1)
			}
			s = append(s, a)
		case n < 13:
			s = append(s, act{kind: "delete", lo: r.key()})
		case n < 14:
			a := act{kind: "deleterange"}
			a.lo, a.hi = r.span()
			s = append(s, a)
		case n < 16:
			s = append(s, r.query(0))
		case n < 17:
			s = append(s, act{kind: "next"})
		case n < 18:
			s = append(s, act{kind: "setmeta", lo: r.key(), value: r.key()})
		case n < 19:
			s = append(s, act{kind: "deletemeta", lo: r.key()})
		default:
			s = append(s, act{kind: "meta", lo: r.key()})
		}
	}
	end := "commit"
	switch r.IntN(12) {
	case 0:
		end = "rollback"
	case 1:
		end = "sync"
	}
	return append(s, act{kind: end})
}

// rev is one worth asking for.
func (r author) rev(compacted, current int64) int64 {
	switch r.IntN(8) {
	case 0, 1:
		return 0
	case 2:
		return compacted
	case 3:
		return r.Int64N(current+4) - 2
	}
	lo := max(compacted, 1)
	return lo + r.Int64N(current-lo+1)
}
