package badger

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine/enginetest"
)

// mapped is how many KiB of the file are in this process's page table.
func mapped(t *testing.T, path string) (kib int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	must(t, err)
	defer f.Close()
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var n int
		switch name, rest, _ := strings.Cut(lines.Text(), " "); {
		case strings.Contains(name, "-"):
			inside = strings.HasSuffix(rest, path)
		case inside && name == "Rss:":
			_, err := fmt.Sscan(rest, &n)
			must(t, err)
			kib += n
		}
	}
	return kib
}

func TestAWrittenLogIsUnmappedAndStillThere(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(dir, Options{})
	must(t, err)
	const keys, value = 400, 50_000
	want := map[string]string{}
	for i := range keys {
		k, v := fmt.Sprintf("key%06d", i), strings.Repeat(string(rune('a'+i%26)), value)
		want[k] = v
		must(t, enginetest.Put(b, false, 1, k, v))
	}
	bb := b.(*backend)
	fid, at := bb.mem.log()
	if at.end < keys*value {
		t.Fatalf("log %d has %d bytes", fid, at.end)
	}
	// Pages come into the table in pieces of up to 2 MiB.
	if kib := mapped(t, filepath.Join(bb.dir.Path(), fmt.Sprintf("%05d.mem", fid))); kib == 0 || kib > 4<<10 {
		t.Errorf("of %d KiB in the log %d are mapped, want some and no more than 4096", at.end>>10, kib)
	}
	must(t, b.Sync())
	// As a kill leaves it.
	killed := t.TempDir()
	must(t, os.CopyFS(killed, os.DirFS(dir)))
	must(t, b.Close())
	again, err := Open(killed, Options{})
	must(t, err)
	got, err := enginetest.Content(again, 1)
	must(t, err)
	for k, v := range want {
		if got[k] != v {
			t.Fatalf("%s has %d bytes of something else", k, len(got[k]))
		}
	}
	must(t, again.Close())
}
