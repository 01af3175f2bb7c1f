package wal

import (
	"encoding/binary"
	"math/bits"
	"testing"
)

func TestAStampThatIsTornIsNeverOneBitWrong(t *testing.T) {
	seen := map[uint32]bool{0: true} // of a file that was never written
	var old []uint32
	for seq := range uint64(1 << 16) {
		s := stamp(seq + 1)
		if seen[s] {
			t.Fatalf("the stamp %08x of segment %d is that of another, or of none", s, seq+1)
		}
		seen[s] = true
		if seq%512 == 0 {
			old = append(old, s)
		}
	}
	old = append(old, 0)
	for _, before := range old {
		for _, after := range old {
			var b, a [4]byte
			binary.LittleEndian.PutUint32(b[:], before)
			binary.LittleEndian.PutUint32(a[:], after)
			for n := range 5 {
				copy(b[:n], a[:n])
				if wrong := bits.OnesCount32(binary.LittleEndian.Uint32(b[:]) ^ after); wrong == 1 {
					t.Fatalf("%08x over %08x, stopped after %d bytes: one bit wrong", after, before, n)
				}
			}
		}
	}
}
