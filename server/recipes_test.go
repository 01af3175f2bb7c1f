package server_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func (m *member) session(t testing.TB) *concurrency.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // t.Context has ended when it is closed
	s, err := concurrency.NewSession(m.client, concurrency.WithContext(ctx), concurrency.WithTTL(60))
	must(t, err)
	t.Cleanup(func() {
		defer cancel()
		must(t, s.Close())
	})
	return s
}

func TestAMutexOfTheOfficialClientExcludes(t *testing.T) {
	m := start(t, nil)
	inside := 0
	var wg sync.WaitGroup
	for range 5 {
		s := m.session(t)
		wg.Go(func() {
			mu := concurrency.NewMutex(s, "lock")
			for range 4 {
				if err := mu.Lock(s.Ctx()); err != nil {
					t.Error(err)
					return
				}
				if inside++; inside != 1 { // the race detector watches, too
					t.Errorf("%d hold the lock", inside)
				}
				inside--
				if err := mu.Unlock(s.Ctx()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestAnElectionOfTheOfficialClientHasOneLeader(t *testing.T) {
	m := start(t, nil)
	ctx := within(t)
	one, two := concurrency.NewElection(m.session(t), "e"), concurrency.NewElection(m.session(t), "e")
	must(t, one.Campaign(ctx, "one"))
	won := make(chan error, 1)
	go func() { won <- two.Campaign(ctx, "two") }()
	leader, err := two.Leader(ctx)
	must(t, err)
	if got := string(leader.Kvs[0].Value); got != "one" {
		t.Errorf("%s leads", got)
	}
	must(t, one.Resign(ctx))
	must(t, <-won)
	leader, err = one.Leader(ctx)
	must(t, err)
	if got := string(leader.Kvs[0].Value); got != "two" {
		t.Errorf("%s leads", got)
	}
}

func TestTransactionalMemoryOfTheOfficialClientLosesNothing(t *testing.T) {
	for name, level := range map[string]concurrency.Isolation{
		"serializable snapshot": concurrency.SerializableSnapshot, "serializable": concurrency.Serializable,
		"repeatable reads": concurrency.RepeatableReads, "read committed": concurrency.ReadCommitted,
	} {
		t.Run(name, func(t *testing.T) { testTransactionalMemory(t, level) })
	}
}

func testTransactionalMemory(t *testing.T, level concurrency.Isolation) {
	m := start(t, nil)
	ctx := within(t)
	const accounts, each, workers = 4, 25, 4
	for i := range accounts {
		_, err := m.client.Put(ctx, fmt.Sprint("acc/", i), "100")
		must(t, err)
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				from, to := fmt.Sprint("acc/", (w+i)%accounts), fmt.Sprint("acc/", (w+i+1)%accounts)
				_, err := concurrency.NewSTM(m.client, func(s concurrency.STM) error {
					var a, b int
					fmt.Sscan(s.Get(from), &a)
					fmt.Sscan(s.Get(to), &b)
					s.Put(from, fmt.Sprint(a-1))
					s.Put(to, fmt.Sprint(b+1))
					return nil
				}, concurrency.WithIsolation(level))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, err := m.client.Get(ctx, "acc/", clientv3.WithPrefix())
	must(t, err)
	sum := 0
	for _, kv := range r.Kvs {
		var v int
		fmt.Sscan(string(kv.Value), &v)
		sum += v
	}
	if sum != 100*accounts && level != concurrency.ReadCommitted { // which does not promise it

		t.Errorf("the sum is %d, want %d", sum, 100*accounts)
	}
}

func TestASessionThatIsOrphanedExpiresAndItsLockGoesOn(t *testing.T) {
	m := start(t, nil)
	ctx := within(t)
	s, err := concurrency.NewSession(m.client, concurrency.WithTTL(1))
	must(t, err)
	mu := concurrency.NewMutex(s, "lock")
	must(t, mu.Lock(ctx))
	s.Orphan() // nobody renews it any more
	next := concurrency.NewMutex(m.session(t), "lock")
	must(t, next.Lock(ctx))
	r, err := m.client.Get(ctx, mu.Key())
	must(t, err)
	if len(r.Kvs) != 0 {
		t.Errorf("%v is still there", r.Kvs)
	}
}

// Three clients, each at another member of a cluster of three engines, take a lock in turn, elect one of them, and
// count together in transactions.
func TestTheRecipesWorkBetweenMembers(t *testing.T) {
	c := startLeft(t, [3]string{"bolt", "pebble", "badger"})
	ctx, n, inside := within(t), len(c.addrs), 0
	var clients []*clientv3.Client
	var sessions []*concurrency.Session
	for _, addr := range c.addrs {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, DialTimeout: time.Minute})
		must(t, err)
		s, err := concurrency.NewSession(client, concurrency.WithContext(ctx), concurrency.WithTTL(60))
		must(t, err)
		clients, sessions = append(clients, client), append(sessions, s)
	}
	defer func() {
		for i := range clients {
			must(t, sessions[i].Close())
			must(t, clients[i].Close())
		}
	}()
	each := func(do func(i int) error) {
		t.Helper()
		errs := make(chan error, n)
		for i := range n {
			go func() { errs <- do(i) }()
		}
		for range n {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}
	const times = 3
	each(func(i int) error {
		mu := concurrency.NewMutex(sessions[i], "lock")
		for range times {
			if err := mu.Lock(ctx); err != nil {
				return err
			}
			if inside++; inside != 1 {
				t.Errorf("%d hold the lock", inside)
			}
			inside--
			if err := mu.Unlock(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	each(func(i int) error {
		e := concurrency.NewElection(sessions[i], "election")
		if err := e.Campaign(ctx, fmt.Sprint(i)); err != nil {
			return err
		}
		if leader, err := e.Leader(ctx); err != nil || string(leader.Kvs[0].Value) != fmt.Sprint(i) {
			t.Errorf("%d is elected, the leader is %v, %v", i, leader, err)
		}
		return e.Resign(ctx)
	})
	each(func(i int) error {
		for range times {
			_, err := concurrency.NewSTM(clients[i], func(s concurrency.STM) error {
				s.Put("count", s.Get("count")+"x")
				return nil
			}, concurrency.WithAbortContext(ctx))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if r, err := clients[0].Get(ctx, "count"); err != nil || len(r.Kvs) != 1 || len(r.Kvs[0].Value) != n*times {
		t.Errorf("counted %v, %v, want %d", r, err, n*times)
	}
}
