package bench

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/results"
)

func watchSpec(watchers int) Spec {
	return Spec{Workload: "watch", Records: 200, ValueSize: "32", Watchers: watchers, CheckEvery: 1}
}

func TestAnEventCountsFromTheMomentItsPutWasSent(t *testing.T) {
	target := newMapTarget()
	target.before, target.delay = slow(time.Millisecond), 5*time.Millisecond
	r := &Runner{Target: target, Workers: 4, Warmup: time.Second, Measure: 2 * time.Second, Source: mustWorkload(t, watchSpec(3))}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Valid() {
			t.Errorf("verdicts: %+v", rec.Verdicts)
		}
		e, puts := rec.Background["event"], rec.Ops["put"].Count
		if e.Count != 3*puts || puts != 4*2000 {
			t.Errorf("%d events of %d puts and 3 watchers", e.Count, puts)
		}
		if e.Service.Min() != 6*time.Millisecond || e.Service.Max() != 6*time.Millisecond || e.Response != nil {
			t.Errorf("events after %v to %v, want 6ms: 1 ms of the put, 5 until it is told", e.Service.Min(), e.Service.Max())
		}
		if e.Behind < 3*4*4 || e.Behind > 3*4*6 || rec.SaturatedIn("event") {
			t.Errorf("%d events owed at the end, want those of the last 5 ms; saturated %v", e.Behind, rec.SaturatedIn("event"))
		}
		if rec.Count() != puts || rec.Latency("").Count() != puts {
			t.Errorf("events are counted as operations: %d operations, %d puts", rec.Count(), puts)
		}
		if rec.Options["workload"]["watchers"] != "3" {
			t.Errorf("options %v", rec.Options["workload"])
		}
	})
}

func TestInAnOpenLoopAnEventCountsFromWhenItsPutWasDue(t *testing.T) {
	target := newMapTarget()
	var n atomic.Int64
	target.before = func(ctx context.Context, op *Op) error {
		if op.Kind == Put && n.Add(1) == 1001 { // one stall of 500 ms, of the only worker
			return slow(500*time.Millisecond)(ctx, op)
		}
		return nil
	}
	schedule, err := ParseSchedule("1000", 1)
	if err != nil {
		t.Fatal(err)
	}
	r := &Runner{Target: target, Workers: 1, Measure: 2 * time.Second, Schedule: schedule, Source: mustWorkload(t, watchSpec(2))}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		e := rec.Background["event"]
		if e.Count != 2*2000 || e.Response.Count() != e.Count || !rec.Valid() {
			t.Fatalf("%d events: %+v", e.Count, rec.Verdicts)
		}
		// 500 puts fell due during the stall: their events are late by 0 to 500 ms, evenly.
		if late := e.Response.Sum() / 2; late < 120*time.Second || late > 130*time.Second {
			t.Errorf("the events of one watcher are late by %v in all, want about 125 s", late)
		}
		if e.Service.Max() < 490*time.Millisecond || e.Service.Sum() > 2*time.Second {
			t.Errorf("service time %v in all, %v at most: only one put was sent that took 500 ms", e.Service.Sum(), e.Service.Max())
		}
	})
}

func TestWrongEventsMakeARunInvalid(t *testing.T) {
	var n int
	every := func(do func([]Event) []Event) func([]Event) []Event {
		return func(e []Event) []Event {
			if n++; n%51 != 0 {
				return e
			}
			return do(e)
		}
	}
	for name, c := range map[string]struct {
		tell func([]Event) []Event
		want string
	}{
		"a lost one":               {func([]Event) []Event { return nil }, "was told of"},
		"a doubled one":            {func(e []Event) []Event { return append(e, e...) }, "was told of"},
		"an old one":               {func(e []Event) []Event { e[0].Rev -= 2; return e }, "after one at"},
		"one of somebody else":     {func(e []Event) []Event { e[0].Value = make([]byte, 32); return e }, "of no write of this run"},
		"one of a deletion":        {func(e []Event) []Event { e[0].Deleted = true; return e }, "of no write of this run"},
		"one under another's key":  {func(e []Event) []Event { e[0].Key = []byte("user00000000000000000001"); return e }, "wrong events"},
		"one with another's value": {func(e []Event) []Event { e[0].Value[30] ^= 1; return e }, "differs at byte 30"},
	} {
		t.Run(name, func(t *testing.T) {
			target := newMapTarget()
			target.before, target.tell = slow(time.Millisecond), every(c.tell)
			r := &Runner{Target: target, Workers: 2, Measure: 2 * time.Second, Grace: time.Second, Source: mustWorkload(t, watchSpec(1))}
			inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
				if err != nil {
					t.Fatal(err)
				}
				if v := verdictOf(rec, "events"); v.OK || !strings.Contains(v.Detail, c.want) {
					t.Errorf("%+v, want %q", v, c.want)
				}
			})
		})
	}
}

