package bolt

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

func mustOpen(t *testing.T, dir string, o Options) *store {
	t.Helper()
	b, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return b.(*store)
}

func mustClose(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// write applies n keys from first on with values of size bytes.
func write(s *store, first, n, size int) error {
	b := s.NewBatch()
	for i := first; i < first+n; i++ {
		b.Set(3, fmt.Appendf(nil, "key%08d", i), make([]byte, size))
	}
	return s.Apply(b, true)
}

func count(t *testing.T, s *store) int {
	t.Helper()
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, sn)
	it, n := sn.Scan(3, nil, nil), 0
	for it.Next() {
		n++
	}
	mustClose(t, it)
	return n
}

func dataFile(dir string) string { return filepath.Join(engine.DataPath(dir), fileName) }

func TestOptionsRefuseNonsense(t *testing.T) {
	for _, c := range []struct {
		o    Options
		says string
	}{
		{Options{PageBytes: 3000}, "pageBytes is 3000"},
		{Options{PageBytes: 512}, "pageBytes is 512"},
		{Options{MapBytes: -1}, "mapBytes is -1"},
		{Options{GrowBytes: 1}, "growBytes is 1"},
		{Options{Freelist: "tree"}, `freelist is "tree"`},
		{Options{FillPercent: 50}, "fillPercent is 50"},
		{Options{LockTimeout: -time.Second}, "lockTimeout is -1s"},
		{Options{Options: engine.Options{CacheBytes: -1}}, "cacheBytes is -1"},
	} {
		dir := filepath.Join(t.TempDir(), "store")
		if _, err := Open(dir, c.o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want an error that says %q", c.o, err, c.says)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%+v: refused, but %s was made", c.o, dir)
		}
	}
}

func TestOptionsRecordWhatIsEffective(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{PageBytes: 8192})
	mustClose(t, s)
	s = mustOpen(t, dir, Options{PageBytes: 4096, Freelist: FreelistArray, NoFreelistSync: true})
	defer mustClose(t, s)
	for name, want := range map[string]string{
		"pageBytes": "8192", "freelist": "array", "noFreelistSync": "true", "fillPercent": "1 for keys in order, else 0.5", "mapBytes": "1099511627776",
	} {
		if got := s.Options()[name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"a missing file":              os.Remove,
		"an empty file":               func(p string) error { return os.Truncate(p, 0) },
		"a file without its end":      func(p string) error { return os.Truncate(p, 3*4096) },
		"a file with no meta page":    func(p string) error { return overwrite(p, 0, make([]byte, 2*4096)) },
		"a file of something else":    func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("x", 1<<16)), 0o600) },
		"a file with a zero freelist": func(p string) error { return overwrite(p, 2*4096, make([]byte, 1<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir, Options{PageBytes: 4096})
			if err := write(s, 0, 100, 1000); err != nil {
				t.Fatal(err)
			}
			mustClose(t, s)
			if err := damage(dataFile(dir)); err != nil {
				t.Fatal(err)
			}
			b, err := Open(dir, Options{PageBytes: 4096})
			if err == nil {
				b.Close()
			}
			if !errors.Is(err, engine.ErrCorrupt) {
				t.Fatalf("Open = %v, want ErrCorrupt", err)
			}
			if name == "a missing file" {
				if _, err := os.Stat(dataFile(dir)); err == nil {
					t.Error("a new file was made in its place")
				}
			}
			if _, err := Open(dir, Options{}); errors.Is(err, engine.ErrInUse) {
				t.Error("the refused Open kept the directory")
			}
		})
	}
}

func overwrite(path string, at int64, with []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(with, at)
	return err
}

