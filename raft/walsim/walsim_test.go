package walsim

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/etalon-kv/etalon/raft/logtest"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/sim"
)

// A log on a simulated disk keeps what every log does, over the simulator's own crashes.
func TestSuite(t *testing.T) {
	for name, tear := range map[string]bool{"whole sectors": false, "torn sectors": true} {
		t.Run(name, func(t *testing.T) {
			seed := uint64(0)
			logtest.Run(t, logtest.Harness{InUse: wal.ErrInUse, Closed: wal.ErrClosed, Rounds: 20, New: func(testing.TB) logtest.Store {
				seed++
				disk := sim.NewDisk(rand.New(rand.NewPCG(seed, 1)))
				disk.Tear = tear
				return logtest.Store{
					Open: func() (logtest.Log, error) {
						l, err := wal.Open(Dir(disk.Dir("wal")), wal.Options{ID: 7, SegmentBytes: 4 << 10, CacheBytes: 2000})
						if err != nil {
							return nil, err
						}
						return l, nil
					},
					Crash: func(*rand.Rand) { disk.Crash() },
				}
			}})
		})
	}
}

func TestALockedDirectoryIsInUse(t *testing.T) {
	dir := Dir(sim.NewDisk(nil).Dir("wal"))
	c, err := dir.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Lock(); !errors.Is(err, wal.ErrInUse) {
		t.Errorf("the second lock: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Lock(); err != nil {
		t.Errorf("after its release: %v", err)
	}
}
