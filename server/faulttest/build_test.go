package faulttest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// edit is a change of the sources that a binary is built from.
type edit struct {
	file     string // below the module
	old, new string // old occurs once
}

const module = "../.."

// edited returns the file with the change.
func (e *edit) edited(t *testing.T, text string) string {
	t.Helper()
	if n := strings.Count(text, e.old); n != 1 {
		t.Fatalf("what is to be replaced occurs %d times in %s: %q", n, e.file, e.old)
	}
	return strings.Replace(text, e.old, e.new, 1)
}

// build compiles the command, with edits. Without any, FAULTTEST_ETALON may name one that is there.
func build(t *testing.T, edits ...edit) string {
	t.Helper()
	if made := os.Getenv("FAULTTEST_ETALON"); made != "" && len(edits) == 0 {
		return made
	}
	dir := t.TempDir()
	args := []string{"build", "-ldflags=-s -w", "-o", filepath.Join(dir, "etalon")}
	if len(edits) > 0 {
		args = append(args, "-overlay", overlay(t, dir, edits))
	}
	cmd := exec.Command("go", append(args, "./cmd/etalon")...)
	cmd.Dir = module
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building etalon: %v\n%s", err, b)
	}
	return filepath.Join(dir, "etalon")
}

// overlay writes the edited files and what tells the compiler to take them.
func overlay(t *testing.T, dir string, edits []edit) string {
	t.Helper()
	texts := map[string]string{}
	for _, e := range edits {
		name, err := filepath.Abs(filepath.Join(module, e.file))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := texts[name]; !ok {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			texts[name] = string(b)
		}
		texts[name] = e.edited(t, texts[name])
	}
	replace := map[string]string{}
	for name, text := range texts {
		replace[name] = filepath.Join(dir, strings.ReplaceAll(filepath.ToSlash(name), "/", "_"))
		if err := os.WriteFile(replace[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(name, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
