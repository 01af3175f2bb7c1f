package engine_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/mem"
)

func TestLeadingFindsTheEndOfAStream(t *testing.T) {
	for _, keys := range []int{0, 1, 5000} {
		b, err := mem.Open(mem.Options{})
		if err != nil {
			t.Fatal(err)
		}
		batch := b.NewBatch()
		for i := range keys {
			batch.Set(3, fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{'T', 48, 0, 0, 0}, 40))
		}
		if err := b.Apply(batch, false); err != nil {
			t.Fatal(err)
		}
		view, err := b.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		var stream bytes.Buffer
		if err := engine.Dump(t.Context(), &stream, view); err != nil {
			t.Fatal(err)
		}
		const tail = "\x00\x00T\x30\x00\x00\x00 and more"
		r := bytes.NewReader(append(bytes.Clone(stream.Bytes()), tail...))
		got, err := io.ReadAll(iotest.OneByteReader(engine.Leading(r)))
		if err != nil || !bytes.Equal(got, stream.Bytes()) {
			t.Errorf("%d keys: %d bytes of %d, %v", keys, len(got), stream.Len(), err)
		}
		if rest, _ := io.ReadAll(r); string(rest) != tail {
			t.Errorf("%d keys: %q is left of what follows", keys, rest)
		}
		for _, cut := range []int{0, 3, 9, 12, stream.Len() - 1} {
			got, err := io.ReadAll(engine.Leading(bytes.NewReader(stream.Bytes()[:min(cut, stream.Len())])))
			if err != nil || len(got) != min(cut, stream.Len()) {
				t.Errorf("%d keys, cut at %d: %d bytes, %v", keys, cut, len(got), err)
			}
		}
		if err := view.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
