package mvcc

import (
	"encoding/binary"
	"fmt"

	"github.com/etalon-kv/etalon/engine"
)

// formatVersion is the version of the form in which a store is kept.
const formatVersion = 1

// Keys of spaceSystem.
const (
	keyFormat    = "format"    // version, 4 bytes big-endian
	keyScheduled = "scheduled" // the compacted revision, 8 bytes
	keyFinished  = "finished"  // the one whose compaction has ended and the records left at or below it, 8 bytes each
)

// marks are what spaceSystem holds; -1 for a compaction that never was.
type marks struct{ scheduled, finished, left int64 }

// openFormat reads the marks, and makes a store out of an empty backend.
func (s *Store) openFormat() (marks, error) {
	m := marks{-1, -1, 0}
	snap, err := s.b.Snapshot()
	if err != nil {
		return m, err
	}
	defer snap.Close()
	format, ok, err := getSealed(snap, spaceSystem, []byte(keyFormat))
	switch {
	case err != nil:
		return m, err
	case ok && len(format) == 4:
		if v := binary.BigEndian.Uint32(format); v != formatVersion {
			return m, fmt.Errorf("%w: version %d, this is version %d", ErrFormat, v, formatVersion)
		}
		return m, m.read(snap)
	case ok:
		return m, fmt.Errorf("%w: %d bytes in the place of the version", ErrFormat, len(format))
	}
	for _, space := range []engine.Space{spaceSystem, spaceRecords, spaceMeta} {
		it := snap.Scan(space, nil, nil)
		used := it.Next()
		if err := it.Close(); err != nil {
			return m, err
		}
		if used {
			return m, fmt.Errorf("%w: the backend holds data in space %d, and no version", ErrFormat, space)
		}
	}
	w := s.b.NewBatch()
	setSystem(w, keyFormat, binary.BigEndian.AppendUint32(nil, formatVersion))
	return m, s.b.Apply(w, true)
}

func (m *marks) read(snap engine.Snapshot) error {
	for _, k := range []struct {
		key  string
		into []*int64
	}{{keyScheduled, []*int64{&m.scheduled}}, {keyFinished, []*int64{&m.finished, &m.left}}} {
		v, ok, err := getSealed(snap, spaceSystem, []byte(k.key))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if len(v) != 8*len(k.into) {
			return fmt.Errorf("%w: %d bytes under %q, want %d", ErrCorrupt, len(v), k.key, 8*len(k.into))
		}
		for i, p := range k.into {
			*p = int64(binary.BigEndian.Uint64(v[8*i:]))
		}
	}
	return nil
}

func setSystem(w engine.Batch, key string, value []byte) {
	w.Set(spaceSystem, []byte(key), seal(spaceSystem, []byte(key), value))
}

func bigEndian(numbers ...int64) (b []byte) {
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}
