package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// HashSize is the length of a Hash in bytes.
const HashSize = sha256.Size

// Hash returns the SHA-256 of the whole content of view: for every key of every space, in order
// of space and key, the space byte, the lengths of key and value as two little-endian uint64, the
// key and the value. Equal content gives an equal hash on any engine, different content a
// different one. It stops when ctx ends.
func Hash(ctx context.Context, view Snapshot) ([HashSize]byte, error) {
	sum := sha256.New()
	var buf []byte
	for s := range 256 {
		it := view.Scan(Space(s), nil, nil)
		n := 0
		for w := Walk(it, 0); w.Next(); {
			for _, p := range w.Run() {
				if n%1024 == 0 && ctx.Err() != nil {
					it.Close()
					return [HashSize]byte{}, ctx.Err()
				}
				n++
				buf = append(buf[:0], byte(s))
				buf = binary.LittleEndian.AppendUint64(buf, uint64(len(p.Key)))
				buf = binary.LittleEndian.AppendUint64(buf, uint64(len(p.Value)))
				sum.Write(append(buf, p.Key...))
				sum.Write(p.Value)
			}
		}
		if err := it.Close(); err != nil {
			return [HashSize]byte{}, fmt.Errorf("engine: hash: space %d: %w", s, err)
		}
	}
	return [HashSize]byte(sum.Sum(nil)), nil
}
