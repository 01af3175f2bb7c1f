package logfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/etalon-kv/etalon/docs/example/logfile"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
)

// doc:test
func open(_ testing.TB, dir string) (engine.Backend, error) {
	return logfile.Open(dir, logfile.Options{})
}

func TestEngine(t *testing.T) { enginetest.Run(t, enginetest.Harness{Open: open}) }

func BenchmarkEngine(b *testing.B) { enginetest.Bench(b, enginetest.Harness{Open: open}) }

// doc:end

// write applies n batches of one key and leaves the log as the engine left it.
func write(t *testing.T, dir string, n int, sync bool) {
	t.Helper()
	s, err := open(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	for i := range n {
		b.Reset()
		b.Set(1, fmt.Appendf(nil, "key%d", i), []byte("value"))
		if err := s.Apply(b, sync); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// count opens dir and counts its keys.
func count(t *testing.T, dir string) (n int, err error) {
	t.Helper()
	s, err := open(t, dir)
	if err != nil {
		return 0, err
	}
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for it := sn.Scan(1, nil, nil); it.Next(); {
		n++
	}
	return n, errors.Join(sn.Close(), s.Close())
}

func TestLogAfterDamage(t *testing.T) {
	const recordBytes = 16 + 2 + 1 + 4 + 1 + 5
	for _, c := range []struct {
		name   string
		sync   bool
		damage func(log []byte) []byte
		keys   int // -1: refused
	}{
		{"is whole", true, func(log []byte) []byte { return log }, 5},
		{"has lost its last byte", true, func(log []byte) []byte { return log[:len(log)-1] }, 4},
		{"ends in zeros", true, func(log []byte) []byte { return append(log, make([]byte, 5000)...) }, 5},
		{"has a bad byte in a synced record", true, func(log []byte) []byte { log[recordBytes+20] ^= 1; return log }, -1},
		{"has a hole between records never synced", false, func(log []byte) []byte {
			clear(log[2*recordBytes : 3*recordBytes])
			return log
		}, 2},
	} {
		t.Run("that "+c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, 5, c.sync)
			path := filepath.Join(engine.DataPath(dir), "log")
			log, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(log), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // what the first Open did must not change the answer of the second
				n, err := count(t, dir)
				if c.keys < 0 && !errors.Is(err, engine.ErrCorrupt) {
					t.Fatalf("%d keys, %v; want ErrCorrupt", n, err)
				} else if c.keys >= 0 && (err != nil || n != c.keys) {
					t.Fatalf("%d keys, %v; want %d", n, err, c.keys)
				}
			}
		})
	}
}
