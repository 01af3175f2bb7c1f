package apply_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
)

// A member that joins may get an image with more than its engine can take: it says so, and stays what it was.
func TestAnImageThatAnEngineCannotTakeIsRefused(t *testing.T) {
	l := begin(t)
	if err := l.m.Found([]apply.Member{{ID: 1, MaxWriteBytes: 1 << 30}}); err != nil {
		t.Fatal(err)
	}
	l.next = 2
	if r := l.do(put("a", string(make([]byte, 3<<19)))).(*apply.PutResult); r.Err != nil {
		t.Fatal(r.Err)
	}
	image, err := l.m.Save()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_, err = image.WriteTo(&b)
	if err := errors.Join(err, image.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range combos() {
		t.Run(c.name, func(t *testing.T) {
			m := c.machine(t, t.TempDir())
			defer m.Close()
			err := m.Restore(t.Context(), bytes.NewReader(b.Bytes()))
			if err == nil && m.Rev() == 2 && m.MaxWriteBytes() >= 3<<19 {
				return
			}
			if !errors.Is(err, engine.ErrBatchTooBig) || m.Rev() != 1 || m.Applied().Index != 0 {
				t.Fatalf("%v; at revision %d, applied %d", err, m.Rev(), m.Applied().Index)
			}
			if err := m.Found([]apply.Member{{ID: 2}}); err != nil {
				t.Errorf("it is of no use any more: %v", err)
			}
		})
	}
}
