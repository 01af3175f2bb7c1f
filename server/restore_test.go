package server_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/bolt"
	"github.com/etalon-kv/etalon/mvcc/index/packed"
	"github.com/etalon-kv/etalon/server"
)

// snapshotOf saves what m has as the bytes of a file.
func snapshotOf(t *testing.T, m *member) []byte {
	t.Helper()
	r, err := m.client.Snapshot(t.Context())
	must(t, err)
	text, err := io.ReadAll(r)
	must(t, err)
	must(t, r.Close())
	return text
}

func restoring(dir string) server.Restoring {
	return server.Restoring{
		Dir: dir, Name: "a", Token: "new", PeerURLs: []string{"http://127.0.0.1:3"},
		Cluster: map[string][]string{"a": {"http://127.0.0.1:3"}, "b": {"http://127.0.0.1:4"}}, Engine: "bolt",
		State: apply.Config{Open: func(dir string) (engine.Backend, error) { return bolt.Open(dir, bolt.Options{}) }, Index: packed.New},
	}
}

// restore restores the file at path and returns how that ended.
func restore(t *testing.T, path string, c server.Restoring) error {
	t.Helper()
	f, err := server.OpenSnapshotFile(path, false)
	if err != nil {
		return err
	}
	return errors.Join(server.Restore(t.Context(), c, f), f.Close())
}

func TestARestoreIsThereWholeOrNotAtAll(t *testing.T) {
	m := start(t, nil)
	_, err := m.client.Put(t.Context(), "k", "v")
	must(t, err)
	path := filepath.Join(t.TempDir(), "snapshot")
	must(t, os.WriteFile(path, snapshotOf(t, m), 0o600))

	dir := filepath.Join(t.TempDir(), "data")
	crashes := t.TempDir()
	var steps []string
	c := restoring(dir)
	c.OnStep(func(step string) {
		steps = append(steps, step)
		must(t, os.CopyFS(filepath.Join(crashes, step), os.DirFS(dir)))
	})
	must(t, restore(t, path, c))
	if want := []string{"opened", "restored", "built"}; !slices.Equal(steps, want) {
		t.Fatalf("steps %q, want %q", steps, want)
	}
	for _, step := range steps {
		t.Run("a crash at "+step, func(t *testing.T) {
			at := filepath.Join(crashes, step)
			if _, err := os.Stat(filepath.Join(at, "member")); err == nil {
				t.Error("half a member is there")
			}
			// No empty member begins where the other one was to be.
			_, err := server.StartNode(t.Context(), server.NodeConfig{Dir: at, Name: "a", Token: "new", Engine: "bolt", Cluster: restoring(at).Cluster})
			if !errors.Is(err, server.ErrRestoring) {
				t.Errorf("a member starts beside it: %v", err)
			}
			if list, _ := os.ReadDir(at); len(list) != 1 || list[0].Name() != "member.restoring" {
				t.Errorf("after a start there is %v", list)
			}
			must(t, restore(t, path, restoring(at)))
			if list, _ := os.ReadDir(at); len(list) != 1 || list[0].Name() != "member" {
				t.Errorf("after another try there is %v", list)
			}
		})
	}
	t.Run("a directory with something in it is refused and stays", func(t *testing.T) {
		if err := restore(t, path, restoring(dir)); !errors.Is(err, server.ErrNotEmpty) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "member", "identity")); err != nil {
			t.Error(err)
		}
	})
}

func TestAlteredAndTornSnapshotsAreRefusedAndLeaveNothing(t *testing.T) {
	m := start(t, nil)
	_, err := m.client.Put(t.Context(), "k", "v")
	must(t, err)
	whole := snapshotOf(t, m)
	resummed := func(b []byte) []byte { // by somebody who knows how
		sum := sha256.Sum256(b)
		return append(b, sum[:]...)
	}
	image := whole[:len(whole)-sha256.Size]
	flipped := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	bbolt := make([]byte, 4096)
	copy(bbolt[16:], "\xed\xda\x0c\xed")
	for name, text := range map[string][]byte{
		"empty":                         {},
		"cut in the middle":             whole[:len(whole)/2],
		"without its sum":               image,
		"a bit of the image flipped":    flipped(whole, 100),
		"a bit of the sum flipped":      flipped(whole, len(whole)-1),
		"altered, with a sum that fits": resummed(flipped(image, 100)),
		"a page more":                   resummed(append(bytes.Clone(image), make([]byte, 512)...)),
		"something for padding":         resummed(flipped(image, len(image)-1)),
		"a file of etcd":                resummed(bbolt),
		"anything":                      bytes.Repeat([]byte("x"), 512+32),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "snapshot")
			must(t, os.WriteFile(path, text, 0o600))
			dir := filepath.Join(t.TempDir(), "data")
			if err := restore(t, path, restoring(dir)); !errors.Is(err, server.ErrSnapshotFile) && !errors.Is(err, engine.ErrBadStream) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a data directory is left")
			}
		})
	}
}
