package enginetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/seedtest"
)

// The history of the crash tests: batch n, from 1 on, is a function of n alone, so whoever knows
// the number of batches knows the whole content. Every batch leaves its number in lastKey.
const lastKey = "last"

// fillSpace takes what only makes the files grow; verify does not look at it.
const fillSpace engine.Space = 100

func historyBatch(w twin, n uint64) {
	r := rand.New(rand.NewPCG(n, 7))
	w.set(s0, lastKey, string(binary.BigEndian.AppendUint64(nil, n)))
	for range 1 + r.IntN(6) {
		s := []engine.Space{s1, s7, s255}[r.IntN(3)]
		key := fmt.Sprintf("key%03d", r.IntN(300))
		switch p := r.IntN(12); {
		case p < 8:
			w.set(s, key, string(bytes.Repeat(binary.BigEndian.AppendUint64(nil, n), 1+r.IntN(60))))
		case p < 10:
			w.del(s, key)
		case p == 10:
			w.deleteRange(s, []byte(key), fmt.Appendf(nil, "key%03d", r.IntN(300)))
		default:
			w.set(s, key, string(randBytes(r, 40<<10)))
		}
	}
}

// historyOf returns the number of the last batch in b.
func historyOf(b engine.Backend) (uint64, error) {
	view, err := b.Snapshot()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	value, err := view.Get(nil, s0, []byte(lastKey))
	if errors.Is(err, engine.ErrNotFound) {
		return 0, nil
	}
	if err != nil || len(value) != 8 {
		return 0, fmt.Errorf("last batch: %x, %w", value, err)
	}
	return binary.BigEndian.Uint64(value), nil
}

// history is what the parent knows: the content after n batches.
type history struct {
	n uint64
	m model
}

// verify opens dir, checks that it holds a prefix of the history with at least the first acked
// batches, and closes it.
func (hi *history) verify(t *testing.T, h Harness, dir string, acked uint64) {
	t.Helper()
	b, err := h.Open(t, dir)
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	defer func() { must(t, b.Close()) }()
	n, err := historyOf(b)
	must(t, err)
	if n < acked || n < hi.n {
		t.Fatalf("%d batches are left, but %d were synced before the crash and %d were there before it", n, acked, hi.n)
	}
	for hi.n < n {
		hi.n++
		historyBatch(twin{discard{}, hi.m}, hi.n)
	}
	before := t.Failed()
	hi.m.now(t, b)
	if t.Failed() && !before {
		t.Fatalf("the content is not that of the first %d batches", n)
	}
}

// discard is a batch that forgets everything.
type discard struct{}

func (discard) Set(engine.Space, []byte, []byte)         {}
func (discard) Delete(engine.Space, []byte)              {}
func (discard) DeleteRange(engine.Space, []byte, []byte) {}
func (discard) Len() int                                 { return 0 }
func (discard) SizeBytes() int                           { return 0 }
func (discard) Reset()                                   {}

// childWrite continues the history until it is killed, and reports every batch that is durable.
func childWrite(t *testing.T, h Harness, dir string, report func(string, ...any)) {
	b, err := h.Open(t, dir)
	must(t, err)
	n, err := historyOf(b)
	must(t, err)
	r := rand.New(rand.NewPCG(n, uint64(os.Getpid())))
	w := b.NewBatch()
	for {
		n++
		w.Reset()
		historyBatch(twin{w, model{}}, n)
		sync := r.IntN(6) == 0
		must(t, b.Apply(w, sync))
		if !sync && r.IntN(20) == 0 {
			must(t, b.Sync())
			sync = true
		}
		if sync {
			report("%d", n)
		}
	}
}

// lastAck returns the highest number reported.
func lastAck(t *testing.T, lines []string, acked uint64) uint64 {
	t.Helper()
	for _, line := range lines {
		n, err := strconv.ParseUint(line, 10, 64)
		if err != nil {
			t.Fatalf("report %q", line)
		}
		acked = max(acked, n)
	}
	return acked
}

// cycles returns how often something random is tried: few with -short, ten times as often as
// usual with ETALON_LONG set.
func cycles(short, usual int) int {
	switch {
	case os.Getenv("ETALON_LONG") != "":
		return usual * 10
	case testing.Short():
		return short
	}
	return usual
}

func testCrash(t *testing.T, h Harness) {
	h.persistent(t)
	t.Run("a writer killed at random moments leaves a prefix of its batches with every synced one", func(t *testing.T) {
		r := seedtest.Rand(t)
		dir := t.TempDir()
		hi := &history{m: model{}}
		var acked uint64
		for range cycles(3, 10) {
			c := startChild(t, "write", dir)
			reports := r.IntN(40) // none: it may be killed while it recovers
			for range reports {
				line, ok := c.next(childWait)
				if !ok {
					t.Fatalf("the writer has ended: %v\n%s", c.err, &c.output)
				}
				acked = lastAck(t, []string{line}, acked)
			}
			delay := time.Duration(r.IntN(5000)) * time.Microsecond
			if reports == 0 {
				delay *= 40
			}
			for end := time.Now().Add(delay); ; { // the random moment
				line, ok := c.next(time.Until(end))
				if !ok {
					break
				}
				acked = lastAck(t, []string{line}, acked)
			}
			acked = lastAck(t, c.kill(), acked)
			if !strings.Contains(fmt.Sprint(c.err), "killed") {
				t.Fatalf("the writer ended by itself: %v\n%s", c.err, &c.output)
			}
			hi.verify(t, h, dir, acked)
		}
		if acked == 0 {
			t.Error("no batch was ever synced: the test has shown nothing")
		}
		t.Logf("%d batches, %d of them reported durable", hi.n, acked)
	})
}
