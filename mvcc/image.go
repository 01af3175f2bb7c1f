package mvcc

import (
	"context"
	"io"

	"github.com/etalon-kv/etalon/engine"
)

// Image is the whole store as it was at one moment, meta data included, for copying it. It holds up
// nobody, but its engine may keep what is deleted meanwhile. Until Close, which may be called once,
// Close of the store answers ErrBusy.
type Image struct {
	s    *Store
	snap engine.Snapshot
	rev  int64
}

// Image pins the state after the last commit before the call, or a later one. The caller must Close
// it.
func (s *Store) Image() (*Image, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	snap, err := s.b.Snapshot()
	if err != nil {
		s.exit()
		return nil, err
	}
	// Of a transaction that is being written in several batches, a part may be in it: what its
	// records say is not counted, and the store that is made of it removes them.
	end, _, err := findEnd(snap)
	if err != nil {
		snap.Close() // the first error counts
		s.exit()
		return nil, err
	}
	return &Image{s: s, snap: snap, rev: max(end.Main, 1)}, nil
}

// Rev is the revision of the image.
func (i *Image) Rev() int64 { return i.rev }

// Meta returns what SetMeta had stored under key; false if nothing was.
func (i *Image) Meta(key []byte) ([]byte, bool, error) { return getSealed(i.snap, spaceMeta, key) }

// Dump writes the image as a stream that engine.Load puts into another backend, of any engine. It
// ends early with ctx.
func (i *Image) Dump(ctx context.Context, w io.Writer) error { return engine.Dump(ctx, w, i.snap) }

// Close lets go of the image.
func (i *Image) Close() error {
	defer i.s.exit()
	return i.snap.Close()
}

// Dump writes the whole store as Image does, and returns the revision that is in it.
func (s *Store) Dump(ctx context.Context, w io.Writer) (int64, error) {
	i, err := s.Image()
	if err != nil {
		return 0, err
	}
	defer i.Close()
	return i.rev, i.Dump(ctx, w)
}
