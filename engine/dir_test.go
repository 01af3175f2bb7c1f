package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openTest opens dir as engine "bolt", format 1, with an init that leaves one file.
func openTest(dir string) (*Dir, error) {
	return OpenDir(dir, "bolt", 1, func(tmp string) error {
		return os.WriteFile(filepath.Join(tmp, "db"), []byte("first"), 0o600)
	})
}

// tree returns path → mode and content of everything below root, to compare before and after.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		desc := info.Mode().String() + info.ModTime().String()
		if e.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			desc += string(text)
		}
		all[path] = desc
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sameTree(t *testing.T, root string, before map[string]string) {
	t.Helper()
	after := tree(t, root)
	for path, desc := range before {
		if after[path] != desc {
			t.Errorf("%s changed:\n%q\n%q", path, desc, after[path])
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			t.Errorf("%s is new", path)
		}
	}
}

func mustOpen(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := openTest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// checkStore opens dir, finds what init left, and closes it.
func checkStore(t *testing.T, dir string) {
	t.Helper()
	d := mustOpen(t, dir)
	if text, err := os.ReadFile(filepath.Join(d.Path(), "db")); err != nil || string(text) != "first" {
		t.Errorf("db = %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, newName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there", newName)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second Close = %v, want ErrClosed", err)
	}
}

func TestDirOpens(t *testing.T) {
	t.Run("a directory whose parents are missing", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a", "b")
		checkStore(t, dir)
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("mode %v, %v, want 0700", info.Mode(), err)
		}
		checkStore(t, dir)
	})
	t.Run("a relative path, and keeps it through a chdir", func(t *testing.T) {
		t.Chdir(t.TempDir())
		d := mustOpen(t, "x")
		t.Chdir("/")
		if _, err := os.Stat(filepath.Join(d.Path(), "db")); err != nil {
			t.Error(err)
		}
		d.Close()
	})
	t.Run("an older format, and says so", func(t *testing.T) {
		dir := t.TempDir()
		checkStore(t, dir)
		d, err := OpenDir(dir, "bolt", 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if d.Format() != 1 {
			t.Errorf("Format() = %d, want 1", d.Format())
		}
	})
	t.Run("the root of a fresh file system", func(t *testing.T) {
		dir := t.TempDir()
		os.Mkdir(filepath.Join(dir, lostName), 0o700)
		checkStore(t, dir)
	})
	t.Run("only once at a time", func(t *testing.T) {
		dir := t.TempDir()
		d := mustOpen(t, dir)
		if _, err := openTest(dir); !errors.Is(err, ErrInUse) {
			t.Errorf("second open = %v, want ErrInUse", err)
		}
		d.Close()
		checkStore(t, dir)
	})
}

