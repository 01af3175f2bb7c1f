package bench

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// Stamp says who wrote a value: the worker in the upper 20 bits, its own count of values below. No
// two writes of a run have one stamp.
type Stamp uint64

// loader is the worker number in the stamps of loaded records; their count is the record's number.
const (
	stampBits = 44
	loader    = 1<<20 - 1
)

// MakeStamp returns the stamp of a worker's n-th value.
func MakeStamp(worker int, n uint64) Stamp {
	return Stamp(uint64(worker)<<stampBits | n&(1<<stampBits-1))
}

func (s Stamp) worker() int   { return int(s >> stampBits) }
func (s Stamp) count() uint64 { return uint64(s) & (1<<stampBits - 1) }

// String names the writer.
func (s Stamp) String() string {
	worker, n := s.worker(), s.count()
	if worker == loader {
		return fmt.Sprintf("load %d", n)
	}
	return fmt.Sprintf("write %d of worker %d", n, worker)
}

// CertifiedBytes is the length from which a value proves what it is: 8 bytes of stamp and at least
// 4 that must fit it. A shorter value holds what there is room for, and is checked for its length
// and, from 8 bytes on, its stamp alone.
const CertifiedBytes = 12

// Values makes values that certify themselves. Size and content follow from the seed, the number of
// the record and the stamp, and the stamp stands (scrambled) in the first 8 bytes: so any value
// that is read can be checked without knowing who wrote it, a value under the wrong key, a torn,
// truncated or altered one, and one from another seed is found, and every value is different.
//
// Of each value the share Ratio is incompressible, the rest zeros: a compressor brings a value to
// about Ratio of its size. The incompressible part is the xor of two windows of two random pools,
// 2^32 combinations, which costs a fraction of generating random bytes; no two values share a run
// that a compressor could refer back to. Safe for concurrent use.
type Values struct {
	seed   uint64
	sizes  Sizes
	ratio  float64
	pools  [2][]byte
	window int // longest piece taken from the pools at once
}

// poolStarts is how many places a window may start at; the pools stay in the second-level cache.
const (
	poolStarts = 1 << 16
	poolWindow = 1 << 14
)

// NewValues makes values of the given sizes, of which a compressor leaves ratio, in (0, 1].
func NewValues(seed uint64, sizes Sizes, ratio float64) (*Values, error) {
	if !(ratio > 0 && ratio <= 1) {
		return nil, fmt.Errorf("bench: compressibility %v, accepted: above 0 (all zeros) up to 1 (incompressible)", ratio)
	}
	v := &Values{seed: mix(seed), sizes: sizes, ratio: ratio, window: min(poolWindow, max(sizes.Max(), 8))}
	source := rand.New(rand.NewPCG(seed, 0x76616c756573))
	for i := range v.pools {
		pool := make([]byte, (poolStarts+v.window+7)&^7)
		for j := 0; j < len(pool); j += 8 {
			binary.LittleEndian.PutUint64(pool[j:], source.Uint64())
		}
		v.pools[i] = pool
	}
	return v, nil
}

// Size is the length of the value that stamp writes to record index.
func (v *Values) Size(index uint64, stamp Stamp) int {
	if v.sizes.lo == v.sizes.hi {
		return v.sizes.lo
	}
	return v.sizes.At(mix(v.identity(index, stamp)))
}

// identity is what the content of a value follows from.
func (v *Values) identity(index uint64, stamp Stamp) uint64 {
	return mix(index^v.seed) + bits.RotateLeft64(mix(uint64(stamp)), 32)
}

// Append appends the value that stamp writes to record index.
func (v *Values) Append(dst []byte, index uint64, stamp Stamp) []byte {
	id := v.identity(index, stamp)
	size := v.sizes.lo
	if v.sizes.lo != v.sizes.hi {
		size = v.sizes.At(mix(id))
	}
	at := len(dst)
	if cap(dst)-at < size {
		dst = append(dst, make([]byte, size)...)
	}
	dst = dst[:at+size]
	v.fill(dst[at:], id)
	head := mix(uint64(stamp) ^ v.seed)
	if size >= 8 {
		binary.LittleEndian.PutUint64(dst[at:], head)
	} else {
		for i := range size {
			dst[at+i] = byte(head >> (8 * i))
		}
	}
	return dst
}

// fill writes the content of a value, stamp excepted.
func (v *Values) fill(value []byte, id uint64) {
	random := min(len(value), max(int(math.Round(v.ratio*float64(len(value)))), min(CertifiedBytes, len(value))))
	clear(value[random:])
	for at := 0; at < random; at += v.window {
		piece := value[at:min(at+v.window, random)]
		a, b := id%poolStarts, id>>16%poolStarts
		n := uint64(len(piece))
		subtle.XORBytes(piece, v.pools[0][a:a+n], v.pools[1][b:b+n])
		id = mix(id)
	}
}

// Stamp reads who wrote value; ok is false if it is too short to tell.
func (v *Values) Stamp(value []byte) (s Stamp, ok bool) {
	if len(value) < 8 {
		return 0, false
	}
	return Stamp(unmix(binary.LittleEndian.Uint64(value)) ^ v.seed), true
}

// Check returns nil if value is one that somebody wrote to record index, and says what is wrong
// otherwise. It uses scratch, which it returns for the next call.
func (v *Values) Check(scratch []byte, index uint64, value []byte) ([]byte, error) {
	stamp, ok := v.Stamp(value)
	if !ok {
		if len(value) < v.sizes.lo || len(value) > v.sizes.hi {
			return scratch, fmt.Errorf("value of %d bytes, want %d to %d", len(value), v.sizes.lo, v.sizes.hi)
		}
		return scratch, nil
	}
	if size := v.Size(index, stamp); size != len(value) {
		return scratch, fmt.Errorf("value of %d bytes, want %d if it is from %v", len(value), size, stamp)
	}
	scratch = v.Append(scratch[:0], index, stamp)
	if bytes.Equal(scratch, value) {
		return scratch, nil
	}
	at := 0
	for scratch[at] == value[at] {
		at++
	}
	return scratch, fmt.Errorf("value of %d bytes differs at byte %d from what %v wrote: got %x, want %x",
		len(value), at, stamp, excerpt(value, at), excerpt(scratch, at))
}

func excerpt(b []byte, at int) []byte { return b[at:min(at+8, len(b))] }
