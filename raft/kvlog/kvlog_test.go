package kvlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engines/badger"
	"github.com/etalon-kv/etalon/engines/bolt"
	"github.com/etalon-kv/etalon/engines/mem"
	"github.com/etalon-kv/etalon/engines/pebble"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/kvlog"
	"github.com/etalon-kv/etalon/raft/logtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const space = engine.Space(7)

// owned is a log that closes its backend too, as the suite's logs do.
type owned struct {
	*kvlog.Log
	b engine.Backend
}

func (o owned) Close() error {
	if err := o.Log.Close(); err != nil {
		return err
	}
	return o.b.Close()
}

func openOwned(b engine.Backend, err error) (logtest.Log, error) {
	if err != nil {
		return nil, err
	}
	l, err := kvlog.Open(b, kvlog.Options{Space: space})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return owned{l, b}, nil
}

// engines are those that keep files.
var engines = []struct {
	name string
	open func(dir string) (engine.Backend, error)
}{
	{"bolt", func(dir string) (engine.Backend, error) { return bolt.Open(dir, bolt.Options{}) }},
	{"pebble", func(dir string) (engine.Backend, error) { return pebble.Open(dir, pebble.Options{}) }},
	{"badger", func(dir string) (engine.Backend, error) { return badger.Open(dir, badger.Options{}) }},
}

func TestSuiteOnEngines(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			logtest.Run(t, logtest.Harness{InUse: engine.ErrInUse, Closed: kvlog.ErrClosed, Rounds: 2,
				New: func(t testing.TB) logtest.Store {
					dir := t.TempDir()
					return logtest.Store{Open: func() (logtest.Log, error) { return openOwned(e.open(dir)) }}
				}})
		})
	}
}

func TestSuiteOnMemoryThatForgets(t *testing.T) {
	for name, caps := range map[string]engine.Caps{
		"no limits":     {RangeDelete: true},
		"small batches": {MaxBatchOps: 24, MaxBatchBytes: 130_000},
	} {
		t.Run(name, func(t *testing.T) {
			logtest.Run(t, logtest.Harness{Closed: kvlog.ErrClosed, Rounds: 150,
				New: func(t testing.TB) logtest.Store {
					m := &forgetful{t: t, caps: caps}
					m.become(nil)
					return logtest.Store{
						Open:  func() (logtest.Log, error) { return kvlog.Open(m, kvlog.Options{Space: space}) },
						Crash: func(r *rand.Rand) { m.become(m.states[r.IntN(len(m.states))]) },
					}
				}})
		})
	}
}

// forgetful is mem with the contract's crashes: what is left is what a prefix of the batches made, with
// the last synced one.
type forgetful struct {
	engine.Backend
	t      testing.TB
	caps   engine.Caps
	states [][]byte // dumps since the last sync, that of the sync first
	syncs  int
	fail   error
}

func (m *forgetful) become(dump []byte) {
	b, err := mem.Open(mem.Options{})
	must(m.t, err)
	if dump != nil {
		must(m.t, engine.Load(context.Background(), b, bytes.NewReader(dump)))
	}
	m.Backend = b
	m.states = [][]byte{m.dump()}
}

func (m *forgetful) dump() []byte {
	view, err := m.Snapshot()
	must(m.t, err)
	defer view.Close()
	var b bytes.Buffer
	must(m.t, engine.Dump(context.Background(), &b, view))
	return b.Bytes()
}

func (m *forgetful) Caps() engine.Caps { return m.caps }

func (m *forgetful) Apply(b engine.Batch, sync bool) error {
	if m.fail != nil {
		return m.fail
	}
	if m.caps.MaxBatchBytes > 0 && int64(b.SizeBytes()) > m.caps.MaxBatchBytes || m.caps.MaxBatchOps > 0 && int64(b.Len()) > m.caps.MaxBatchOps {
		return engine.ErrBatchTooBig
	}
	if err := m.Backend.Apply(b, false); err != nil {
		return err
	}
	m.states = append(m.states, m.dump())
	if sync {
		m.syncs++
		m.states = m.states[len(m.states)-1:]
	}
	return nil
}

