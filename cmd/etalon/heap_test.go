package main

import (
	"runtime/debug"
	"testing"
)

// TestPercentFor says when a heap is collected next, for what lives in it.
func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		name        string
		live, roots uint64
		want        int
	}{
		{"a small heap grows to the floor", 4 << 20, 0, 299},
		{"roots count as if they lived in it", 3 << 20, 1 << 20, 324},
		{"one of two thirds of the floor grows by the least", gcFloorBytes * 2 / 3, 0, gcPercent},
		{"one below the floor grows beyond it", gcFloorBytes - 1, 0, gcPercent},
		{"so does one above", 10 * gcFloorBytes, 1 << 20, gcPercent},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := percentFor(c.live, c.roots, gcPercent); got != c.want {
				t.Errorf("percentFor(%d, %d) = %d, want %d", c.live, c.roots, got, c.want)
			}
		})
	}
	t.Run("no heap is collected before the floor", func(t *testing.T) {
		for live := uint64(0); live < 2*gcFloorBytes; live += 4321 {
			if goal := live + live*uint64(percentFor(live, 0, gcPercent))/100; live > 1<<16 && goal < gcFloorBytes*99/100 {
				t.Fatalf("%d live bytes: collected at %d", live, goal)
			}
		}
	})
}

func TestPaceHeap(t *testing.T) {
	const never = 1_000_000 // more than a heap of a test needs to reach the floor
	before := debug.SetGCPercent(never)
	defer debug.SetGCPercent(before)
	paceHeap(gcPercent)()
	if now := debug.SetGCPercent(never); now < gcPercent || now == never {
		t.Errorf("the heap is collected at %d %%, want at least %d", now, gcPercent)
	}
}
