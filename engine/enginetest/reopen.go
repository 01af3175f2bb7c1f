package enginetest

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

func testReopen(t *testing.T, h Harness) {
	h.persistent(t)
	t.Run("everything is there after a Close, synced or not", func(t *testing.T) {
		dir := t.TempDir()
		m := model{}
		r := rand.New(rand.NewPCG(3, 3))
		for range 4 {
			b := h.open(t, dir)
			m.now(t, b)
			w := b.NewBatch()
			for i := range 20 {
				w.Reset()
				randomBatch(r, twin{w, m})
				must(t, b.Apply(w, i == 7))
			}
			m.now(t, b)
			must(t, b.Close())
		}
		m.now(t, h.open(t, dir))
	})
	t.Run("an open and a Close without a write change no content", func(t *testing.T) {
		dir := t.TempDir()
		b := h.open(t, dir)
		put(t, b, s255, "\xff", "v")
		must(t, b.Close())
		for range 3 {
			must(t, h.open(t, dir).Close())
		}
		model{s255: {"\xff": "v"}}.now(t, h.open(t, dir))
	})
	t.Run("a deletion stays one", func(t *testing.T) {
		dir := t.TempDir()
		b := h.open(t, dir)
		apply(t, b, true, func(w engine.Batch) {
			for _, key := range []string{"a", "b", "c", "d"} {
				w.Set(s1, []byte(key), []byte("v"))
			}
		})
		apply(t, b, false, func(w engine.Batch) {
			w.Delete(s1, []byte("a"))
			w.DeleteRange(s1, []byte("c"), nil)
		})
		must(t, b.Close())
		model{s1: {"b": "v"}}.now(t, h.open(t, dir))
	})
}

func testDirectory(t *testing.T, h Harness) {
	h.persistent(t)
	t.Run("a second Backend of the process is ErrInUse until the first is closed", func(t *testing.T) {
		dir := t.TempDir()
		b := h.open(t, dir)
		for range 2 {
			_, err := h.Open(t, dir)
			wantErr(t, "second Open", err, engine.ErrInUse)
		}
		put(t, b, s1, "goes", "on")
		must(t, b.Close())
		model{s1: {"goes": "on"}}.now(t, h.open(t, dir))
	})
	t.Run("a second process is refused until the first has ended", func(t *testing.T) {
		dir := t.TempDir()
		b := h.open(t, dir)
		c := startChild(t, "open", dir)
		if line, _ := c.next(childWait); !regexp.MustCompile(engine.ErrInUse.Error()).MatchString(line) {
			t.Errorf("the other process says %q, want %v\n%s", line, engine.ErrInUse, &c.output)
		}
		c.kill()
		must(t, b.Close())
		c = startChild(t, "open", dir)
		if line, _ := c.next(childWait); line != "open" {
			t.Fatalf("the other process says %q, want open", line)
		}
		_, err := h.Open(t, dir)
		wantErr(t, "Open beside the other process", err, engine.ErrInUse)
		c.kill()
		must(t, h.open(t, dir).Close())
	})
	t.Run("a missing directory is made, with its parents, and a relative one works", func(t *testing.T) {
		root := t.TempDir()
		must(t, h.open(t, filepath.Join(root, "a", "b")).Close())
		t.Chdir(root)
		b := h.open(t, filepath.Join("a", "b"))
		t.Chdir("/")
		put(t, b, s1, "k", "v")
		must(t, b.Sync())
		must(t, b.Close())
	})
	t.Run("somebody else's directory is ErrForeignDir, and nothing in it is touched", func(t *testing.T) {
		refusedUntouched(t, h, engine.ErrForeignDir, func(dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "MANIFEST"), []byte("somebody's"), 0o600))
		})
		refusedUntouched(t, h, engine.ErrForeignDir, func(dir string) {
			d, err := engine.OpenDir(dir, "somebody", 1, nil)
			must(t, err)
			must(t, d.Close())
		})
	})
	t.Run("a newer format is ErrNewerFormat, and nothing in it is touched", func(t *testing.T) {
		refusedUntouched(t, h, engine.ErrNewerFormat, func(dir string) {
			b := h.open(t, dir)
			put(t, b, s1, "k", "v")
			must(t, b.Close())
			marker := filepath.Join(filepath.Dir(engine.DataPath(dir)), "FORMAT")
			text, err := os.ReadFile(marker)
			must(t, err)
			format := regexp.MustCompile(`format (\d+)\n$`).FindSubmatchIndex(text)
			if format == nil {
				t.Fatalf("marker %q", text)
			}
			n, _ := strconv.Atoi(string(text[format[2]:format[3]]))
			must(t, os.WriteFile(marker, strconv.AppendInt(text[:format[2]:format[2]], int64(n+1), 10), 0o600))
			f, err := os.OpenFile(marker, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString("\n")
			must(t, errors.Join(err, f.Close()))
		})
	})
	t.Run("a file in the place of the directory is an error", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(path, []byte("x"), 0o600))
		if _, err := h.Open(t, path); err == nil {
			t.Error("Open works")
		}
	})
}

// refusedUntouched opens what build made, wants the error, and compares every byte after it.
func refusedUntouched(t *testing.T, h Harness, want error, build func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	build(dir)
	before := treeOf(t, dir)
	_, err := h.Open(t, dir)
	wantErr(t, "Open", err, want)
	if after := treeOf(t, dir); !maps.EqualFunc(before, after, bytes.Equal) {
		t.Errorf("the directory has changed: %d entries before, %d after", len(before), len(after))
	}
}

// treeOf returns every path below root with its content.
func treeOf(t *testing.T, root string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	must(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			all[path] = []byte("directory")
			return err
		}
		all[path], err = os.ReadFile(path)
		return err
	}))
	return all
}
