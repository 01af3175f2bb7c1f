package indextest

import (
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Fuzz reads bytes as a program of writes, compactions and restores, and compares the index that
// they make with the twin.
func Fuzz(f *testing.F, open func() index.Index) {
	f.Add([]byte("\x00\x01a\x00\x01b\x01\x01a\x02\x01\x00\x02ab"))
	f.Add([]byte("\x00\x04keys\x00\x04key\x00\x04\x05keyss\x03\x00\x01\xff\x04\x02\x00\x01\xff"))
	f.Add([]byte("\x00\x01a\x00\x01a\x00\x01a\x00\x01a\x00\x01a\x00\x01a\x00\x01a\x00\x01a\x00\x01a\x00\x01a\x02\x05"))
	f.Fuzz(func(t *testing.T, program []byte) {
		h := &fuzzed{x: open(), w: newTwin(), code: program, main: 1}
		for len(h.code) > 0 {
			h.step(t, open)
		}
		checkAll(t, h.x, h.w, index.Latest)
		checkAll(t, h.x, h.w, max(h.compacted, 1))
		for at := h.compacted; at <= h.main; at += 1 + h.main/16 {
			checkRange(t, h.x, h.w, nil, nil, at, 3)
		}
	})
}

type fuzzed struct {
	x         index.Index
	w         *twin
	code      []byte
	main, sub int64
	compacted int64
}

// next takes a byte of the program, 0 at its end.
func (h *fuzzed) next() byte {
	if len(h.code) == 0 {
		return 0
	}
	b := h.code[0]
	h.code = h.code[1:]
	return b
}

// key takes a key of the program: a length, the bytes, and with a length above 15 a repetition.
func (h *fuzzed) key() string {
	n := int(h.next())
	k := h.code[:min(1+n%16, len(h.code))]
	h.code = h.code[len(k):]
	out := string(k)
	for range n / 16 {
		out += string(k)
	}
	if out == "" {
		return "k"
	}
	return out
}

func (h *fuzzed) step(t *testing.T, open func() index.Index) {
	h.sub++
	switch h.next() % 6 {
	case 0:
		put(h.x, h.w, h.key(), h.main, h.sub)
	case 1:
		del(t, h.x, h.w, h.key(), h.main, h.sub)
	case 2:
		h.compacted = min(h.main, h.compacted+int64(h.next()))
		compact(t, h.x, h.w, h.compacted, int(h.next()))
	case 3:
		h.main += 1 + int64(h.next())
		h.sub = 0
	case 4:
		checkRange(t, h.x, h.w, []byte(h.key()), []byte(h.key()), max(h.main-int64(h.next()), h.compacted), 1+int(h.next()))
	case 5:
		h.x = open()
		records := h.w.records()
		index.SortRecords(records)
		if err := h.x.Restore(records); err != nil {
			t.Fatal(err)
		}
		if len(records) > 0 { // nothing may be written at or below a revision that was restored
			h.main++
			h.sub = 0
		}
	}
}