func TestDirAfterACrash(t *testing.T) {
	full := func(files ...string) func(dir string) error {
		return func(dir string) error {
			for _, f := range files {
				path := filepath.Join(dir, f)
				var err error
				if name, isDir := strings.CutSuffix(path, "/"); isDir || strings.HasSuffix(f, "/") {
					err = os.MkdirAll(name, 0o700)
				} else if filepath.Base(f) == markerName {
					err = os.WriteFile(path, marker{engine: "bolt", format: 1}.encode(), 0o600)
				} else if filepath.Base(f) == "db" {
					err = os.WriteFile(path, []byte("first"), 0o600)
				} else {
					err = os.WriteFile(path, nil, 0o600)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	states := []struct {
		name  string
		build func(dir string) error
	}{
		{"after the directory was made", full()},
		{"after the lock was made", full("LOCK")},
		{"after store.new was made", full("LOCK", "store.new/")},
		{"before the marker was made", full("LOCK", "store.new/", "store.new/data/")},
		{"while the marker was written", func(dir string) error {
			if err := full("LOCK", "store.new/", "store.new/data/")(dir); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, newName, markerName), []byte("eta"), 0o600)
		}},
		{"while the engine made its files", full("LOCK", "store.new/", "store.new/data/", "store.new/FORMAT", "store.new/data/half")},
		{"before the rename", full("LOCK", "store.new/", "store.new/data/", "store.new/FORMAT", "store.new/data/db")},
		{"while leftovers were removed, data first", full("LOCK", "store.new/", "store.new/FORMAT")},
		{"after the rename", full("LOCK", "store/", "store/data/", "store/FORMAT", "store/data/db")},
		{"when the lock was lost in a copy", full("store/", "store/data/", "store/FORMAT", "store/data/db")},
	}
	for _, s := range states {
		t.Run("opens "+s.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := s.build(dir); err != nil {
				t.Fatal(err)
			}
			checkStore(t, dir)
		})
	}
	t.Run("opens after a first start that failed", func(t *testing.T) {
		dir := t.TempDir()
		cause := errors.New("no luck")
		_, err := OpenDir(dir, "bolt", 1, func(tmp string) error {
			os.WriteFile(filepath.Join(tmp, "half"), nil, 0o600)
			return cause
		})
		if !errors.Is(err, cause) {
			t.Fatalf("open = %v, want the error of init", err)
		}
		checkStore(t, dir)
	})
}

func TestDirRefuses(t *testing.T) {
	write := func(name, text string) func(dir string) {
		return func(dir string) {
			path := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(path), 0o700)
			os.WriteFile(path, []byte(text), 0o600)
		}
	}
	cases := []struct {
		name  string
		build func(dir string)
		want  error
		says  string
	}{
		{"somebody's file", write("letter.txt", "dear"), ErrForeignDir, "letter.txt"},
		{"somebody's directory", write("src/main.go", "x"), ErrForeignDir, "src"},
		{"a lock file with content", write("LOCK", "123"), ErrForeignDir, "LOCK"},
		{"a store.new without a lock", write("store.new/FORMAT", "x"), ErrForeignDir, "store.new"},
		{"a store without a marker", write("store/x", "x"), ErrForeignDir, "FORMAT is missing"},
		{"a file called store", write("store", "x"), ErrForeignDir, "FORMAT is missing"},
		{"a marker of something else", write("store/FORMAT", "6\n"), ErrForeignDir, "not a marker"},
		{"another engine's store", write("store/FORMAT", "etalon engine directory 1\nengine pebble\nformat 1\n"), ErrForeignDir, "store of pebble, not of bolt"},
		{"a newer format", write("store/FORMAT", "etalon engine directory 1\nengine bolt\nformat 2\n"), ErrNewerFormat, "format 2"},
		{"a newer layout", write("store/FORMAT", "etalon engine directory 2\nwho knows\n"), ErrNewerFormat, "layout 2"},
		{"a cut marker", write("store/FORMAT", "etalon engine directory 1\nengine bolt\n"), ErrCorrupt, "FORMAT"},
		{"a marker with something behind it", write("store/FORMAT", "etalon engine directory 1\nengine bolt\nformat 1\nx"), ErrCorrupt, "FORMAT"},
	}
	for _, c := range cases {
		t.Run(c.name+", and touches nothing", func(t *testing.T) {
			dir := t.TempDir()
			c.build(dir)
			before := tree(t, dir)
			_, err := openTest(dir)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("open = %v, want %v with %q", err, c.want, c.says)
			}
			sameTree(t, dir, before)
		})
	}
	t.Run("a file in the place of the directory", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		os.WriteFile(path, []byte("x"), 0o600)
		if _, err := openTest(path); err == nil {
			t.Error("opened a file")
		}
	})
	t.Run("an empty path", func(t *testing.T) {
		if _, err := openTest(""); err == nil {
			t.Error("opened nothing")
		}
	})
	for _, bad := range []marker{{"", 1}, {"a b", 1}, {"bolt", 0}} {
		t.Run("the engine name "+bad.engine, func(t *testing.T) {
			if _, err := OpenDir(t.TempDir(), bad.engine, bad.format, nil); err == nil {
				t.Errorf("accepted %+v", bad)
			}
		})
	}
}
