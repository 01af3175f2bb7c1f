package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestEventsComeInOrderOfTimeAndThenOfScheduling(t *testing.T) {
	w, rng := New(1), rand.New(rand.NewPCG(1, 2))
	type due struct {
		at time.Duration
		n  int
	}
	var want, got []due
	for n := range 1000 {
		d := due{time.Duration(rng.IntN(50)), n}
		want = append(want, d)
		w.After(d.at, func() { got = append(got, due{w.Now(), n}) })
	}
	slices.SortStableFunc(want, func(a, b due) int { return int(a.at - b.at) })
	w.RunUntil(time.Second)
	if !slices.Equal(got, want) || w.Now() != time.Second || w.Events() != 1000 || w.Pending() != 0 || w.Step() {
		t.Errorf("now %v, %d events, %d pending", w.Now(), w.Events(), w.Pending())
	}
}

func TestTheTraceTellsRunsApart(t *testing.T) {
	run := func(seed, note uint64) uint64 {
		w := New(seed)
		r := w.Rand("a")
		w.After(time.Duration(r.IntN(1000)), func() { w.Note("x", note) })
		w.Step()
		return w.Trace()
	}
	first, again := run(1, 1), run(1, 1)
	if first != again || first == run(2, 1) || first == run(1, 2) {
		t.Error("equal runs differ or different ones do not")
	}
}

