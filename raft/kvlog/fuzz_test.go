package kvlog

import (
	"bytes"
	"errors"
	"testing"

	"github.com/etalon-kv/etalon/raft"
)

// FuzzDecode gives any bytes to every decoder, as they are and with a right check: no panic, ErrCorrupt and nothing
// else, and what is accepted is what is written.
func FuzzDecode(f *testing.F) {
	e := raft.Entry{Type: raft.EntryConfChange, Term: 3, Index: 300, Data: []byte("data")}
	value, _ := appendEntry(nil, appendEntryKey(nil, e.Index), &e, 7)
	f.Add(value, uint64(e.Index))
	f.Add(value[:len(value)-4], uint64(e.Index)) // what the check is of
	f.Add(appendBase(nil, 9, 2, 5), uint64(1))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, index uint64) {
		i := raft.Index(index)
		key := appendEntryKey(nil, i)
		if entryIndex(key) != i {
			t.Fatalf("the key of %d is that of %d", i, entryIndex(key))
		}
		sealed := seal(key, bytes.Clone(b))
		for _, v := range [][]byte{b, sealed} {
			e, before, sum, err := decodeEntry(v, i)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Error(err)
				}
				continue
			}
			if again, s := appendEntry(nil, key, &e, before); !bytes.Equal(again, v) || s != sum {
				t.Errorf("%x was accepted as entry %d and is written as %x", v, i, again)
			}
		}
		if got, err := open(key, sealed); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%x comes back as %x, %v", b, got, err)
		}
		if got, err := open(key, b); err == nil && !bytes.Equal(seal(key, bytes.Clone(got)), b) {
			t.Errorf("%x was accepted as %x", b, got)
		}
		if i, term, chain, err := decodeBase(b); err == nil {
			i2, term2, chain2, err := decodeBase(appendBase(nil, i, term, chain))
			if err != nil || i2 != i || term2 != term || chain2 != chain {
				t.Errorf("a log that begins at %d/%d comes back as %d/%d, %v", term, i, term2, i2, err)
			}
		} else if !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}
