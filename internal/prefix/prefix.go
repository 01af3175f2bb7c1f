// Package prefix looks at how keys begin: what two of them share, and their first bytes as a number.
// Sorted containers compare these before they touch the keys.
package prefix

import (
	"encoding/binary"
	"math/bits"
)

// Len is the number of bytes that both a and b begin with.
func Len(a, b []byte) int {
	n, i := min(len(a), len(b)), 0
	for ; i+8 <= n; i += 8 {
		if d := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// Head is the number that the first eight bytes of key make, with zeros behind its end. Keys whose
// heads differ are in the order of these.
func Head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