func TestWatchersThatCannotFollowAreSaturated(t *testing.T) {
	target := newMapTarget()
	target.before, target.delay = slow(time.Millisecond), 300*time.Millisecond
	r := &Runner{Target: target, Workers: 1, Measure: time.Second, Source: mustWorkload(t, watchSpec(1))}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil || !rec.Valid() {
			t.Fatal(err, rec)
		}
		if e := rec.Background["event"]; e.Behind < 300 || e.Behind > 301 || !rec.SaturatedIn("event") || rec.SaturatedIn("put") {
			t.Errorf("%d owed, saturated %v", e.Behind, rec.SaturatedIn("event"))
		}
		if _, ok := results.LatencyQuantile("event", 0.99).Of(rec); ok {
			t.Error("a saturated run has a latency")
		}
	})
}

func TestAWriteThatFailedMayBeTold(t *testing.T) {
	boom := errors.New("boom")
	target := newMapTarget()
	var n int
	target.before = func(ctx context.Context, op *Op) error {
		if n++; op.Kind == Put && n%200 == 0 {
			return boom
		}
		return slow(time.Millisecond)(ctx, op)
	}
	r := &Runner{Target: target, Workers: 1, Measure: time.Second, Source: mustWorkload(t, watchSpec(1))}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil || !rec.Valid() || rec.ErrorCount() == 0 {
			t.Fatalf("%v, %+v", err, rec.Verdicts)
		}
	})
}

func TestOperationsDuringACompactionAreAKindOfTheirOwn(t *testing.T) {
	target := newMapTarget()
	var running atomic.Bool
	target.before = func(ctx context.Context, op *Op) error {
		if running.Load() {
			return slow(4*time.Millisecond)(ctx, op)
		}
		return slow(time.Millisecond)(ctx, op)
	}
	var revs []int64
	target.compact = func(ctx context.Context, rev int64) error {
		running.Store(true)
		defer running.Store(false)
		revs = append(revs, rev)
		return slow(200*time.Millisecond)(ctx, nil)
	}
	spec := Spec{Workload: "compaction", Records: 200, ValueSize: "32", CompactEvery: 200 * time.Millisecond}
	r := &Runner{Target: target, Workers: 1, Warmup: 300 * time.Millisecond, Measure: 4 * time.Second, Source: mustWorkload(t, spec)}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil || !rec.Valid() {
			t.Fatal(err, rec.Verdicts)
		}
		quiet, busy, c := rec.Ops["put-quiet"], rec.Ops["put-compacting"], rec.Background["compaction"]
		if len(rec.Ops) != 2 || quiet == nil || busy == nil {
			t.Fatalf("kinds %v", rec.Ops)
		}
		if quiet.Service.Max() != time.Millisecond || quiet.Count < 1900 || quiet.Count > 2000 {
			t.Errorf("%d puts outside, of up to %v; want about 2000 of 1 ms", quiet.Count, quiet.Service.Max())
		}
		if p50, _ := busy.Service.Quantile(0.5); p50 != 4*time.Millisecond || busy.Count < 490 || busy.Count > 520 {
			t.Errorf("%d puts inside, of %v; want about 500 of 4 ms", busy.Count, p50)
		}
		if c.Count != 10 || c.Service.Min() != 200*time.Millisecond || c.Service.Max() != 200*time.Millisecond {
			t.Errorf("%d compactions of %v to %v", c.Count, c.Service.Min(), c.Service.Max())
		}
		for i := range revs[1:] {
			if revs[i+1] <= revs[i] {
				t.Errorf("compactions at %v", revs)
			}
		}
	})
}

func TestACompactionThatFailsMakesARunInvalid(t *testing.T) {
	target := newMapTarget()
	target.before = slow(time.Millisecond)
	target.compact = func(context.Context, int64) error { return errors.New("boom") }
	r := &Runner{Target: target, Measure: time.Second, Source: mustWorkload(t, Spec{Workload: "compaction", Records: 200, ValueSize: "32"})}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if v := verdictOf(rec, "compactions"); v.OK || !strings.Contains(v.Detail, "boom") || rec.Background["compaction"].Errors["other"] == 0 {
			t.Errorf("%+v", v)
		}
	})
}

func TestWhatATargetCannotDoIsSaid(t *testing.T) {
	for _, workload := range []string{"watch", "compaction"} {
		m := mustWorkload(t, Spec{Workload: workload, Records: 10, ValueSize: "32"})
		r := &Runner{Source: m, Target: hollow{}, Measure: time.Millisecond, NoVerify: true}
		if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "bench.hollow") {
			t.Errorf("%s: %v", workload, err)
		}
		r = &Runner{Source: mustWorkload(t, m.Spec()), Target: hollow{}, Measure: time.Millisecond, NoVerify: true, Alone: true}
		if _, err := r.Run(t.Context()); err != nil {
			t.Errorf("%s alone: %v", workload, err)
		}
	}
}

