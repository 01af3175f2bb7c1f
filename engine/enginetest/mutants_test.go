package enginetest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
)

// envMutant names the mutant that a child of TestMutants runs the suite on.
const envMutant = "ETALON_MUTANT"

// mutants break one rule of the contract each. The suite must fail on every one of them, and the
// group that it fails in is named here.
func mutants() map[string]struct {
	group string
	open  func(dir string) (engine.Backend, error)
} {
	type mutant = struct {
		group string
		open  func(dir string) (engine.Backend, error)
	}
	over := func(change func(b *toy) engine.Backend) func(dir string) (engine.Backend, error) {
		return func(dir string) (engine.Backend, error) {
			b, err := newToy(dir)
			if err != nil {
				return nil, err
			}
			return change(b), nil
		}
	}
	view := func(change func(v engine.Snapshot) engine.Snapshot) func(dir string) (engine.Backend, error) {
		return over(func(b *toy) engine.Backend { return &viewMutant{b, change} })
	}
	batch := func(change func(w engine.Batch) engine.Batch) func(dir string) (engine.Backend, error) {
		return over(func(b *toy) engine.Backend { return &batchMutant{b, change} })
	}
	return map[string]mutant{
		"Get answers nil for a missing key": {"Reads", view(func(v engine.Snapshot) engine.Snapshot { return dropsDst{v} })},
		"GetMany looks at 64 keys only":     {"Many", view(func(v engine.Snapshot) engine.Snapshot { return few{v} })},
		"GetMany finds neighbours":          {"Many", view(func(v engine.Snapshot) engine.Snapshot { return neighbours{v} })},
		"hi is inclusive":                   {"Order", view(func(v engine.Snapshot) engine.Snapshot { return inclusive{v} })},
		"an empty hi is the end":            {"Order", view(func(v engine.Snapshot) engine.Snapshot { return emptyIsEnd{v} })},
		"ScanBack forgets the last key":     {"Order", view(func(v engine.Snapshot) engine.Snapshot { return shortBack{v} })},
		"spaces 0 and 255 are one":          {"Order", batch(func(w engine.Batch) engine.Batch { return mergesSpaces{w} })},
		"DeleteRange ignores hi":            {"Order", batch(func(w engine.Batch) engine.Batch { return wideDelete{w} })},
		"a snapshot reads the present":      {"Snapshots", over(func(b *toy) engine.Backend { return &liveSnapshots{b} })},
		"a batch keeps the caller's slices": {"Lifetimes", batch(func(w engine.Batch) engine.Batch { return &lazyBatch{Batch: w} })},
		"a batch is applied in two halves":  {"Concurrency", over(func(b *toy) engine.Backend { return &halves{b} })},
		"Close does not ask for snapshots":  {"AfterClose", over(func(b *toy) engine.Backend { return &rudeClose{toy: b} })},
		"a second Close is nil":             {"AfterClose", over(func(b *toy) engine.Backend { return &kindClose{b} })},
		"an iterator starts again at end":   {"Misuse", view(func(v engine.Snapshot) engine.Snapshot { return restarts{v} })},
		"sync does nothing":                 {"Crash", over(func(b *toy) engine.Backend { b.noSync = true; return &saveAtClose{b} })},
		"Close does not write":              {"Reopen", over(func(b *toy) engine.Backend { return &forgetful{b} })},
		"a failed sync is forgotten":        {"SyncFailure", over(func(b *toy) engine.Backend { return &forgiving{b} })},
		"a foreign directory is taken": {"Directory", func(dir string) (engine.Backend, error) {
			os.Remove(filepath.Join(dir, "MANIFEST"))
			return newToy(dir)
		}},
		"a half-made directory stays broken": {"FirstStart", halfMade},
	}
}

// TestMutants runs the suite on every mutant in a process of its own, and wants it to fail.
func TestMutants(t *testing.T) {
	all := mutants()
	if name := os.Getenv(envMutant); name != "" {
		m, ok := all[name]
		if !ok {
			t.Fatalf("no mutant %q", name)
		}
		enginetest.Run(t, enginetest.Harness{Open: func(_ testing.TB, dir string) (engine.Backend, error) { return m.open(dir) }})
		return
	}
	if testing.Short() {
		t.Skip("runs the suite many times")
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			if all[name].group == "SyncFailure" {
				if _, err := exec.LookPath("strace"); err != nil {
					t.Skip("strace is not on the PATH")
				}
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestMutants$/^"+all[name].group+"$", "-test.v", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), envMutant+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("--- FAIL: TestMutants/"+all[name].group)) {
				t.Errorf("group %s does not notice: %v\n%s", all[name].group, err, out)
			}
			for _, line := range strings.Split(string(out), "\n") {
				if strings.Contains(line, ".go:") && !strings.Contains(line, "ETALON_SEED") {
					t.Log(strings.TrimSpace(line))
					break
				}
			}
		})
	}
}

