package badger

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

func TestOneBitFlippedAnywhereNeverChangesAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		close bool // else the directory is one of a killed process
		part  string
	}{
		{"in a table", true, ".sst"},
		{"in the MANIFEST of a closed store", true, "MANIFEST"},
		{"in the MANIFEST of a killed store", false, "MANIFEST"},
		{"in the synced part of a log", false, ".mem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := seedtest.Rand(t)
			dir := t.TempDir()
			want, image := fillForRot(t, dir, r, c.close)
			rounds := 40
			if testing.Short() {
				rounds = 10
			}
			var refused, noticed, harmless int
			for range rounds {
				copyDir := t.TempDir()
				name := image.flip(t, copyDir, c.part, r)
				b, err := Open(copyDir, Options{MemTableBytes: 8 << 20})
				if err != nil {
					if refused++; !errors.Is(err, engine.ErrCorrupt) {
						t.Errorf("a flipped bit in %s: %v, want ErrCorrupt", name, err)
					}
					continue
				}
				got, err := enginetest.Content(b, 1)
				if err == nil {
					if diff := enginetest.Differ(want, got); diff != "" {
						t.Fatalf("a flipped bit in %s changed the content silently: %s", name, diff)
					}
					harmless++
				} else {
					noticed++
				}
				b.Close()
			}
			t.Logf("%d flips: %d refused at open, %d noticed by reads, %d without effect", rounds, refused, noticed, harmless)
			if refused+noticed == 0 {
				t.Error("no flip was noticed")
			}
		})
	}
}

// fillForRot leaves tables, and a log if the store is not closed, and returns the content of space
// 1 and the files. The last write is synced.
func fillForRot(t *testing.T, dir string, r *rand.Rand, closed bool) (map[string]string, tree) {
	want := make(map[string]string)
	for session := range 3 {
		b, err := Open(dir, Options{MemTableBytes: 8 << 20})
		must(t, err)
		for i := range 400 {
			key, value := fmt.Sprintf("key%05d", r.IntN(800)), fmt.Sprintf("%d-%0*d", i, r.IntN(1000), i)
			want[key] = value
			must(t, enginetest.Put(b, i%50 == 49, 1, key, value))
		}
		if session == 2 && !closed {
			image := readTree(t, dir)
			must(t, b.Close())
			return want, image
		}
		must(t, b.Close())
	}
	return want, readTree(t, dir)
}

// tree is the files of a directory, the empty ends of badger's sparse logs cut off.
type tree map[string][]byte

func readTree(t *testing.T, dir string) tree {
	files := make(tree)
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		data, err := os.ReadFile(path)
		if strings.HasSuffix(path, ".mem") || strings.HasSuffix(path, ".vlog") {
			data = append(bytes.TrimRight(data, "\x00"), make([]byte, 64)...)
		}
		files[rel] = data
		return err
	}))
	return files
}

// flip writes the tree to dir with one bit changed in one file whose name contains part, within a
// log's synced content, and returns its name.
func (f tree) flip(t *testing.T, dir, part string, r *rand.Rand) string {
	var names []string
	for name, data := range f {
		if strings.Contains(filepath.Base(name), part) && len(data) > 16 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("no %s to damage", part)
	}
	name := names[r.IntN(len(names))]
	size := len(f[name])
	if part == ".mem" {
		size -= 64
	}
	at := r.IntN(size)
	damaged := maps.Clone(f)
	damaged[name] = bytes.Clone(f[name])
	damaged[name][at] ^= 1 << r.IntN(8)
	damaged.write(t, dir)
	return fmt.Sprintf("%s at %d", name, at)
}

func (f tree) write(t *testing.T, dir string) {
	for path, data := range f {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, path), bytes.TrimRight(data, "\x00"), 0o600))
		must(t, os.Truncate(filepath.Join(dir, path), int64(len(data)))) // sparse, as badger's are
	}
}

func FuzzLastWhole(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(make([]byte, logHeader), 0x80, 0, 1, 1, 0, 'k', 'v', 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		if end := lastWhole(data).end; int(end) > max(len(data), logHeader) {
			t.Errorf("whole up to %d of %d bytes", end, len(data))
		}
	})
}
