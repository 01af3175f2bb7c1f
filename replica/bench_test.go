package replica_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/replica"
)

// BenchmarkPropose is the cost of a put without a store behind it: proposals of 256 bytes from so many
// clients, each waiting for its answer, over real logs with real syncs. Time per operation is wall
// time over all clients; p50-us and p99-us are what a client waits.
func BenchmarkPropose(b *testing.B) {
	for _, members := range []int{1, 3} {
		for _, clients := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("members=%d/clients=%d", members, clients), func(b *testing.B) {
				g := newGroup(b, members, false, func(c *replica.Config) { c.TickInterval = 100 * time.Millisecond })
				benchPropose(b, g.leader(), clients)
			})
		}
	}
}

func benchPropose(b *testing.B, m *running, clients int) {
	command := slices.Repeat([]byte("0123456789abcdef"), 16)
	_, err := m.Propose(context.Background(), command)
	must(b, err)
	before := m.log.Stats().Syncs
	var next atomic.Int64
	waits := make([][]time.Duration, clients)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				began := time.Now()
				if _, err := m.Propose(context.Background(), command); err != nil {
					b.Error(err)
					return
				}
				waits[c] = append(waits[c], time.Since(began))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(waits...)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(float64(b.N)/float64(m.log.Stats().Syncs-before), "ops/sync")
}

// BenchmarkReadIndex is the cost of a linearizable read before it reads anything.
func BenchmarkReadIndex(b *testing.B) {
	for _, members := range []int{1, 3} {
		for _, clients := range []int{1, 100} {
			b.Run(fmt.Sprintf("members=%d/clients=%d", members, clients), func(b *testing.B) {
				g := newGroup(b, members, false, func(c *replica.Config) { c.TickInterval = 100 * time.Millisecond })
				m := g.leader()
				must(b, retry(m))
				var next atomic.Int64
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						for next.Add(1) <= int64(b.N) {
							if err := retry(m); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
