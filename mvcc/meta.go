package mvcc

import (
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/engine"
)

// Meta returns what SetMeta stored under key; false if nothing is.
func (s *Store) Meta(key []byte) ([]byte, bool, error) {
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.exit()
	return s.readMeta(key)
}

// ScanMeta calls visit for what SetMeta stored under the keys of [lo, hi), in order, until visit
// answers false. The slices are valid during the call only.
func (s *Store) ScanMeta(lo, hi []byte, visit func(key, value []byte) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	snap, err := s.b.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()
	it := snap.Scan(spaceMeta, lo, hi)
	defer it.Close()
	for it.Next() {
		value, ok := unseal(spaceMeta, it.Key(), it.Value())
		if !ok {
			return fmt.Errorf("%w: meta data under %q: checksum does not fit", ErrCorrupt, it.Key())
		}
		if !visit(it.Key(), value) {
			return nil
		}
	}
	return it.Err()
}

func (s *Store) readMeta(key []byte) ([]byte, bool, error) {
	snap, err := s.b.Snapshot()
	if err != nil {
		return nil, false, err
	}
	defer snap.Close()
	return getSealed(snap, spaceMeta, key)
}

// getSealed reads and verifies what was sealed; false if there is nothing.
func getSealed(snap engine.Snapshot, space engine.Space, key []byte) ([]byte, bool, error) {
	sealed, err := snap.Get(nil, space, key)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("mvcc: meta data under %q: %w", key, err)
	}
	value, ok := unseal(space, key, sealed)
	if !ok {
		return nil, false, fmt.Errorf("%w: meta data under %q: checksum does not fit", ErrCorrupt, key)
	}
	return value, true, nil
}
