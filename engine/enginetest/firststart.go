package enginetest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

func testFirstStart(t *testing.T, h Harness) {
	h.persistent(t)
	t.Run("a process killed at random moments of its first start leaves a directory that opens", func(t *testing.T) {
		r := seedtest.Rand(t)
		var opened time.Duration // how long a start takes that is not killed
		for i := range cycles(2, 6) {
			dir := filepath.Join(t.TempDir(), "new")
			start := time.Now()
			c := startChild(t, "first", dir)
			if i == 0 {
				if line, _ := c.next(childWait); line != "open" {
					t.Fatalf("the child says %q\n%s", line, &c.output)
				}
				opened = time.Since(start)
			} else {
				c.next(time.Duration(r.Int64N(int64(opened)*5/4) + 1)) // the random moment
			}
			checkFirstStart(t, h, dir, c.kill())
		}
	})
	t.Run("so does one killed at any call that changes files", func(t *testing.T) {
		strace := straceOrSkip(t)
		r := seedtest.Rand(t)
		runs := 0
		for n := 1; runs < cycles(4, 16); n++ {
			if n > 8 { // each of the first, where the directory itself is made; then some
				n += r.IntN(6)
			}
			dir := filepath.Join(t.TempDir(), "new")
			c := startChild(t, "first", dir, straceInject(strace,
				"mkdirat,renameat,unlinkat,fsync,fdatasync,ftruncate,fallocate,pwrite64,msync,flock", fmt.Sprintf("signal=KILL:when=%d", n))...)
			var lines []string
			for !slices.Contains(lines, "acked") {
				line, ok := c.next(childWait)
				if !ok {
					break
				}
				lines = append(lines, line)
			}
			survived := slices.Contains(lines, "acked")
			c.kill()
			checkFirstStart(t, h, dir, lines)
			runs++
			if survived {
				t.Logf("%d runs, the last one survived %d calls", runs, n)
				return
			}
		}
	})
}

// checkFirstStart opens what a killed first start left, and uses it.
func checkFirstStart(t *testing.T, h Harness, dir string, reports []string) {
	t.Helper()
	b, err := h.Open(t, dir)
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	if slices.Contains(reports, "acked") && count(t, b, s1) != 1 {
		t.Error("the synced key is gone")
	}
	apply(t, b, true, func(w engine.Batch) { w.Set(s7, []byte("k"), []byte("v")) })
	if n := count(t, b, s7); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
	must(t, b.Close())
}

// straceInject returns a command line that tampers with these system calls of a program.
func straceInject(strace, calls, how string) []string {
	// Not with --seccomp-bpf: strace 6.1 then injects no signals.
	return []string{strace, "-f", "-qqq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + how}
}

// straceOrSkip returns the path of a strace that may trace.
func straceOrSkip(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not on the PATH")
	}
	if out, err := exec.Command(path, "-f", "-qqq", "-o", "/dev/null", "-e", "trace=fsync", "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %v: %s", err, out)
	}
	return path
}
