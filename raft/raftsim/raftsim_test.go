package raftsim

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

// TestSafetyUnderFaults runs seeds 1 to 120, 30 with -short. ETALON_SEED=s runs only that one,
// ETALON_SEEDS=n so many from there on, ETALON_OFF leaves out faults (see Replay), ETALON_SHRINK=0 looks for no smaller run.
func TestSafetyUnderFaults(t *testing.T) {
	n := uint64(120)
	if testing.Short() {
		n = 30
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
	t.Logf("%d seeds, %v simulated, %.0f times real time, %.2g events/s: %d entries, %d terms, %d writes, %d reads", n, total.Simulated.Round(time.Second),
		total.Simulated.Seconds()/took.Seconds(), float64(total.Events)/took.Seconds(), total.Entries, total.Terms, total.Writes, total.Reads)
	for _, name := range slices.Sorted(maps.Keys(total.Points)) {
		t.Logf("%8d %s", total.Points[name], name)
	}
	if n < 120 {
		return
	}
	met := []string{"crash of a leader", "crash of a candidate", "crash in the middle of a write", "snapshot installed", "snapshot refused",
		"joint configuration", "leader crash in a joint configuration", "failed sync", "disk lost", "power cut of the whole group",
		"power or disk fails during recovery", "crash point: before acknowledging to itself"}
	if n >= 2000 {
		met = append(met, "crash point: before installing a snapshot", "majority lost for good", "state machine behind the log's snapshot")
	}
	for _, name := range met {
		if total.Points[name] == 0 {
			t.Errorf("never met: %s", name)
		}
	}
	if total.Writes < 20*int(n) || total.Reads < 5*int(n) || total.Terms < 2*int(n) {
		t.Error("too little happens for the oracles to see anything")
	}
}

func (r *Result) add(o *Result) {
	r.Events, r.Simulated = r.Events+o.Events, r.Simulated+o.Simulated
	r.Entries, r.Terms, r.Writes, r.Reads = r.Entries+o.Entries, r.Terms+o.Terms, r.Writes+o.Writes, r.Reads+o.Reads
	for name, k := range o.Points {
		r.Points[name] += k
	}
}