// viewMutant changes every Snapshot.
type viewMutant struct {
	*toy
	change func(engine.Snapshot) engine.Snapshot
}

func (m *viewMutant) Snapshot() (engine.Snapshot, error) {
	v, err := m.toy.Snapshot()
	if err != nil {
		return nil, err
	}
	return m.change(v), nil
}

type dropsDst struct{ engine.Snapshot }

func (d dropsDst) Get(dst []byte, s engine.Space, key []byte) ([]byte, error) {
	out, err := d.Snapshot.Get(dst, s, key)
	if err != nil {
		out = nil
	}
	return out, err
}

type few struct{ engine.Snapshot }

func (f few) GetMany(dst []byte, s engine.Space, keys [][]byte, spans []engine.Span) ([]byte, error) {
	for i := range spans {
		spans[i] = engine.Span{From: -1}
	}
	return engine.GetMany(f.Snapshot, dst, s, keys[:min(len(keys), 64)], spans)
}

type neighbours struct{ engine.Snapshot }

func (n neighbours) GetMany(dst []byte, s engine.Space, keys [][]byte, spans []engine.Span) ([]byte, error) {
	for i, key := range keys {
		it, from := n.Snapshot.Scan(s, key, nil), len(dst)
		if spans[i] = (engine.Span{From: -1}); it.Next() {
			dst = append(dst, it.Value()...)
			spans[i] = engine.Span{From: from, To: len(dst)}
		}
		if err := it.Close(); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

type inclusive struct{ engine.Snapshot }

func (i inclusive) Scan(s engine.Space, lo, hi []byte) engine.Iterator {
	if len(hi) > 0 {
		hi = append(bytes.Clone(hi), 0)
	}
	return i.Snapshot.Scan(s, lo, hi)
}

type emptyIsEnd struct{ engine.Snapshot }

func (e emptyIsEnd) Scan(s engine.Space, lo, hi []byte) engine.Iterator {
	if len(hi) == 0 {
		hi = nil
	}
	return e.Snapshot.Scan(s, lo, hi)
}

type shortBack struct{ engine.Snapshot }

func (b shortBack) ScanBack(s engine.Space, lo, hi []byte) engine.Iterator {
	if hi == nil {
		hi = []byte("\xff\xff\xff\xff\xff\xff\xff\xff") // "no key is longer than 8 bytes"
	}
	return b.Snapshot.ScanBack(s, lo, hi)
}

type restarts struct{ engine.Snapshot }

func (r restarts) Scan(s engine.Space, lo, hi []byte) engine.Iterator {
	return &restarting{Iterator: r.Snapshot.Scan(s, lo, hi), again: func() engine.Iterator { return r.Snapshot.Scan(s, lo, hi) }}
}

type restarting struct {
	engine.Iterator
	again func() engine.Iterator
}

func (r *restarting) Next() bool {
	if r.Iterator.Next() {
		return true
	}
	r.Iterator = r.again()
	return false
}

// batchMutant changes every Batch.
type batchMutant struct {
	*toy
	change func(engine.Batch) engine.Batch
}

func (m *batchMutant) NewBatch() engine.Batch { return m.change(m.toy.NewBatch()) }

func (m *batchMutant) Apply(b engine.Batch, sync bool) error {
	switch w := b.(type) {
	case mergesSpaces:
		b = w.Batch
	case wideDelete:
		b = w.Batch
	case *lazyBatch:
		w.flush()
		b = w.Batch
	}
	return m.toy.Apply(b, sync)
}

type mergesSpaces struct{ engine.Batch }

func (m mergesSpaces) Set(s engine.Space, key, value []byte) {
	if s == 255 {
		s = 0
	}
	m.Batch.Set(s, key, value)
}

type wideDelete struct{ engine.Batch }

func (w wideDelete) DeleteRange(s engine.Space, lo, hi []byte) {
	if len(hi) > 0 {
		hi = nil
	}
	w.Batch.DeleteRange(s, lo, hi)
}

type lazyBatch struct {
	engine.Batch
	sets []func()
}

func (l *lazyBatch) Set(s engine.Space, key, value []byte) {
	l.sets = append(l.sets, func() { l.Batch.Set(s, key, value) })
}

func (l *lazyBatch) flush() {
	for _, set := range l.sets {
		set()
	}
	l.sets = nil
}

type liveSnapshots struct{ *toy }

func (l *liveSnapshots) Snapshot() (engine.Snapshot, error) {
	v, err := l.toy.Snapshot()
	return liveView{v, l.toy}, err
}

type liveView struct {
	engine.Snapshot
	b *toy
}

func (l liveView) Get(dst []byte, s engine.Space, key []byte) ([]byte, error) {
	v, err := l.b.Backend.Snapshot()
	if err != nil {
		return dst, err
	}
	defer v.Close()
	return v.Get(dst, s, key)
}

type halves struct{ *toy }

func (h *halves) NewBatch() engine.Batch { return &twoBatches{h.toy.NewBatch(), h.toy.NewBatch()} }

func (h *halves) Apply(b engine.Batch, sync bool) error {
	w, ok := b.(*twoBatches)
	if !ok {
		return engine.ErrForeignBatch
	}
	if err := h.toy.Apply(w.Batch, false); err != nil {
		return err
	}
	for range 20 { // the readers' turn
		runtime.Gosched()
	}
	return h.toy.Apply(w.rest, sync)
}

// twoBatches puts what is for spaces above 0 into rest.
type twoBatches struct {
	engine.Batch
	rest engine.Batch
}

func (t *twoBatches) part(s engine.Space) engine.Batch {
	if s > 0 {
		return t.rest
	}
	return t.Batch
}

func (t *twoBatches) Set(s engine.Space, key, value []byte)     { t.part(s).Set(s, key, value) }
func (t *twoBatches) Delete(s engine.Space, key []byte)         { t.part(s).Delete(s, key) }
func (t *twoBatches) DeleteRange(s engine.Space, lo, hi []byte) { t.part(s).DeleteRange(s, lo, hi) }
func (t *twoBatches) Len() int                                  { return t.Batch.Len() + t.rest.Len() }
func (t *twoBatches) Reset()                                    { t.Batch.Reset(); t.rest.Reset() }

type rudeClose struct {
	*toy
	views []engine.Snapshot
}

func (r *rudeClose) Snapshot() (engine.Snapshot, error) {
	v, err := r.toy.Snapshot()
	r.views = append(r.views, v)
	return v, err
}

func (r *rudeClose) Close() error {
	for _, v := range r.views {
		v.Close()
	}
	return r.toy.Close()
}

type kindClose struct{ *toy }

func (k *kindClose) Close() error {
	if err := k.toy.Close(); err != engine.ErrClosed {
		return err
	}
	return nil
}

type saveAtClose struct{ *toy }

func (s *saveAtClose) Close() error {
	s.noSync = false
	return s.toy.Close()
}

type forgetful struct{ *toy }

func (f *forgetful) Close() error {
	f.noSync = true
	return f.toy.Close()
}

// forgiving tries again after a failed sync.
type forgiving struct{ *toy }

func (f *forgiving) Apply(w engine.Batch, sync bool) error {
	if err := f.Backend.Apply(w, false); err != nil || !sync {
		return err
	}
	return f.persist()
}

func (f *forgiving) Sync() error { return f.Apply(f.NewBatch(), true) }

// halfMade creates its directory in the open, and takes what is there for complete.
func halfMade(dir string) (engine.Backend, error) {
	store := filepath.Join(dir, "store")
	if _, err := os.Stat(store); err != nil {
		if err := os.MkdirAll(store, 0o700); err != nil {
			return nil, err
		}
		f, err := os.Create(filepath.Join(store, "FORMAT"))
		if err != nil {
			return nil, err
		}
		for _, part := range []string{"etalon engine directory 1\n", "engine toy\n", "format 1\n"} {
			if _, err := f.WriteString(part); err != nil {
				return nil, err
			}
			f.Sync()
		}
		f.Close()
		if err := os.Mkdir(filepath.Join(store, "data"), 0o700); err != nil {
			return nil, err
		}
	}
	return newToy(dir)
}
