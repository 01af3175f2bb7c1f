package mvcctest

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/mvcc"
)

// A child is the test binary started again with these set.
const (
	envTest = "ETALON_MVCCTEST_CHILD" // the name of the test that called Crash
	envDir  = "ETALON_MVCCTEST_DIR"
	envSeed = "ETALON_MVCCTEST_SEED"
)

var applied = []byte("applied")

// isChild tells whether this process is a child, and has it write until it is killed if this is
// its test.
func isChild(t *testing.T, h Harness) bool {
	name := os.Getenv(envTest)
	if name == "" {
		return false
	}
	if name != t.Name() {
		return true
	}
	seed, err := strconv.ParseUint(os.Getenv(envSeed), 10, 64)
	must(t, err)
	x := &house{h: h, dir: os.Getenv(envDir)}
	x.open(t)
	pipe := os.NewFile(3, "report")
	var n uint64
	if v, ok, err := x.store.Meta(applied); err != nil {
		t.Fatal(err)
	} else if ok {
		n = binary.BigEndian.Uint64(v)
	}
	for {
		n++
		synced := step(seed, n, x.store)
		if synced {
			if _, err := fmt.Fprintln(pipe, n); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// step is the n-th of the history that seed stands for: a transaction, and at times a compaction
// before it. What it does depends on seed, n and the store alone. It tells whether it was synced.
func step(seed, n uint64, s *mvcc.Store) bool {
	r := author{rand.New(rand.NewPCG(seed, n)), 40}
	if r.IntN(50) == 0 {
		// May have been done by the process that was killed.
		_ = s.Compact(max(s.Rev()-20, 1))
	}
	w, err := s.Begin()
	if err != nil {
		panic(err)
	}
	for _, a := range r.script() {
		switch a.kind {
		case "put":
			_, err = w.Put(a.lo, a.value, a.lease)
		case "delete":
			_, err = w.Delete(a.lo)
		case "next":
			w.Next()
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.SetMeta(applied, binary.BigEndian.AppendUint64(nil, n)); err != nil {
		panic(err)
	}
	sync := r.IntN(10) == 0
	if _, err := w.Commit(sync); err != nil {
		panic(err)
	}
	return sync
}

// Crash starts the test that calls it again, in a process that writes to a store and is killed,
// and looks at what is left. It must be the only thing in its test.
func Crash(t *testing.T, h Harness) {
	if isChild(t, h) {
		return
	}
	x := &house{h: h, dir: t.TempDir()}
	x.open(t)
	persistent := x.backend.Caps().Persistent
	x.close(t, true)
	if !persistent {
		t.Skip("the engine keeps nothing: Caps.Persistent is false")
	}
	t.Run("a store killed at random moments keeps every acknowledged revision and its chain", func(t *testing.T) {
		r := newRand(t)
		seed := r.Uint64()
		twin, n := h.build(t).store, uint64(0) // never killed
		var acked uint64
		for range rounds(2, 3) {
			acked = max(acked, killOne(t, r, x.dir, seed))
			x.open(t)
			v, ok, err := x.store.Meta(applied)
			must(t, err)
			var found uint64
			if ok {
				found = binary.BigEndian.Uint64(v)
			}
			if found < acked || found < n {
				t.Fatalf("%d transactions are left, %d were acknowledged, %d were there before", found, acked, n)
			}
			for ; n < found; n++ {
				step(seed, n+1, twin)
			}
			if got, want := x.store.Rev(), twin.Rev(); got != want {
				t.Fatalf("after %d transactions: revision %d, want %d", n, got, want)
			}
			for rev := max(x.store.Compacted(), 1); rev <= twin.Rev(); rev++ {
				got, err := x.store.Chain(rev)
				must(t, err)
				want, err := twin.Chain(rev)
				must(t, err)
				if got != want {
					t.Fatalf("chain at %d is %x, want %x", rev, got, want)
				}
			}
			got, want := driven{x.store}.read(act{kind: "range"}), driven{twin}.read(act{kind: "range"})
			if got != want {
				t.Fatalf("content after %d transactions:\ngot  %s\nwant %s", n, got, want)
			}
			must(t, x.store.WaitCompacted(context.Background(), x.store.Compacted()))
			x.close(t, true)
		}
		t.Logf("%d transactions, %d acknowledged", n, acked)
	})
}

// killOne starts a child, kills it at a random moment and returns the last transaction that it
// acknowledged.
func killOne(t *testing.T, r *rand.Rand, dir string, seed uint64) (acked uint64) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	name, _, _ := strings.Cut(t.Name(), "/a_store")
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	cmd := exec.Command(self, "-test.run="+strings.Join(parts, "/"), "-test.count=1", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), envTest+"="+name, envDir+"="+dir, envSeed+"="+strconv.FormatUint(seed, 10))
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	from, to, err := os.Pipe()
	must(t, err)
	cmd.ExtraFiles = []*os.File{to}
	must(t, cmd.Start())
	to.Close()
	defer from.Close()
	lines := bufio.NewScanner(from)
	for range 3 + r.IntN(20) {
		if !lines.Scan() {
			cmd.Wait()
			t.Fatalf("the writer has ended: %s", &output)
		}
		acked, err = strconv.ParseUint(lines.Text(), 10, 64)
		must(t, err)
	}
	timer := time.AfterFunc(time.Duration(r.IntN(5000))*time.Microsecond, func() { cmd.Process.Kill() })
	defer timer.Stop()
	for lines.Scan() {
		if acked, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			break // killed in the middle of a line
		}
	}
	io.Copy(io.Discard, from)
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v\n%s", err, &output)
	}
	return acked
}
