package targets

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheDeviceCountsWhatIsSynced(t *testing.T) {
	if got := deviceCounter("/proc")(); got != -1 {
		t.Errorf("device of /proc: %d, want unknown", got)
	}
	dir := t.TempDir()
	count := deviceCounter(dir)
	before := count()
	if before < 0 {
		t.Skipf("%s is on no block device", dir)
	}
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 8 << 20
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if wrote := count() - before; wrote < size { // others may have written too
		t.Errorf("%d bytes counted for a synced file of %d", wrote, size)
	}
}

func TestABrokenStatFileIsUnknown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stat")
	for _, text := range []string{"", "1 2 3", "1 2 3 4 5 6 x 8"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := readDevice(path); got != -1 {
			t.Errorf("%q: %d, want unknown", text, got)
		}
	}
}
