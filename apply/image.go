package apply

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/raft"
)

// Image is a state, pinned. It is an alias of what replica asks for.
type Image = interface {
	// At is the last entry in it; see Machine.Applied.
	At() raft.Snapshot
	// WriteTo writes the image as a stream that Restore of any machine understands, whatever its
	// engine. It answers ErrReplaced if the machine is closed or restored meanwhile.
	io.WriterTo
	// Close lets go of it.
	Close() error
}

// Save returns an image of the state as of now. It waits for nobody, and the state goes on. The caller
// must Close it: Restore and Close of the machine wait for that.
func (m *Machine) Save() (Image, error) {
	s, err := m.state()
	if err != nil {
		return nil, err
	}
	i, err := s.image()
	if err != nil {
		s.release()
		return nil, err
	}
	return i, nil
}

// image is an Image; it holds s.
type image struct {
	s    *state
	pin  *mvcc.Image
	last raft.Snapshot
}

func (s *state) image() (*image, error) {
	pin, err := s.store.Image()
	if err != nil {
		return nil, err
	}
	i := &image{s: s, pin: pin}
	applied, ok, err := pin.Meta([]byte(metaApplied))
	if err == nil && ok {
		i.last.Index = raft.Index(binary.BigEndian.Uint64(applied))
		i.last.Term = raft.Term(binary.BigEndian.Uint64(applied[8:]))
		var conf []byte
		if conf, ok, err = pin.Meta([]byte(metaConf)); err == nil && ok {
			err = i.last.Conf.Decode(conf)
		}
	}
	if err != nil {
		return nil, errors.Join(err, pin.Close())
	}
	return i, nil
}

func (i *image) At() raft.Snapshot { return i.last }

func (i *image) WriteTo(w io.Writer) (int64, error) {
	c := counter{w: w}
	err := i.pin.Dump(i.s.ctx, &c)
	if errors.Is(err, context.Canceled) {
		err = ErrReplaced
	}
	return c.n, err
}

func (i *image) Close() error {
	defer i.s.release()
	return i.pin.Close()
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// Restore replaces the whole state by the image that r gives, and is durable when it returns; a crash
// before leaves the old state or the new one. Reads go on with the old state until then. An error
// leaves the old one in place, unless it says that the machine has stopped. Images of the old state
// answer ErrReplaced; Restore returns when they and all reads are done with it.
func (m *Machine) Restore(ctx context.Context, r io.Reader) error {
	old, err := m.begin()
	if err != nil {
		return err
	}
	defer m.writer.Unlock()
	return m.replace(ctx, old, r)
}

// replace is Restore, for the holder of the writer's place.
func (m *Machine) replace(ctx context.Context, old *state, r io.Reader) error {
	b, name, err := m.dir.create(old.name)
	if err != nil {
		return fmt.Errorf("apply: restore: %w", err)
	}
	s, err := m.load(ctx, b, name, r)
	if err != nil {
		return fmt.Errorf("apply: restore: %w", errors.Join(err, b.Close(), m.dir.remove(name)))
	}
	s.leases.changes.n = old.leases.changes.n + 2*leaseLogSize // whatever somebody has seen, all may be new
	if err := m.dir.switchTo(name); err != nil {
		// Which one is current on disk is not known, so neither may go on.
		return m.fail(fmt.Errorf("apply: restore: %w", errors.Join(err, s.retire())))
	}
	m.current.Store(s)
	m.durable.begin(s)
	err = old.retire()
	m.dir.at("retired")
	if err := errors.Join(err, m.dir.remove(old.name)); err != nil {
		m.c.Logger.Warn("apply: the state before the snapshot could not be removed", "error", err)
	}
	return nil
}

// load fills the empty engine b and opens the state in it. b stays the caller's if it fails.
func (m *Machine) load(ctx context.Context, b engine.Backend, name string, r io.Reader) (*state, error) {
	if err := engine.Load(ctx, b, r); err != nil {
		return nil, err
	}
	m.dir.at("loaded")
	s, err := m.openState(ctx, b, name)
	if err != nil {
		return nil, err
	}
	if s.at.Index == 0 {
		return nil, errors.Join(fmt.Errorf("%w: an image without an applied index", ErrState), s.closeStore())
	}
	if err := s.store.Sync(); err != nil { // Open may have removed the rest of a cut transaction
		return nil, errors.Join(err, s.closeStore())
	}
	m.dir.at("opened")
	return s, nil
}
