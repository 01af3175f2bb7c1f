package logfile

import (
	"reflect"
	"testing"
)

// FuzzRecord: no bytes make the decoder panic, and what it accepts is what encode would write.
func FuzzRecord(f *testing.F) {
	whole := encode([]op{
		{kindSet, 1, []byte("key"), []byte("value")},
		{kindDelete, 255, []byte("key"), []byte{}},
		{kindRange, 0, []byte("a"), []byte{}},
		{kindRangeOpen, 7, []byte{}, []byte{}},
	}, 1<<40)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(whole[headerBytes:])
	f.Add(encode(nil, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, ok := decode(data); ok && headerBytes+len(r.payload) > len(data) {
			t.Fatalf("a payload of %d bytes out of %d", len(r.payload), len(data))
		}
		ops, err := decodeOps(data) // past the checksum, which a fuzzer does not guess
		if err != nil {
			return
		}
		r, ok := decode(encode(ops, 5))
		if !ok || r.synced != 5 {
			t.Fatalf("encoded anew: %+v, %v", r, ok)
		}
		if again, err := decodeOps(r.payload); err != nil || !reflect.DeepEqual(again, ops) {
			t.Fatalf("%v, %v; want %v", again, err, ops)
		}
	})
}
