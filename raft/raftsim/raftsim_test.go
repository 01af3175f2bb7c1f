package raftsim

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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

// TestSafetyUnderFaults runs seeds 1 to 150, 30 with -short. ETALON_SEED=s runs only that one,
// ETALON_SEEDS=n so many from there on. A run that fails is shrunk, unless ETALON_SHRINK=0.
func TestSafetyUnderFaults(t *testing.T) {
	n := uint64(150)
	if testing.Short() {
		n = 30
	}
	first := env(t, "ETALON_SEED", 0)
	if first > 0 {
		n = 1
	}
	s := sweep{t: t, next: max(first, 1), n: env(t, "ETALON_SEEDS", n)}
	s.run()
	s.report()
	s.mustHaveMet()
}

// sweep runs n seeds from next on, as many at a time as there are processors.
type sweep struct {
	t       *testing.T
	next, n uint64

	mu     sync.Mutex
	total  Result
	took   time.Duration
	cpu    time.Duration
	twice  int
	tested int // histories
	failed atomic.Bool
}

func (s *sweep) run() {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // worlds are small and make much garbage
	s.total.Points = map[string]int{}
	began, cpu, end := time.Now(), cpuTime(), s.next+s.n
	var wg sync.WaitGroup
	var at atomic.Uint64
	at.Store(s.next)
	for range min(uint64(runtime.GOMAXPROCS(0)), s.n) {
		wg.Go(func() {
			for seed := at.Add(1) - 1; seed < end && !s.failed.Load(); seed = at.Add(1) - 1 {
				s.seed(seed)
			}
		})
	}
	wg.Wait()
	s.took, s.cpu = time.Since(began), cpuTime()-cpu
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// seed runs one seed, every 100th twice, and every 25th with its history before a judge.
func (s *sweep) seed(seed uint64) {
	o := Options{History: seed%25 == 1}
	r := Run(seed, o)
	if r.Failure != "" {
		if !s.failed.Swap(true) {
			s.t.Errorf("seed %d: %s\n%s", seed, r.Failure, explain(&r))
		}
		return
	}
	if seed%100 == 1 {
		if again := Run(seed, o); again.Trace != r.Trace {
			s.t.Errorf("seed %d: traces %016x and %016x", seed, r.Trace, again.Trace)
		}
	}
	if o.History {
		if err := linearizable(r.History); err != nil {
			s.t.Errorf("seed %d: %v", seed, err)
		}
	}
	if s.n == 1 {
		s.t.Logf("trace %016x: %s", r.Trace, r.Plan)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.add(&r)
	if seed%100 == 1 {
		s.twice++
	}
	if o.History {
		s.tested++
	}
}

func (s *sweep) report() {
	r := &s.total
	s.t.Logf("%d schedules, %.1f simulated hours, %v of CPU time, %v in all; %d actions of the nemesis, %d entries, %d terms, %d writes, %d reads; %d seeds run twice, %d histories judged",
		s.n, r.Simulated.Hours(), s.cpu.Round(time.Second/10), s.took.Round(time.Second/10), r.Actions, r.Entries, r.Terms, r.Writes, r.Reads, s.twice, s.tested)
	s.t.Logf("figure raftsim/schedules %d", s.n)
	s.t.Logf("figure raftsim/simulated-hours %.1f", r.Simulated.Hours())
	s.t.Logf("figure raftsim/times-real-time-per-core %.0f", r.Simulated.Seconds()/max(s.cpu.Seconds(), 1e-9))
	for _, name := range slices.Sorted(maps.Keys(r.Points)) {
		s.t.Logf("%8d %s", r.Points[name], name)
	}
}

// rare are situations that every 2,000 seeds must meet, common those that 120 must.
var common = []string{"crash of a leader", "crash of a candidate", "crash in the middle of a write", "snapshot installed", "snapshot refused",
	"joint configuration", "failed sync", "disk lost", "power cut of the whole group", "power or disk fails during recovery",
	"crash point: before acknowledging to itself", "crash point: before acknowledging to others", "read at a leader that was replaced",
	"ambush", "a change that removes the leader and most of the others", "leader crash before its membership change is committed", "leader crash before its membership change is applied",
	"a flipped bit is found", "a leader stands still and wakes up alone", "crash while a membership change is written", "snapshot lost",
	"log forgotten", "a week passes", "disk rolled back"}

var rare = []string{"leader crash in a joint configuration", "leader crash in the middle of a snapshot", "leader crash in the middle of a transfer",
	"crash point: before installing a snapshot", "majority lost for good", "state machine behind the log's snapshot",
	"removed and added again", "an answer from before a removal", "a leader with a lease hears nobody after a transfer", "nobody hears who leadership is handed to",
	"others forget what a member is to be sent, while it applies a membership change", "cut off with a change that only the leader knows to be committed", "an old disk is told what it has lost",
	"a snapshot overtakes a membership change"}

func (s *sweep) mustHaveMet() {
	if s.n < 120 {
		return
	}
	met := common
	if s.n >= 2000 {
		met = append(slices.Clone(common), rare...)
	}
	for _, name := range met {
		if s.total.Points[name] == 0 {
			s.t.Errorf("never met: %s", name)
		}
	}
	if r, n := &s.total, int(s.n); r.Writes < 20*n || r.Reads < 5*n || r.Terms < 2*n {
		s.t.Error("too little happens for the oracles to see anything")
	}
}

func (r *Result) add(o *Result) {
	r.Events, r.Simulated = r.Events+o.Events, r.Simulated+o.Simulated
	r.Entries, r.Terms, r.Writes, r.Reads = r.Entries+o.Entries, r.Terms+o.Terms, r.Writes+o.Writes, r.Reads+o.Reads
	r.Actions += o.Actions
	for name, k := range o.Points {
		r.Points[name] += k
	}
}

// explain says how to see a failure again, in full and, if that is not switched off, with few faults.
func explain(r *Result) string {
	s := fmt.Sprintf("%s\nreplay (trace %016x): ETALON_SEED=%d go test -run TestSafetyUnderFaults -v ./raft/raftsim\n", r.Plan, r.Trace, r.Seed)
	if os.Getenv("ETALON_SHRINK") == "0" {
		return s
	}
	script := Run(r.Seed, Options{Actions: true}).Script
	if script.Run(Options{}).Failure == "" {
		return s + "the script of its actions alone does not fail\n"
	}
	before := script.Actions()
	script = script.Shrink(Options{})
	return s + fmt.Sprintf("shrunk from %d actions to %d, as a file of testdata/scripts:\nrun\n%s----\n%s\n",
		before, script.Actions(), script, script.Run(Options{}).Failure)
}