// Wrong answers cannot be told from right ones without checksums; this holds that no damage ends
// the process or passes for another error. What decides where bbolt descends is spared (the kind of
// every page, the pointers of branch pages and how many there are): one that leads back to a page
// above it makes bbolt descend for ever, as the package comment says.
func TestDamagedPagesNeverPanic(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{PageBytes: 4096})
	if err := write(s, 0, 2000, 100); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	good, err := os.ReadFile(dataFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	r := seedtest.Rand(t)
	refused, ended := 0, 0
	for range 60 {
		bad := append([]byte(nil), good...)
		for range 20 { // in the headers of pages, where it hurts
			page := 2 + r.IntN(min(len(bad), int(s.Stats().LiveBytes))/4096-2)
			at := r.IntN(64)
			branch := good[page*4096+8] == 1 // by its flags, two bytes; then the count, two bytes
			if at == 8 || at == 9 || branch && (at >= 16 || at == 10 || at == 11) {
				continue
			}
			bad[page*4096+at] ^= 1 << r.IntN(8)
		}
		if err := os.WriteFile(dataFile(dir), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := Open(dir, Options{})
		if err != nil {
			if !errors.Is(err, engine.ErrCorrupt) {
				t.Fatalf("Open: %v", err)
			}
			refused++
			continue
		}
		if readAll(t, b) {
			ended++
		}
		mustClose(t, b)
	}
	if refused+ended == 0 {
		t.Error("no damage was ever noticed")
	}
}

// readAll reads in every way and tells whether something was found to be corrupt.
func readAll(t *testing.T, b engine.Backend) (found bool) {
	sn, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, sn)
	check := func(err error) {
		if errors.Is(err, engine.ErrCorrupt) {
			found = true
		} else if err != nil && !errors.Is(err, engine.ErrNotFound) {
			t.Fatalf("%v, want ErrCorrupt", err)
		}
	}
	for _, it := range []engine.Iterator{sn.Scan(3, nil, nil), sn.ScanBack(3, nil, nil)} {
		for n := 0; n < 10_000 && it.Next(); n++ { // damaged pages can make a ring
		}
		check(it.Close())
	}
	for i := 0; i < 2000; i += 50 { // one or more a leaf; a fault in the map is dear
		_, err := sn.Get(nil, 3, fmt.Appendf(nil, "key%08d", i))
		check(err)
	}
	return found
}

func TestGrowthNeverWaitsForAReader(t *testing.T) {
	t.Run("a file grows far beyond bbolt's first map under an open Snapshot", func(t *testing.T) {
		s := mustOpen(t, t.TempDir(), Options{})
		defer mustClose(t, s)
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		defer mustClose(t, sn)
		if err := write(s, 0, 200, 20_000); err != nil { // would hang here
			t.Fatal(err)
		}
	})
	t.Run("a file that would outgrow mapBytes fails, and reopens with more", func(t *testing.T) {
		dir := t.TempDir()
		o := Options{PageBytes: 4096, MapBytes: 1 << 20, GrowBytes: 4096}
		s := mustOpen(t, dir, o)
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; n < 1000; n++ {
			if err = write(s, n, 1, 20_000); err != nil {
				break
			}
		}
		if !errors.Is(err, engine.ErrFailed) || !strings.Contains(err.Error(), "mapBytes") {
			t.Fatalf("after %d batches: %v, want ErrFailed that names mapBytes", n, err)
		}
		if err := s.Sync(); !errors.Is(err, engine.ErrFailed) {
			t.Errorf("Sync afterwards: %v, want ErrFailed", err)
		}
		if got := count(t, s); got != n {
			t.Errorf("%d keys are visible, want %d", got, n)
		}
		mustClose(t, sn)
		mustClose(t, s)
		s = mustOpen(t, dir, o)
		defer mustClose(t, s)
		if got := count(t, s); got != n {
			t.Errorf("%d keys after reopening, want %d", got, n)
		}
		if err := write(s, n, 10, 20_000); err != nil {
			t.Error(err)
		}
	})
}

func TestFailedWriteIsFinal(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if err := write(s, 0, 10, 10); err != nil {
		t.Fatal(err)
	}
	s.db.os.Close() // every write and sync of bbolt fails from here on
	for range 2 {
		if err := write(s, 10, 10, 10); !errors.Is(err, engine.ErrFailed) {
			t.Fatalf("Apply = %v, want ErrFailed", err)
		}
	}
	if got := count(t, s); got != 10 {
		t.Errorf("%d keys are visible, want 10", got)
	}
	s.Close()
	s = mustOpen(t, dir, Options{})
	defer mustClose(t, s)
	if got := count(t, s); got != 10 {
		t.Errorf("%d keys after reopening, want 10", got)
	}
}

