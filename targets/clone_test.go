package targets_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/etalon-kv/etalon/targets"
)

func TestCloneCopiesATreeAndLeavesNothingWhenItFails(t *testing.T) {
	src := t.TempDir()
	if err := os.MkdirAll(filepath.Join(src, "data", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"LOCK": "", "data/a": "alpha", "data/deep/b": "beta"} {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dst := filepath.Join(t.TempDir(), "copy")
	n, err := targets.Clone(t.Context(), dst, src)
	if err != nil || n != 9 {
		t.Fatalf("copied %d bytes, %v; want 9", n, err)
	}
	if text, err := os.ReadFile(filepath.Join(dst, "data", "deep", "b")); string(text) != "beta" || err != nil {
		t.Errorf("data/deep/b: %q, %v", text, err)
	}
	if _, err := targets.Clone(t.Context(), dst, src); err == nil {
		t.Error("cloned over something that is there")
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	other := filepath.Join(t.TempDir(), "stopped")
	if _, err := targets.Clone(stopped, other, src); err == nil {
		t.Error("a stopped clone was called done")
	}
	if _, err := os.Stat(other); !os.IsNotExist(err) {
		t.Errorf("a stopped clone left %s: %v", other, err)
	}
	if err := os.Symlink("/", filepath.Join(src, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := targets.Clone(t.Context(), filepath.Join(t.TempDir(), "x"), src); err == nil {
		t.Error("a symbolic link was followed or dropped")
	}
}
