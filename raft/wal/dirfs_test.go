package wal

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Zeros that are written ahead never lie over what was written before, nor beyond the file.
func TestWritingAhead(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	fs, err := Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const size = 3*aheadBytes + 4096
	f, err := fs.Create("x", size)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := make([]byte, size)
	for at := int64(0); at < size; {
		b := make([]byte, min(1+r.Int64N(100_000), size-at))
		for i := range b {
			b[i] = byte(r.Uint32()) | 1
		}
		copy(want[at:], b)
		if n, err := f.WriteAt(b, at); n != len(b) || err != nil {
			t.Fatalf("WriteAt of %d bytes at %d: %d, %v", len(b), at, n, err)
		}
		at += r.Int64N(int64(len(b))) + 1 // the next one overlaps, like a sector that is written again
		if r.IntN(10) == 0 {
			at += r.Int64N(20_000) // or leaves a hole
		}
	}
	got := make([]byte, size)
	if _, err := f.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the file does not hold what was written")
	}
	if n, err := f.Size(); n != size || err != nil {
		t.Errorf("the file has %d bytes, %v", n, err)
	}
}