func TestWrittenBytesAreWhatTheKernelSaw(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc/self/io")
	}
	s := mustOpen(t, t.TempDir(), Options{})
	defer mustClose(t, s)
	before, kernelBefore := s.written.Load(), kernelWrites(t)
	for i := range 20 {
		if err := write(s, i*50, 100, 10+i*300); err != nil {
			t.Fatal(err)
		}
	}
	got, want := s.written.Load()-before, kernelWrites(t)-kernelBefore
	// go test writes down every look-up of an environment variable, and bbolt makes one for each
	// page that it frees: a few KiB. A meta page a commit would be 80 KiB.
	if got > want || got < want-32<<10 {
		t.Errorf("WrittenBytes grew by %d, the kernel counted %d", got, want)
	}
}

// kernelWrites is what this process handed to write calls.
func kernelWrites(t *testing.T) int64 {
	fd, err := syscall.Open("/proc/self/io", syscall.O_RDONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer syscall.Close(fd)
	text := make([]byte, 4096)
	n, err := syscall.Read(fd, text)
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text[:n])) {
		if rest, ok := strings.CutPrefix(line, "wchar: "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Skip("/proc/self/io has no wchar")
	return 0
}

// TestKeysInOrderFillTheirPages: an engine that leaves half of each page free writes twice as much
// for those who only append.
func TestKeysInOrderFillTheirPages(t *testing.T) {
	value := make([]byte, 300)
	perByte := func(o Options, from, step int) float64 {
		s := mustOpen(t, t.TempDir(), o)
		defer mustClose(t, s)
		bytes := 0
		for batch := range 20 {
			b := s.NewBatch()
			for i := range 200 {
				b.Set(1, fmt.Appendf(nil, "%08d", from+step*(200*batch+i)), value)
			}
			bytes += b.SizeBytes()
			if err := s.Apply(b, true); err != nil {
				t.Fatal(err)
			}
		}
		return float64(s.Stats().LiveBytes) / float64(bytes)
	}
	for _, c := range []struct {
		name        string
		o           Options
		from, step  int
		least, most float64
	}{
		{"ascending", Options{}, 0, 1, 1, 1.2},
		{"ascending, half full", Options{FillPercent: 0.5}, 0, 1, 1.7, 2.4},
		{"descending", Options{}, 4000, -1, 1.5, 2.4},
	} {
		if got := perByte(c.o, c.from, c.step); got < c.least || got > c.most {
			t.Errorf("%s: %.2f bytes live a byte of content, want %.1f to %.1f", c.name, got, c.least, c.most)
		}
	}
}

// The size of the file is seldom looked at, but no growth of it is missed.
func TestStatsCountTheSyncsOfAGrowingFile(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, Options{GrowBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(engine.DataPath(dir), "data.bolt"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	r, want, grown := rand.New(rand.NewPCG(1, 1)), db.Stats().Syncs, 0
	b := db.NewBatch()
	for range 300 {
		before := size()
		b.Reset()
		for range r.IntN(10) + 1 {
			b.Set(1, fmt.Appendf(nil, "%05d", r.IntN(5000)), make([]byte, 300))
		}
		if err := db.Apply(b, true); err != nil {
			t.Fatal(err)
		}
		want += 2
		if size() > before {
			want++
			grown++
		}
		if got := db.Stats().Syncs; got != want {
			t.Fatalf("%d syncs, want %d, in a file of %d bytes", got, want, size())
		}
	}
	if grown < 5 {
		t.Fatalf("the file has grown %d times", grown)
	}
	disk := db.Stats().DiskBytes
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := db.Stats().DiskBytes; got != disk || got == 0 {
		t.Fatalf("after Close the file takes %d bytes, before it took %d", got, disk)
	}
}
