package enginetest

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fullBytes is the size of the disk that is filled: engines preallocate logs of 70 MB, and hold
// several at a time. fullBatches of fullValue bytes and more are tried, every fullSync-th synced.
const (
	fullBytes   = 512 << 20
	fullValue   = 512 << 10
	fullBatches = 4000
	fullSync    = 4
)

// childFull continues the history with large batches until the disk is full. What fails must say
// so by an error, again and again, and Close must come back.
func childFull(t *testing.T, h Harness, dir string, report func(string, ...any)) {
	b, err := h.Open(t, dir)
	if err != nil {
		report("end: open failed: %v", err)
		return
	}
	n, err := historyOf(b)
	must(t, err)
	w := b.NewBatch()
	value := randBytes(rand.New(rand.NewPCG(n, 1)), fullValue)
	for range fullBatches {
		n++
		w.Reset()
		historyBatch(twin{w, model{}}, n)
		w.Set(fillSpace, fmt.Append(nil, n), value) // the same for all: no engine looks that far back
		if err := b.Apply(w, n%fullSync == 0); err != nil {
			for range 5 {
				if b.Apply(w, true) == nil {
					report("%d", n) // there may be room again; an acknowledgement is a promise
				}
			}
			b.Close()
			report("end: full: %v", err)
			return
		}
		if n%fullSync == 0 {
			report("%d", n)
		}
	}
	report("end: never full")
	b.Close()
}

func testFullDisk(t *testing.T, h Harness) {
	h.persistent(t)
	t.Run("a full disk is a clean error, and synced batches are there after a reopen", func(t *testing.T) {
		if testing.Short() {
			t.Skip("fills a disk of 512 MiB")
		}
		disk := smallDisk(t)
		dir := filepath.Join(disk, "d")
		hi := &history{m: model{}}
		hi.verify(t, h, dir, 0)
		c := startChild(t, "full", dir)
		lines := c.rest()
		if len(lines) == 0 {
			t.Fatalf("the process reports nothing: %v\n%s", c.err, tail(c.output.String(), 4000))
		}
		end, acks := lines[len(lines)-1], lines[:len(lines)-1]
		if c.err != nil && h.DiesOnFullDisk {
			end, acks = "end: full: "+c.err.Error(), lines
		} else if c.err != nil {
			t.Errorf("the process did not end by its own code: %v\n%s", c.err, tail(c.output.String(), 4000))
		}
		t.Log(end)
		if !strings.HasPrefix(end, "end: full: ") {
			t.Errorf("the child says %q, want a full disk", end)
			return
		}
		acked := lastAck(t, acks, 0)
		if acked == 0 {
			t.Error("nothing was acknowledged before the disk was full: the test has shown nothing")
		}
		if out, err := exec.Command("mount", "-o", fmt.Sprintf("remount,size=%d", 4*fullBytes), disk).CombinedOutput(); err != nil {
			t.Fatalf("remount: %v: %s", err, out)
		}
		hi.verify(t, h, dir, acked)
	})
}

// smallDisk mounts a file system of fullBytes, or skips the test where that is not allowed.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", fullBytes), "tmpfs", dir).CombinedOutput()
	if err != nil {
		t.Skipf("no file system may be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// tail returns the last n bytes of s.
func tail(s string, n int) string { return s[max(0, len(s)-n):] }
