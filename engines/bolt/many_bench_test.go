package bolt_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/bolt"
)

// BenchmarkGetMany reads 100 random records of a store of revisions, one by one and at once; ns/op
// is for all of them.
func BenchmarkGetMany(b *testing.B) {
	const records, many = 400_000, 100
	s, err := bolt.Open(b.TempDir(), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	key := func(room []byte, i int) []byte {
		return append(binary.BigEndian.AppendUint64(room, uint64(i)), 0, 0, 0, 0)
	}
	w, value := s.NewBatch(), make([]byte, 310)
	for i := range records {
		w.Set(1, key(nil, i), value)
		if w.Len() == 10_000 {
			if err := s.Apply(w, true); err != nil {
				b.Fatal(err)
			}
			w.Reset()
		}
	}
	sn, err := s.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	defer sn.Close()
	r := rand.New(rand.NewPCG(1, 1))
	spans := make([]engine.Span, many)
	sets := make([][][]byte, 2*records/many)
	for i := range sets {
		sets[i] = make([][]byte, many)
		for j := range sets[i] {
			sets[i][j] = key(nil, r.IntN(records))
		}
		slices.SortFunc(sets[i], bytes.Compare)
	}
	var dst []byte
	for _, keys := range sets { // the map is there when the clock starts
		if dst, err = engine.GetMany(sn, dst[:0], 1, keys, spans); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		via string
		get func(keys [][]byte) error
	}{
		{"get", func(keys [][]byte) error {
			for _, k := range keys {
				if dst, err = sn.Get(dst, 1, k); err != nil {
					return err
				}
			}
			return nil
		}},
		{"many", func(keys [][]byte) error {
			dst, err = engine.GetMany(sn, dst, 1, keys, spans)
			return err
		}},
	} {
		b.Run("via="+c.via, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				dst = dst[:0]
				if err := c.get(sets[i%len(sets)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