func TestAWatcherThatDoesNotReturnIsGivenUp(t *testing.T) {
	target := newMapTarget()
	target.before, target.delay = slow(time.Millisecond), 25*time.Second // its Next does not hear its context
	r := &Runner{Target: target, Measure: time.Second, Grace: 10 * time.Second, Source: mustWorkload(t, watchSpec(1))}
	inBubble(t, r, nil, func(t *testing.T, _ *results.Record, err error) {
		if !errors.Is(err, ErrStuck) {
			t.Errorf("Run: %v, want ErrStuck", err)
		}
		time.Sleep(time.Minute) // so that it is gone at the end
	})
}

func TestScansReadWithinTheRevisionsAsked(t *testing.T) {
	target := newMapTarget()
	target.before = slow(time.Millisecond)
	spec := Spec{Workload: "range-at-revision", Records: 500, ValueSize: "32", Behind: 50}
	r := &Runner{Target: target, Workers: 4, Measure: 4 * time.Second, Source: mustWorkload(t, spec)}
	inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
		if err != nil || !rec.Valid() {
			t.Fatal(err, rec.Verdicts)
		}
		if scans := rec.Ops["scan"]; scans.Items < 85*scans.Count {
			t.Errorf("%d keys in %d scans, want 100 each but near the end", scans.Items, scans.Count)
		}
		if first := r.Source.(*Mix).revs.first.Load(); target.oldest < first || target.oldest == 0 {
			t.Errorf("a scan at %d, before %d, when all was loaded", target.oldest, first)
		}
	})
	var v revisions
	if v.within(10, 1<<63) != 0 {
		t.Error("a revision although none is known")
	}
	v.see(100)
	v.see(120)
	v.see(110)
	seen := map[int64]bool{}
	for i := range uint64(1000) {
		seen[v.within(7, mix(i))] = true
	}
	for rev := int64(113); rev <= 120; rev++ {
		if !seen[rev] {
			t.Errorf("revision %d is never asked for", rev)
		}
	}
	if len(seen) != 8 || v.within(1000, 1<<64-1) != 100 {
		t.Errorf("revisions %v, furthest %d", seen, v.within(1000, 1<<64-1))
	}
}

func TestAKeyThatWasNotCreatedAgainIsFound(t *testing.T) {
	for name, spoil := range map[string]func(op *Op) bool{
		"lost creations": func(op *Op) bool { return op.Kind != Insert || op.Rev == 0 },
		"none":           nil,
	} {
		target := newMapTarget()
		target.before = func(ctx context.Context, op *Op) error {
			op.Rev = int64(len(op.More)) // 0: not of the load
			return slow(time.Millisecond)(ctx, op)
		}
		if spoil != nil {
			target.spoil = func(op *Op) bool { return op.Kind != Insert || len(op.More) > 0 }
		}
		r := &Runner{Target: target, Workers: 4, Measure: time.Second, Source: mustWorkload(t, Spec{Workload: "recreate", Records: 300, ValueSize: "32"})}
		inBubble(t, r, nil, func(t *testing.T, rec *results.Record, err error) {
			if err != nil || rec.Valid() != (spoil == nil) {
				t.Fatalf("%s: %v, %+v", name, err, rec.Verdicts)
			}
			d, i := rec.Ops["delete"].Count, rec.Ops["insert"].Count
			if d != 2000 || i != 2000 {
				t.Errorf("%d deletes, %d inserts, want 2000 each", d, i)
			}
		})
	}
}

func TestAnIssueLogForgetsTheOldest(t *testing.T) {
	m := mustWorkload(t, watchSpec(1))
	l := newIssueLog(1<<20, m.Stamp)
	w := m.Worker(0).(*mixWorker)
	var op Op
	for n := range 1000 {
		w.fill(0, 7)
		w.write(&op, Put, 1)
		l.prepare(&op)
		l.publish(time.Duration(n), -1)
		l.settle(nil)
	}
	for n := range uint64(1000) {
		sent, due, ok := l.find(MakeStamp(0, n))
		if ok != (n >= 1000-64) || ok && (sent != time.Duration(n) || due != -1) {
			t.Errorf("write %d: sent %v, due %v, %v", n, sent, due, ok)
		}
	}
	if l.acked != 1000 {
		t.Errorf("%d acknowledged", l.acked)
	}
}

func TestAKeyTellsItsRecord(t *testing.T) {
	for _, width := range []int{8, 15, 16, 23, 24, 40} {
		for _, hashed := range []bool{false, true} {
			k, err := NewKeys(width, hashed)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range []uint64{0, 1, 9, 10, 1 << 20, 1<<44 - 1, 1<<64 - 1} {
				key := k.Append(nil, i)
				if got, ok := k.Index(key); !ok || got != i {
					t.Errorf("width %d, hashed %v: %q is of %d, %v; want %d", width, hashed, key, got, ok, i)
				}
				key[0] ^= 1
				if got, ok := k.Index(key); ok && (width != 8 && width != 16 || got == i) {
					t.Errorf("width %d: %q is taken for a key, of %d", width, key, got)
				}
			}
			if _, ok := k.Index(make([]byte, width+1)); ok {
				t.Error("a longer key is taken for one")
			}
		}
	}
}