func TestAHostForgetsAtACrashAndWaitsInAPause(t *testing.T) {
	w := New(1)
	h := w.NewHost()
	var got []string
	say := func(s string) func() { return func() { got = append(got, fmt.Sprint(s, w.Now().Seconds())) } }
	h.Later(1*time.Second, say("a"))
	h.Later(3*time.Second, say("b"))
	h.Later(4*time.Second, say("c"))
	h.Later(9*time.Second, say("lost"))
	w.After(2*time.Second, func() { h.Pause(4 * time.Second) })
	w.After(7*time.Second, h.Crash)
	w.After(8*time.Second, func() { h.Start(); h.Later(time.Second, say("d")) })
	w.RunUntil(time.Minute)
	if want := []string{"a1", "b6", "c6", "d9"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestClocksDriftAndJump(t *testing.T) {
	w := New(1)
	h := w.NewHost()
	w.RunUntil(10 * time.Second)
	h.SetDrift(100_000)
	fired := time.Duration(0)
	h.After(11*time.Second, func() { fired = w.Now() })
	w.RunUntil(20 * time.Second)
	h.Jump(-time.Hour)
	if h.Mono() != 21*time.Second || h.Wall() != 21*time.Second-time.Hour || fired != 20*time.Second {
		t.Errorf("mono %v, wall %v, timer at %v", h.Mono(), h.Wall(), fired)
	}
}

func TestNetworkCutsPartsAndCounts(t *testing.T) {
	w := New(1)
	n := NewNetwork(w, Link{MinDelay: 1, MaxDelay: 10})
	addrs := []uint64{1, 2, 3, 4, 5}
	reached := map[[2]uint64]bool{}
	for _, a := range addrs {
		n.Attach(a, w.NewHost(), func(from uint64, _ []byte) { reached[[2]uint64{from, a}] = true })
	}
	pairs := func() (k int) {
		clear(reached)
		for _, a := range addrs {
			for _, b := range addrs {
				if a != b {
					n.Send(a, b, nil)
				}
			}
		}
		w.RunUntil(w.Now() + time.Second)
		return len(reached)
	}
	for _, c := range []struct {
		name string
		cut  func()
		want int
	}{
		{"nothing", func() {}, 20},
		{"one way", func() { n.Cut(1, 2) }, 19},
		{"split in 2 and 3", func() { n.Split(addrs, 2) }, 2 + 6},
		{"bridge", func() { n.Bridge(addrs) }, 2 + 2 + 8},
		{"ring", func() { n.Ring(addrs) }, 10},
	} {
		n.Heal()
		c.cut()
		if got := pairs(); got != c.want {
			t.Errorf("%s: %d pairs reach each other, want %d", c.name, got, c.want)
		}
	}
	n.Heal()
	n.SetLink(Link{MaxDelay: time.Second, Loss: 300, Duplicate: 200, Late: 100, LateBy: time.Hour})
	before := n.Stats()
	for range 1000 {
		n.Send(1, 2, nil)
	}
	w.RunUntil(w.Now() + 2*time.Hour)
	s := n.Stats()
	lost, twice, late := s.Lost-before.Lost, s.Duplicated-before.Duplicated, s.Late-before.Late
	if lost < 230 || lost > 370 || twice < 90 || twice > 200 || late < 60 || late > 150 || s.Delivered-before.Delivered != 1000-lost+twice+late {
		t.Errorf("%d lost, %d twice, %d late, %d delivered", lost, twice, late, s.Delivered-before.Delivered)
	}
}

// TestACrashKeepsWhatWasSynced writes, syncs and crashes at random, and compares with what a disk must
// keep: every synced sector, and of the others either the old or a newer content.
func TestACrashKeepsWhatWasSynced(t *testing.T) {
	lost, kept := 0, 0
	for seed := range uint64(200) {
		w := New(seed)
		rng := w.Rand("test")
		d := NewDisk(w.Rand("disk"))
		dir := d.Dir("x")
		f, _ := dir.Create("a", 8*SectorBytes)
		if err := dir.Sync(); err != nil {
			t.Fatal(err)
		}
		var synced [8]byte
		now := synced
		for v := byte(1); v < 60; v++ {
			switch rng.IntN(6) {
			case 0:
				if err := f.Sync(); err != nil {
					t.Fatal(err)
				}
				synced = now
			case 1:
				d.Crash()
				f, _ = dir.Open("a")
				for i := range now {
					var b [SectorBytes]byte
					if _, err := f.ReadAt(b[:], int64(i)*SectorBytes); err != nil {
						t.Fatal(err)
					}
					if b[0] != b[SectorBytes-1] || b[0] < synced[i] || b[0] > now[i] {
						t.Fatalf("seed %d: sector %d is %d…%d, synced was %d, written %d", seed, i, b[0], b[SectorBytes-1], synced[i], now[i])
					}
					if b[0] < now[i] {
						lost++
					} else if b[0] > synced[i] {
						kept++
					}
					now[i], synced[i] = b[0], b[0]
				}
			default:
				i := rng.IntN(8)
				if _, err := f.WriteAt(slices.Repeat([]byte{v}, SectorBytes), int64(i)*SectorBytes); err != nil {
					t.Fatal(err)
				}
				now[i] = v
			}
		}
	}
	if lost < 100 || kept < 100 {
		t.Errorf("%d unsynced sectors were lost and %d kept", lost, kept)
	}
}

func TestNamesAreDurableWithTheDirectory(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(100) {
		d := NewDisk(New(seed).Rand("disk"))
		dir := d.Dir("x")
		for _, name := range []string{"a", "b"} {
			if _, err := dir.Create(name, 1); err != nil {
				t.Fatal(err)
			}
		}
		_ = dir.Sync()
		_ = dir.Rename("a", "c")
		_ = dir.Remove("b")
		d.Crash()
		outcomes[fmt.Sprint(dir.List())]++
		again := fmt.Sprint(dir.List())
		d.Crash()
		if fmt.Sprint(dir.List()) != again {
			t.Fatal("a second crash changes what the first has left")
		}
	}
	for _, want := range []string{"[a b]", "[c]", "[a]", "[b c]"} {
		if outcomes[want] == 0 {
			t.Errorf("never %s: %v", want, outcomes)
		}
	}
	if len(outcomes) != 4 {
		t.Error(outcomes)
	}
}

func TestFailedSyncsAreFinalAndPowerGoesInTheMiddle(t *testing.T) {
	for seed := range uint64(50) {
		d := NewDisk(New(seed).Rand("disk"))
		dir := d.Dir("x")
		f, _ := dir.Create("a", 1)
		_ = dir.Sync()
		_, _ = f.WriteAt([]byte{1}, 0)
		d.FailSync()
		if err := f.Sync(); !errors.Is(err, ErrIO) {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		d.Crash()
		var b [1]byte
		if _, err := f.ReadAt(b[:], 0); err != nil || b[0] != 0 {
			t.Fatalf("after a failed sync the write is there: %v %v", b, err)
		}
		d.CutAfter(1)
		_, first := f.WriteAt([]byte{2}, 0)
		if second := f.Sync(); first != nil || !errors.Is(second, ErrPower) || !errors.Is(dir.Remove("a"), ErrPower) {
			t.Fatal(first, second)
		}
		if _, err := f.WriteAt([]byte{3}, 0); !errors.Is(err, ErrPower) {
			t.Fatal("a write without power")
		}
	}
}

func TestImagesAndLocks(t *testing.T) {
	d := NewDisk(New(1).Rand("disk"))
	dir := d.Dir("x")
	f, _ := dir.Create("a", 1)
	_ = dir.Sync()
	image := d.Image()
	_, _ = f.WriteAt([]byte{1}, 0)
	_ = f.Sync()
	lock, err := dir.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Lock(); !errors.Is(err, ErrLocked) {
		t.Error(err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
	d.Restore(image)
	f, err = d.Dir("x").Open("a")
	var b [1]byte
	if _, rerr := f.ReadAt(b[:], 0); err != nil || rerr != nil || b[0] != 0 {
		t.Error(b, err, rerr)
	}
	if _, err := f.WriteAt([]byte{1, 2}, 0); !errors.Is(err, ErrOutside) {
		t.Error(err)
	}
}
