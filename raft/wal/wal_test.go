package wal

import (
	"errors"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small makes segments of seven data sectors, so that every test goes through many.
var small = Options{ID: 0xe7a1, SegmentBytes: 4 << 10, CacheBytes: 2000}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openOn(t testing.TB, d FS, o Options) *Log {
	t.Helper()
	l, err := Open(d, o)
	must(t, err)
	return l
}

// suiteOn returns the suite's store on a disk.
func suiteOn(d *disk, o Options) logtest.Store {
	return logtest.Store{
		Open:  func() (logtest.Log, error) { return asLog(Open(d, o)) },
		Crash: d.crash,
	}
}

func asLog(l *Log, err error) (logtest.Log, error) {
	if err != nil {
		return nil, err
	}
	return l, nil
}

func TestSuiteOnADiskThatForgets(t *testing.T) {
	for name, o := range map[string]Options{"small segments": small, "no cache": {SegmentBytes: 8 << 10, CacheBytes: -1}, "one segment": {SegmentBytes: 64 << 10}} {
		t.Run(name, func(t *testing.T) {
			logtest.Run(t, logtest.Harness{InUse: ErrInUse, Closed: ErrClosed, Rounds: 100,
				New: func(testing.TB) logtest.Store { return suiteOn(newDisk(), o) }})
		})
	}
}

func TestSuiteOnRealFiles(t *testing.T) {
	logtest.Run(t, logtest.Harness{InUse: ErrInUse, Closed: ErrClosed, Rounds: 3,
		New: func(t testing.TB) logtest.Store {
			dir := t.TempDir()
			return logtest.Store{Open: func() (logtest.Log, error) {
				fs, err := Dir(dir)
				if err != nil {
					return nil, err
				}
				return asLog(Open(fs, small))
			}}
		}})
}

// A reference history is cut after every operation on files, several times with other parts of what
// was not synced lost: what is found then is a prefix of the history with everything acknowledged.
func TestCrashAtEveryOperation(t *testing.T) {
	r := logtest.Rand(t)
	states := 0
	for range 3 {
		seed := r.Uint64()
		for at := 1; ; at++ {
			done := false
			for range 6 {
				done = crashAt(t, seed, at, r)
				states++
			}
			if done {
				break
			}
		}
	}
	t.Logf("%d crashed states", states)
}

// crashAt repeats the history of seed, cuts the power at operation at, and reports whether there was
// none.
func crashAt(t *testing.T, seed uint64, at int, r *rand.Rand) bool {
	t.Helper()
	d, twin := newDisk(), logtest.NewTwin()
	d.tear = r.IntN(2) == 0
	d.failAt, d.failErr = at, errPower
	history := rand.New(rand.NewPCG(seed, 2))
	l, err := Open(d, small)
	var stopped error
	for i := 0; err == nil && stopped == nil && i < 40; i++ {
		logtest.Step(history, l, twin, func(err error) { stopped = err })
		if i == 25 && stopped == nil {
			if stopped = l.Close(); stopped == nil {
				twin.Sync()
				l, err = Open(d, small)
			}
		}
	}
	if err == nil && stopped == nil {
		return true
	}
	if err == nil && !errors.Is(stopped, errPower) {
		t.Fatalf("operation %d: %v", at, stopped)
	}
	for again := range 3 { // and once more, in the first moments after the restart
		d.crash(r)
		d.tear = r.IntN(2) == 0
		if again < 2 {
			d.failAt, d.failErr = 1+r.IntN(6), errPower
		}
		l, err := Open(d, small)
		if errors.Is(err, errPower) {
			continue
		}
		if err != nil {
			t.Fatalf("operation %d of history %d: open after the crash: %v", at, seed, err)
		}
		if err := twin.Survived(l); err != nil {
			t.Fatalf("operation %d of history %d: %v", at, seed, err)
		}
		if errors.Is(l.Write(nil, nil, hardOf(uint64(again+1)), true), ErrFailed) {
			twin.Write(nil, nil, hardOf(uint64(again+1)), false)
		} else {
			twin.Write(nil, nil, hardOf(uint64(again+1)), true)
		}
	}
	return false
}

func hardOf(commit uint64) raft.HardState {
	return raft.HardState{Term: 1000, Commit: raft.Index(commit)}
}
