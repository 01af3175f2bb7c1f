package enginetest_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/etalon-kv/etalon/engines/mem"
)

// toy is the smallest engine that keeps something: the reference model in memory, and a whole dump
// of it in a file at every sync. It shows that the suite can be passed by a stranger, and its
// mutants that it cannot be passed by a cheat.
type toy struct {
	engine.Backend // mem
	guard          engine.Guard
	dir            *engine.Dir
	last           engine.Stats
	noSync         bool // a mutant
}

func openToy(_ testing.TB, dir string) (engine.Backend, error) { return newToy(dir) }

func newToy(dir string) (*toy, error) {
	d, err := engine.OpenDir(dir, "toy", 1, nil)
	if err != nil {
		return nil, err
	}
	inner, err := mem.Open(mem.Options{})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	b := &toy{Backend: inner, dir: d}
	if err := b.restore(); err != nil {
		return nil, errors.Join(err, inner.Close(), d.Close())
	}
	return b, nil
}

func (b *toy) restore() error {
	f, err := os.Open(b.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return engine.Load(context.Background(), b.Backend, f)
}

func (b *toy) file() string { return filepath.Join(b.dir.Path(), "dump") }

// persist writes everything to a temporary file, syncs it and renames it.
func (b *toy) persist() error {
	if b.noSync {
		return nil
	}
	view, err := b.Backend.Snapshot()
	if err != nil {
		return err
	}
	defer view.Close()
	f, err := os.Create(b.file() + ".new")
	if err != nil {
		return err
	}
	err = errors.Join(engine.Dump(context.Background(), f, view), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), b.file())
	}
	if err != nil {
		return err
	}
	d, err := os.Open(b.dir.Path())
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (b *toy) Caps() engine.Caps { return engine.Caps{Persistent: true} }

func (b *toy) Apply(w engine.Batch, sync bool) error {
	if err := b.guard.EnterWrite(); err != nil {
		return err
	}
	defer b.guard.Exit()
	if err := b.Backend.Apply(w, false); err != nil || !sync {
		return err
	}
	if err := b.persist(); err != nil {
		return b.guard.Fail(err)
	}
	return nil
}

func (b *toy) Sync() error { return b.Apply(b.NewBatch(), true) }

func (b *toy) Stats() engine.Stats {
	if b.guard.Enter() != nil {
		return b.last
	}
	defer b.guard.Exit()
	return b.Backend.Stats()
}

func (b *toy) Options() map[string]string { return map[string]string{"engine": "toy"} }

func (b *toy) Snapshot() (engine.Snapshot, error) {
	if err := b.guard.Pin(); err != nil {
		return nil, err
	}
	view, err := b.Backend.Snapshot()
	if err != nil {
		b.guard.Unpin()
		return nil, err
	}
	return &toyView{view, b}, nil
}

type toyView struct {
	engine.Snapshot
	b *toy
}

func (v *toyView) Close() error {
	err := v.Snapshot.Close()
	if err == nil {
		v.b.guard.Unpin()
	}
	return err
}

func (b *toy) Close() error {
	return b.guard.Close(func() error {
		var err error
		if b.guard.Failure() == nil {
			err = b.persist()
		}
		b.last = b.Backend.Stats()
		return errors.Join(err, b.Backend.Close(), b.dir.Close())
	})
}

func TestToy(t *testing.T) { enginetest.Run(t, enginetest.Harness{Open: openToy}) }

func TestPoison(t *testing.T) {
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := enginetest.Poison(b)
	w := p.NewBatch()
	w.Set(1, []byte("a"), []byte("1"))
	w.Set(1, []byte("b"), nil)
	if err := p.Apply(w, false); err != nil {
		t.Fatal(err)
	}
	view, _ := p.Snapshot()
	it := view.Scan(1, nil, nil)
	it.Next()
	key, value := it.Key(), it.Value()
	if string(key) != "a" || string(value) != "1" {
		t.Fatalf("%q = %q", key, value)
	}
	it.Next()
	if bytes.Equal(key, []byte("a")) || bytes.Equal(value, []byte("1")) {
		t.Error("what was lent is still there after Next")
	}
	if v := it.Value(); v == nil || len(v) != 0 {
		t.Errorf("empty value = %v", v)
	}
	key = it.Key()
	it.Close()
	if bytes.Equal(key, []byte("b")) {
		t.Error("what was lent is still there after Close")
	}
}
