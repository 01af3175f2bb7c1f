package replicasim

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

func env(t *testing.T, name string, otherwise uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s is %q, want a number", name, s)
	}
	return n
}

// TestClustersUnderFaults runs seeds 1 to 100, 20 with -short. ETALON_SEED=s runs only that one,
// ETALON_SEEDS=n so many from there on, ETALON_OFF leaves out faults (see Replay), ETALON_SHRINK=0 looks for no smaller run.
func TestClustersUnderFaults(t *testing.T) {
	n := uint64(100)
	if testing.Short() {
		n = 20
	}
	first := env(t, "ETALON_SEED", 0)
	if first > 0 {
		n = 1
	} else {
		first = 1
	}
	n = env(t, "ETALON_SEEDS", n)
	o := Options{Off: Faults(env(t, "ETALON_OFF", 0))}
	total := Result{Points: map[string]int{}}
	began := time.Now()
	for seed := first; seed < first+n; seed++ {
		r := Run(seed, o)
		if r.Failure != "" {
			if os.Getenv("ETALON_SHRINK") == "0" {
				t.Fatalf("seed %d: %s", seed, r.Failure)
			}
			small := Shrink(seed, o)
			t.Fatalf("seed %d (trace %016x): %s\n%s\nreplay: %s\nwith fewer faults (%s): %s", seed, r.Trace, r.Failure, r.Plan,
				Replay(seed, o), Run(seed, small).Faults, Replay(seed, small))
		}
		if seed%100 == 1 {
			if again := Run(seed, o); again.Trace != r.Trace {
				t.Fatalf("seed %d: traces %016x and %016x", seed, r.Trace, again.Trace)
			}
		}
		total.add(&r)
		if n == 1 {
			t.Logf("trace %016x: %s", r.Trace, r.Plan)
		}
	}
	took := time.Since(began)
	t.Logf("%d seeds, %v simulated, %.0f times real time: %d entries, %d revisions, %d writes, %d reads", n, total.Simulated.Round(time.Second),
		total.Simulated.Seconds()/took.Seconds(), total.Entries, total.Revisions, total.Writes, total.Reads)
	for _, name := range slices.Sorted(maps.Keys(total.Points)) {
		t.Logf("%8d %s", total.Points[name], name)
	}
	if n < 100 {
		return
	}
	for _, name := range []string{"crash of a leader", "snapshot installed", "snapshot refused", "log cut", "lease expired", "lease renewed",
		"membership change applied", "failed sync", "power cut of the whole group", "watch meets a compaction", "watch moves to a replaced state"} {
		if total.Points[name] == 0 {
			t.Errorf("never met: %s", name)
		}
	}
	if total.Writes < 100*int(n) || total.Reads < 50*int(n) {
		t.Error("too little happens for the oracles to see anything")
	}
}

// TestSabotageIsSeen breaks members in ways that the oracles are there for.
func TestSabotageIsSeen(t *testing.T) {
	for s := None + 1; s < sabotages; s++ {
		t.Run(s.String(), func(t *testing.T) {
			for seed := uint64(1); seed <= 60; seed++ {
				if r := Run(seed, Options{Sabotage: s}); r.Failure != "" {
					t.Logf("seed %d: %s", seed, r.Failure)
					return
				}
			}
			t.Error("60 seeds, and nothing was seen")
		})
	}
}

func (r *Result) add(o *Result) {
	r.Events, r.Simulated = r.Events+o.Events, r.Simulated+o.Simulated
	r.Entries, r.Revisions, r.Writes, r.Reads = r.Entries+o.Entries, r.Revisions+o.Revisions, r.Writes+o.Writes, r.Reads+o.Reads
	for name, k := range o.Points {
		r.Points[name] += k
	}
}
