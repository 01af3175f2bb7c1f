package apply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/raft"
)

// filled is a machine of c with n puts and a lease, and its image.
func filled(tb testing.TB, c combo, dir string, n int, value string) (*apply.Machine, []byte) {
	tb.Helper()
	m := c.machine(tb, dir)
	l := &log{tb, m, 1}
	l.do(&apply.LeaseGrant{ID: 7, TTL: 60})
	for i := range n {
		l.do(&apply.Put{Key: fmt.Appendf(nil, "key%03d", i), Value: []byte(value), Lease: apply.LeaseID(i%2) * 7})
	}
	return m, save(tb, m)
}

func save(tb testing.TB, m *apply.Machine) []byte {
	tb.Helper()
	i, err := m.Save()
	if err != nil {
		tb.Fatal(err)
	}
	var b bytes.Buffer
	if n, err := i.WriteTo(&b); err != nil || n != int64(b.Len()) {
		tb.Fatal(n, err)
	}
	if err := i.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestAnImageOfAnyEngineIsRestoredByAnyOther(t *testing.T) {
	source, image := filled(t, combos()[0], "", 50, "new")
	want := fmt.Sprintf("%+v", summarize(t, source))
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range combos() {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			m, _ := filled(t, c, dir, 20, "old")
			defer func() { m.Close() }()
			old, err := m.View()
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Restore(t.Context(), bytes.NewReader(image)); err != nil {
				t.Fatal(err)
			}
			<-old.Replaced
			for _, what := range []string{"at once", "after a restart"} {
				if got := fmt.Sprintf("%+v", summarize(t, m)); got != want {
					t.Errorf("%s: got %s\nwant %s", what, got, want)
				}
				if len(m.LeaseKeys(7)) != 25 {
					t.Errorf("%s: the lease has %d keys", what, len(m.LeaseKeys(7)))
				}
				if c.name == "mem" {
					break
				}
				if d := m.Durable(); d != m.Applied().Index {
					t.Errorf("%s: durable up to %d of %d", what, d, m.Applied().Index)
				}
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				m = c.machine(t, dir)
			}
			// It goes on from there.
			l := &log{t, m, m.Applied().Index + 1}
			if r := l.do(put("more", "1")).(*apply.PutResult); r.Rev != m.Rev() || r.Err != nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestACrashInARestoreLeavesTheOldStateOrTheNew(t *testing.T) {
	source, image := filled(t, combos()[0], "", 50, "new")
	want := map[raft.Index]string{source.Applied().Index: fmt.Sprintf("%+v", summarize(t, source))}
	source.Close()
	for _, c := range combos()[1:5] {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			m, _ := filled(t, c, dir, 20, "old")
			if err := m.Close(); err != nil { // so that all of it is durable
				t.Fatal(err)
			}
			m = c.machine(t, dir)
			defer m.Close()
			want[m.Applied().Index] = fmt.Sprintf("%+v", summarize(t, m))
			var at []string
			copies := t.TempDir()
			apply.OnStep(m, func(step string) { // what the directory is now is what a crash would leave
				at = append(at, step)
				if err := os.CopyFS(filepath.Join(copies, step), os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
			})
			if err := m.Restore(t.Context(), bytes.NewReader(image)); err != nil {
				t.Fatal(err)
			}
			if len(at) < 6 {
				t.Fatalf("steps %q", at)
			}
			seen := map[raft.Index]int{}
			for _, step := range at {
				crashed := c.machine(t, filepath.Join(copies, step))
				index := crashed.Applied().Index
				if got := fmt.Sprintf("%+v", summarize(t, crashed)); got != want[index] {
					t.Errorf("crash at %q: at %d got %s\nwant %s", step, index, got, want[index])
				}
				seen[index]++
				if err := crashed.Close(); err != nil {
					t.Fatal(err)
				}
				if dirs, err := filepath.Glob(filepath.Join(copies, step, "[0-9]*")); err != nil || len(dirs) != 1 {
					t.Errorf("crash at %q: %q are left, %v", step, dirs, err)
				}
			}
			if len(seen) != 2 {
				t.Errorf("states at %v were seen, want two", seen)
			}
		})
	}
}

func TestAnImageThatIsNoneLeavesTheOldState(t *testing.T) {
	_, image := filled(t, combos()[0], "", 50, "new")
	c := combos()[4]
	dir := t.TempDir()
	m, _ := filled(t, c, dir, 20, "old")
	defer m.Close()
	want := fmt.Sprintf("%+v", summarize(t, m))
	flipped := bytes.Clone(image)
	flipped[len(flipped)/2] ^= 1
	ended, end := context.WithCancel(t.Context())
	end()
	for name, try := range map[string]func() error{
		"cut":     func() error { return m.Restore(t.Context(), bytes.NewReader(image[:len(image)/2])) },
		"flipped": func() error { return m.Restore(t.Context(), bytes.NewReader(flipped)) },
		"empty":   func() error { return m.Restore(t.Context(), bytes.NewReader(nil)) },
		"too long": func() error {
			return m.Restore(t.Context(), io.MultiReader(bytes.NewReader(image), bytes.NewReader(image)))
		},
		"ended": func() error { return m.Restore(ended, bytes.NewReader(image)) },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: restored", name)
		}
		if got := fmt.Sprintf("%+v", summarize(t, m)); got != want {
			t.Errorf("%s: got %s\nwant %s", name, got, want)
		}
		if dirs, err := filepath.Glob(filepath.Join(dir, "[0-9]*")); err != nil || len(dirs) != 1 {
			t.Errorf("%s: %q are left, %v", name, dirs, err)
		}
	}
	(&log{t, m, m.Applied().Index + 1}).do(put("more", "1"))
}

func TestReadersOfAReplacedStateAreToldSo(t *testing.T) {
	_, image := filled(t, combos()[0], "", 50, "new")
	m, _ := filled(t, combos()[0], "", 20, "old")
	defer m.Close()
	before, err := m.View()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := before.Hub.Stream()
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := m.Save()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- m.Restore(t.Context(), bytes.NewReader(image)) }()
	<-before.Replaced
	if _, err := pinned.WriteTo(io.Discard); !errors.Is(err, apply.ErrReplaced) {
		t.Errorf("the image: %v", err)
	}
	select {
	case err := <-done:
		t.Errorf("restored with an image of the old state open: %v", err)
	default:
	}
	var res apply.RangeResult // the new state is there already
	if err := m.Range(&apply.Range{Key: []byte("key049")}, &res); err != nil || res.Count != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	if err := pinned.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Next(t.Context()); !errors.Is(err, mvcc.ErrWatchEnded) {
		t.Errorf("the stream: %v", err)
	}
	after, err := m.View()
	if err != nil || after.Hub == before.Hub {
		t.Errorf("the same hub, %v", err)
	}
}

func TestADirectoryOfSomethingElseIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "CURRENT"), []byte("elsewhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := combos()[1]
	if _, err := apply.Open(t.Context(), apply.Config{Dir: dir, Open: c.open, Index: c.index}); !errors.Is(err, apply.ErrState) {
		t.Errorf("%v", err)
	}
}