func TestBatchesWithoutSyncShareOneApply(t *testing.T) {
	m := &forgetful{t: t, caps: engine.Caps{RangeDelete: true}}
	m.become(nil)
	l, err := kvlog.Open(m, kvlog.Options{})
	must(t, err)
	before := len(m.states) + m.syncs
	for i := raft.Index(1); i <= 10; i++ {
		must(t, l.Write(nil, []raft.Entry{{Index: i, Term: 1}}, raft.HardState{Term: 1}, i == 10))
	}
	if got := len(m.states) + m.syncs; got != before+1 {
		t.Errorf("%d applies and syncs, want one synced apply", got-before)
	}
}

func TestAFailedApplyIsFinal(t *testing.T) {
	m := &forgetful{t: t}
	m.become(nil)
	l, err := kvlog.Open(m, kvlog.Options{})
	must(t, err)
	cause := errors.New("disk on fire")
	m.fail = cause
	if err := l.Write(nil, []raft.Entry{{Index: 1, Term: 1}}, raft.HardState{}, true); !errors.Is(err, engine.ErrFailed) || !errors.Is(err, cause) {
		t.Fatalf("the failing write: %v", err)
	}
	m.fail = nil
	for i, err := range []error{l.Write(nil, nil, raft.HardState{Term: 1}, true), l.Sync(), l.Compact(0), l.CreateSnapshot(1, raft.ConfState{}, nil)} {
		if !errors.Is(err, engine.ErrFailed) || !errors.Is(err, cause) {
			t.Errorf("call %d after it: %v", i, err)
		}
	}
	must(t, l.Close())
}

// blind is an engine whose n-th read from now, and every one after it, fails.
type blind struct {
	*forgetful
	n int
}

var errBlind = errors.New("cannot be read")

func (b *blind) Snapshot() (engine.Snapshot, error) {
	if b.n--; b.n < 0 {
		return nil, errBlind
	}
	return b.forgetful.Snapshot()
}

// A read that fails before anything is written changes nothing; one in the middle of a Write is final.
func TestAReadThatFailsLeavesNoHalfOfAWrite(t *testing.T) {
	for n := range 4 {
		m := &forgetful{t: t, caps: engine.Caps{RangeDelete: true}}
		m.become(nil)
		b := &blind{m, 1 << 30}
		l, err := kvlog.Open(b, kvlog.Options{})
		must(t, err)
		var list []raft.Entry
		for i := raft.Index(1); i <= 9; i++ {
			list = append(list, raft.Entry{Index: i, Term: 1})
		}
		must(t, l.Write(nil, list, raft.HardState{Term: 1}, true))
		b.n = n // a snapshot that the log agrees with at 4, and entries that replace 7 and on
		snap := &raft.Snapshot{Index: 4, Term: 1, Conf: raft.ConfState{Voters: []raft.NodeID{1}}}
		err = l.Write(snap, []raft.Entry{{Index: 7, Term: 2}}, raft.HardState{Term: 2}, true)
		b.n = 1 << 30
		if err == nil {
			if n < 2 {
				t.Errorf("read %d fails, and nobody minds", n)
			}
			continue
		}
		if !errors.Is(err, errBlind) {
			t.Fatalf("read %d: %v", n, err)
		}
		if errors.Is(err, engine.ErrFailed) {
			if err := l.Sync(); !errors.Is(err, engine.ErrFailed) {
				t.Errorf("read %d: a Sync after a half of a write: %v", n, err)
			}
			must(t, l.Close())
		}
		again, err := kvlog.Open(m, kvlog.Options{})
		must(t, err)
		if last, _ := again.LastIndex(); last != 9 {
			t.Errorf("read %d: the log ends at %d", n, last)
		}
		if s, err := again.Snapshot(); err == nil {
			t.Errorf("read %d: the snapshot at %d is there, the entries after it are not", n, s.Index)
		}
	}
}

