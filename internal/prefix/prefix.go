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

// Fraction is where head lies between low and high, 0 at low or before it and 1 at high or behind it, if
// the keys are spread evenly. Heads of decimal digits are taken for the numbers that they show.
func Fraction(low, head, high uint64) float64 {
	if head <= low {
		return 0
	}
	if head >= high {
		return 1
	}
	if kind := digits(high); kind != 0 && kind == digits(head) && kind == digits(low) {
		low, head, high = decimal(low), decimal(head), decimal(high)
	}
	return float64(head-low) / float64(high-low)
}

// digits is 0 if a head has anything but decimal digits, which are 0x30 to 0x39, with zeros behind the
// end of its key; else it has 0x30 in the place of each.
func digits(head uint64) uint64 {
	const upper, three, two, six = 0xf0f0f0f0f0f0f0f0, 0x3030303030303030, 0x2020202020202020, 0x0606060606060606
	u := head & upper
	if u&^three != 0 || (u^u<<1)&two != 0 || (head+six)&upper != u { // above 9, six more carries
		return 0
	}
	return u
}

// decimal reads a head of digits; zeros behind the end of the key count like the digit 0.
func decimal(head uint64) uint64 {
	head &= 0x0f0f0f0f0f0f0f0f
	head = head>>8&0x00ff00ff00ff00ff*10 + head&0x00ff00ff00ff00ff
	head = head>>16&0x0000ffff0000ffff*100 + head&0x0000ffff0000ffff
	return head>>32*10000 + head&0x00000000ffffffff
}
