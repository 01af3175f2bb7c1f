package replica_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/replica"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openLog(t testing.TB, dir string) *wal.Log {
	t.Helper()
	fs, err := wal.Dir(dir)
	must(t, err)
	log, err := wal.Open(fs, wal.Options{})
	must(t, err)
	return log
}

func TestAGroupOfOneAnswersEveryProposalWithItsPlace(t *testing.T) {
	dir, state := t.TempDir(), newList(7)
	log := openLog(t, dir)
	r, err := replica.Open(replica.Config{ID: 7, Log: log, State: state, Found: true})
	must(t, err)
	ctx := context.Background()
	const clients, each = 20, 50
	var wg sync.WaitGroup
	places := make([][]uint64, clients)
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				got, err := r.Propose(ctx, fmt.Appendf(nil, "%d/%d", c, i))
				if err != nil {
					t.Error(err)
					return
				}
				places[c] = append(places[c], got.(uint64))
				if i%10 == 0 {
					if err := r.ReadIndex(ctx); err != nil {
						t.Error(err)
					}
					if n, _ := state.last(); n < got.(uint64) {
						t.Errorf("a read sees %d commands, %d was acknowledged", n, got)
					}
				}
			}
		})
	}
	wg.Wait()
	seen := map[uint64]bool{}
	for _, list := range places {
		for i, p := range list {
			if seen[p] || i > 0 && p <= list[i-1] {
				t.Fatalf("place %d twice, or not after the one before", p)
			}
			seen[p] = true
		}
	}
	s := r.Status()
	if s.Role != raft.Leader || s.Leader != 7 || s.Applied != s.Last || s.Waiting != 0 || s.Queued != 0 {
		t.Fatalf("status %+v", s)
	}
	must(t, r.Close())
	if _, err := r.Propose(ctx, nil); !errors.Is(err, replica.ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
	must(t, log.Close())
	n, chain := state.last()

	// The state machine lost everything: the log gives it back.
	again := newList(7)
	log = openLog(t, dir)
	r, err = replica.Open(replica.Config{ID: 7, Log: log, State: again})
	must(t, err)
	must(t, r.ReadIndex(ctx))
	if m, c := again.last(); m != n || c != chain {
		t.Fatalf("after a restart %d commands, hash %x; before %d, %x", m, c, n, chain)
	}
	must(t, r.Close())
	must(t, log.Close())
}
