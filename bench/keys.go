package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// MinKeyBytes is the shortest key a Keys can make, MaxKeyBytes the longest a Spec asks for: the
// longest that every engine takes.
const (
	MinKeyBytes = 8
	MaxKeyBytes = 32 << 10
)

// Keys writes the number of a record as a key of fixed width. Numbers map to keys one to one, and
// bytes.Compare orders keys as the numbers written in them. The form depends on the width:
//
//	24 and more   "user", zeros, 20 decimal digits: YCSB's keys, padded to one width
//	16 to 23      zeros, 16 hexadecimal digits
//	8 to 15       zero bytes, 8 bytes big-endian
//
// Ordered keys hold the record's number, so that inserts arrive in key order. Hashed keys hold a
// bijective hash of it, so that inserts are spread over the whole key range, as in YCSB (whose hash
// may give two records one key; this one cannot).
type Keys struct {
	width  int
	hashed bool
}

// NewKeys makes keys of width bytes, MinKeyBytes at least.
func NewKeys(width int, hashed bool) (Keys, error) {
	if width < MinKeyBytes {
		return Keys{}, fmt.Errorf("bench: key of %d bytes, accepted: %d or more", width, MinKeyBytes)
	}
	return Keys{width: width, hashed: hashed}, nil
}

// Append appends the key of record i to dst.
func (k Keys) Append(dst []byte, i uint64) []byte {
	if k.hashed {
		i = mix(i)
	}
	at := len(dst)
	switch {
	case k.width >= 24:
		dst = append(dst, "user"...)
		dst = appendZeros(dst, k.width-24, '0')
		return appendDecimal(dst, i)
	case k.width >= 16:
		dst = appendZeros(dst, k.width, '0')
		for j := len(dst) - 1; i > 0; j-- {
			dst[j] = "0123456789abcdef"[i&15]
			i >>= 4
		}
		return dst
	default:
		dst = appendZeros(dst, k.width, 0)
		binary.BigEndian.PutUint64(dst[at+k.width-8:], i)
		return dst
	}
}

// Index is the number of the record that key is of; false if it is no key of k.
func (k Keys) Index(key []byte) (uint64, bool) {
	if len(key) != k.width {
		return 0, false
	}
	var i uint64
	switch digits := key[max(k.width-20, 0):]; {
	case k.width >= 24:
		for _, c := range digits {
			i = i*10 + uint64(c-'0')
		}
	case k.width >= 16:
		for _, c := range key[k.width-16:] {
			i = i<<4 | uint64(strings.IndexByte("0123456789abcdef", c))
		}
	default:
		i = binary.BigEndian.Uint64(key[k.width-8:])
	}
	if k.hashed {
		i = unmix(i)
	}
	return i, bytes.Equal(k.Append(nil, i), key)
}

func appendZeros(dst []byte, n int, zero byte) []byte {
	for range n {
		dst = append(dst, zero)
	}
	return dst
}

// pairsOfDigits is 00 to 99.
const pairsOfDigits = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// appendDecimal appends i with leading zeros to the 20 digits that any uint64 has room in.
func appendDecimal(dst []byte, i uint64) []byte {
	var d [20]byte
	high, low := i/1e10, i%1e10 // two chains of divisions that run side by side
	for j := 8; j >= 0; j -= 2 {
		h, l := high%100*2, low%100*2
		d[j], d[j+1] = pairsOfDigits[h], pairsOfDigits[h+1]
		d[j+10], d[j+11] = pairsOfDigits[l], pairsOfDigits[l+1]
		high /= 100
		low /= 100
	}
	return append(dst, d[:]...)
}

// mix is the finaliser of splitmix64 (Steele et al., OOPSLA 2014), a bijection of 64 bits whose
// result looks random.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unmix is the inverse of mix.
func unmix(x uint64) uint64 {
	x = (x ^ x>>31 ^ x>>62) * 0x319642b2d24d8ec3
	x = (x ^ x>>27 ^ x>>54) * 0x96de1b173f119089
	x = x ^ x>>30 ^ x>>60
	return x - 0x9e3779b97f4a7c15
}

// scale maps random bits onto [0, n) evenly, to within n/2^64.
func scale(u, n uint64) uint64 {
	hi, _ := bits.Mul64(u, n)
	return hi
}
