package main

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// gcPercent is how much the heap of a member may grow between two collections, unless GOGC says: what lives
	// in it is small and most of what is allocated dies at once.
	gcPercent = 50
	// badgerGCPercent is gcPercent with badger: the arena of its memtable is more than half of the heap, but
	// has no pointers and costs a collection nothing, so this lets grow by half what is beside it.
	badgerGCPercent = 20
	// gcFloorBytes is what the heap may grow to in any case. A member that has little data yet would else collect
	// every 3 MiB, fifteen times a second at 20,000 puts a second, and a collection takes all cores that
	// others leave idle for some milliseconds: members beside it and their clients wait meanwhile.
	gcFloorBytes = 16 << 20
	// gcLook is how often it is looked what lives. Until then the last percentage holds, which lets a heap that
	// lives on more than before grow beyond the floor. (A finalizer would tell of each collection, but only when
	// what it belongs to is swept, which is late on a busy machine: heaps of 40 MiB were seen.)
	gcLook = 25 * time.Millisecond
	// gcSlack is what part of itself a percentage may be off.
	gcSlack = 8
)

// paceHeap has collections come after growth by least percent, but not below gcFloorBytes, until stop is called.
func paceHeap(least int) (stop func()) {
	debug.SetGCPercent(least)
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		look := time.NewTicker(gcLook)
		defer look.Stop()
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/globals:bytes"}, {Name: "/gc/scan/stack:bytes"}}
		seen := uint64(0) // live; before the first collection nothing is known
		percent := least
		for {
			select {
			case <-look.C:
			case <-quit:
				return
			}
			metrics.Read(sample)
			live := sample[0].Value.Uint64()
			if live == seen {
				continue
			}
			seen = live
			want := percentFor(live, sample[1].Value.Uint64()+sample[2].Value.Uint64(), least)
			if max(want-percent, percent-want) > want/gcSlack { // setting it stops the world for a moment
				percent = want
				debug.SetGCPercent(percent)
			}
		}
	})
	return func() {
		close(quit)
		running.Wait()
	}
}

// percentFor is the percentage by which a heap with live bytes is next collected at gcFloorBytes, or after
// growth by least if that is later. The runtime counts roots, what it scans outside of the heap, as if it lived there.
func percentFor(live, roots uint64, least int) int {
	if live >= gcFloorBytes {
		return least
	}
	return max(least, int((gcFloorBytes-live)*100/(live+roots+1)))
}