func TestAnEntryThatNoBatchHoldsIsRefused(t *testing.T) {
	m := &forgetful{t: t, caps: engine.Caps{MaxBatchBytes: 10_000}}
	m.become(nil)
	l, err := kvlog.Open(m, kvlog.Options{})
	must(t, err)
	big := make([]byte, 20_000)
	for i, err := range []error{
		l.Write(nil, []raft.Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1, Data: big}}, raft.HardState{}, true),
		l.Write(&raft.Snapshot{Index: 1, Term: 1, Conf: raft.ConfState{Voters: []raft.NodeID{1}}, Data: big}, nil, raft.HardState{}, true),
	} {
		if !errors.Is(err, engine.ErrBatchTooBig) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	must(t, logtest.NewTwin().Check(l))
	must(t, l.Write(nil, []raft.Entry{{Index: 1, Term: 1}}, raft.HardState{}, true))
}

// Every value is altered, taken away, and exchanged with its neighbour: Open refuses, and so does the
// read of a log that was open already.
func TestDamageInTheEngineIsRefused(t *testing.T) {
	m := &forgetful{t: t, caps: engine.Caps{RangeDelete: true}}
	m.become(nil)
	l, err := kvlog.Open(m, kvlog.Options{Space: space})
	must(t, err)
	var list []raft.Entry
	for i := raft.Index(2); i <= 12; i++ {
		list = append(list, raft.Entry{Index: i, Term: 1, Data: fmt.Appendf(nil, "entry %d", i)})
	}
	must(t, l.Write(&raft.Snapshot{Index: 1, Term: 1, Conf: raft.ConfState{Voters: []raft.NodeID{1}}}, list, raft.HardState{Term: 1, Vote: 1, Commit: 5}, true))
	good := m.dump()
	view, err := m.Snapshot()
	must(t, err)
	var keys, values [][]byte
	it := view.Scan(space, nil, nil)
	for it.Next() {
		keys, values = append(keys, bytes.Clone(it.Key())), append(values, bytes.Clone(it.Value()))
	}
	must(t, it.Close())
	must(t, view.Close())
	refused := func(what string, change func(engine.Batch)) {
		t.Helper()
		m.become(good)
		open, err := kvlog.Open(m, kvlog.Options{Space: space})
		must(t, err)
		b := m.NewBatch()
		change(b)
		must(t, m.Backend.Apply(b, true))
		_, cold := open.Entries(nil, 2, 13, 1<<30)
		_, err = kvlog.Open(m, kvlog.Options{Space: space})
		if !errors.Is(err, kvlog.ErrCorrupt) && !errors.Is(err, kvlog.ErrForeign) {
			t.Errorf("%s: Open says %v", what, err)
		}
		if what[0] == 'e' && !errors.Is(cold, kvlog.ErrCorrupt) {
			t.Errorf("%s: Entries says %v", what, cold)
		}
	}
	for i, key := range keys {
		for bit := range 8 * len(values[i]) {
			refused(fmt.Sprintf("%q bit %d", key, bit)[1:], func(b engine.Batch) {
				v := bytes.Clone(values[i])
				v[bit/8] ^= 1 << (bit % 8)
				b.Set(space, key, v)
			})
		}
		if key[0] != 'e' {
			continue
		}
		if i+1 < len(keys) && keys[i+1][0] == 'e' {
			refused("e lost", func(b engine.Batch) { b.Delete(space, key) })
			refused("exchanged", func(b engine.Batch) { b.Set(space, key, values[i+1]); b.Set(space, keys[i+1], values[i]) })
		}
	}
	refused("somebody else's key", func(b engine.Batch) { b.Set(space, []byte("x"), []byte("y")) })
	refused("no version", func(b engine.Batch) { b.Delete(space, []byte("v")) })
}
