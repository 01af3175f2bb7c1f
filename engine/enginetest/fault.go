package enginetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/engine"
)

// faultBatches is how many synced batches a child tries before it gives up waiting for a fault.
const faultBatches = 60

// childFault continues the history with synced batches until one fails, and then looks whether the
// backend stays failed. It reports every acknowledged batch, and how it ended.
func childFault(t *testing.T, h Harness, dir string, report func(string, ...any)) {
	b, err := h.Open(t, dir)
	if err != nil {
		report("end: open failed: %v", err)
		return
	}
	n, err := historyOf(b)
	must(t, err)
	w := b.NewBatch()
	for range faultBatches {
		n++
		w.Reset()
		historyBatch(twin{w, model{}}, n)
		err := b.Apply(w, n%3 != 0)
		if err == nil && n%3 == 0 {
			err = b.Sync()
		}
		if err != nil {
			report("end: %s", staysFailed(b, w, err))
			b.Close() // may fail, must come back
			return
		}
		report("%d", n)
	}
	if err := b.Close(); err != nil {
		report("end: close failed: %v", err)
		return
	}
	report("end: no fault")
}

// staysFailed says what is wrong about a backend whose write answered first, or "failed for good".
func staysFailed(b engine.Backend, w engine.Batch, first error) string {
	if !errors.Is(first, engine.ErrFailed) {
		return fmt.Sprintf("the failing call answers %v, want ErrFailed", first)
	}
	for i := range 20 {
		for name, err := range map[string]error{
			"Apply": b.Apply(w, false), "synced Apply": b.Apply(w, true), "Sync": b.Sync(), "empty Apply": b.Apply(b.NewBatch(), true),
		} {
			if !errors.Is(err, engine.ErrFailed) {
				return fmt.Sprintf("%s %d after the failure answers %v, want ErrFailed", name, i, err)
			}
		}
	}
	b.Stats()
	view, err := b.Snapshot()
	if err != nil {
		return "failed for good" // reads are not promised after a failure, only an answer
	}
	if err := view.Close(); err != nil {
		return fmt.Sprintf("close of a snapshot: %v", err)
	}
	return "failed for good"
}

func testSyncFailure(t *testing.T, h Harness) {
	h.persistent(t)
	t.Run("after a failed sync nothing is acknowledged, and what was is there after a reopen", func(t *testing.T) {
		strace := straceOrSkip(t)
		outcomes := map[string]int{}
		dir := t.TempDir()
		hi := &history{m: model{}}
		hi.verify(t, h, dir, 0) // the first start is made without faults
		var acked uint64
		whens := []string{"9", "25", "4+", "2", "14+", "40", "6"} // which sync of each thread
		for _, when := range whens[:min(cycles(3, 7), len(whens))] {
			c := startChild(t, "fault", dir, straceInject(strace, "fsync,fdatasync,msync,sync_file_range", "error=EIO:when="+when)...)
			lines := c.rest()
			if c.err != nil || len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], "end: ") {
				t.Fatalf("when=%s: the process did not end by its own code: %v\n%s", when, c.err, &c.output)
			}
			end := strings.TrimPrefix(lines[len(lines)-1], "end: ")
			acked = lastAck(t, lines[:len(lines)-1], acked)
			switch {
			case end == "failed for good", end == "no fault", strings.HasPrefix(end, "open failed: "), strings.HasPrefix(end, "close failed: "):
				outcomes[strings.SplitN(end, ":", 2)[0]]++
			default:
				t.Errorf("when=%s: %s", when, end)
			}
			hi.verify(t, h, dir, acked)
		}
		t.Logf("%v, %d batches acknowledged", outcomes, acked)
		if outcomes["failed for good"] == 0 {
			t.Error("no sync failed under a write: the test has shown nothing")
		}
	})
}
