package bench

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/internal/seedtest"
)

func TestSchedulesAreReadAndWrittenAlike(t *testing.T) {
	for _, text := range []string{"max", "5000", "0.5", "poisson:250", "steps:1000x10s,2000x1m30s"} {
		s, err := ParseSchedule(text, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := ScheduleString(s); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if s, err := ParseSchedule("0", 1); s != nil || err != nil {
		t.Errorf("0 is %v, %v", s, err)
	}
	for text, want := range map[string]string{
		"":               `bench: rate "": unknown schedule "", accepted: max, poisson, steps`,
		"-5":             `bench: rate "-5": "-5" operations a second, accepted: 0.001 to 1000000000, or max`,
		"NaN":            `bench: rate "NaN": unknown schedule "NaN", did you mean "max"? accepted: max, poisson, steps`,
		"poison:5":       `bench: rate "poison:5": unknown schedule "poison", did you mean "poisson"? accepted: max, poisson, steps`,
		"steps:1000":     `bench: rate "steps:1000": step "1000", want RATExDURATION such as 1000x10s`,
		"steps:1000x-1s": `bench: rate "steps:1000x-1s": step "1000x-1s": duration "-1s", want a positive one such as 10s`,
		"steps:1x1ms":    `bench: rate "steps:1x1ms": step "1x1ms" holds no operation`,
	} {
		if _, err := ParseSchedule(text, 1); err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

func TestStepsComeOneAfterTheOtherAndEnd(t *testing.T) {
	s := Steps{{PerSec: 10, For: time.Second}, {PerSec: 100, For: 2 * time.Second}}
	for n, want := range map[uint64]time.Duration{0: 0, 9: 900 * time.Millisecond, 10: time.Second, 209: 2990 * time.Millisecond} {
		if at, ok := s.At(n); !ok || at != want {
			t.Errorf("operation %d at %v, %v, want %v", n, at, ok, want)
		}
	}
	if _, ok := s.At(210); ok {
		t.Error("the schedule does not end")
	}
	if r := s.Rate(3 * time.Second); math.Abs(r-70) > 1e-9 {
		t.Errorf("rate %v, want 70", r)
	}
}

func TestSchedulesNeverDescendAndPoissonIsTheSameInOrder(t *testing.T) {
	p := Poisson{PerSec: 1000, Seed: seedtest.Of(t)}
	next := p.inOrder()
	for name, at := range map[string]func(uint64) (time.Duration, bool){
		"constant": Constant{PerSec: 333}.At, "poisson": p.At,
		"steps": Steps{{PerSec: 7, For: 3 * time.Second}, {PerSec: 0.9, For: 9 * time.Second}, {PerSec: 100, For: 10 * time.Second}}.At,
	} {
		last := time.Duration(-1)
		for n := range uint64(5000) {
			due, ok := at(n)
			if !ok {
				break
			}
			if due < last {
				t.Fatalf("%s: operation %d is due at %v, the one before at %v", name, n, due, last)
			}
			last = due
			if name == "poisson" {
				if same, _ := next(n); same != due {
					t.Fatalf("arrival %d: %v alone, %v in order", n, due, same)
				}
			}
		}
	}
}

func TestUnsentAgreesWithCounting(t *testing.T) {
	r := rand.New(rand.NewPCG(seedtest.Of(t), 5))
	for range 200 {
		var s Schedule = Constant{PerSec: 1 + 1000*r.Float64()}
		if r.IntN(2) == 0 {
			s = Steps{{PerSec: 1 + 100*r.Float64(), For: 2 * time.Second}, {PerSec: 1 + 100*r.Float64(), For: time.Second}}
		}
		from, end := r.Uint64N(300), time.Duration(r.Int64N(int64(4*time.Second)))
		want := int64(0)
		for n := from; ; n++ {
			if due, ok := s.At(n); !ok || due >= end {
				break
			}
			want++
		}
		if got := unsent(s, from, end); got != want {
			t.Fatalf("%v from %d to %v: %d, want %d", s, from, end, got, want)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"max", "5000", "poisson:5", "steps:1x1s,2x2s", "steps:", "1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text, 1)
		if err != nil {
			return
		}
		again, err := ParseSchedule(ScheduleString(s), 1)
		if err != nil || ScheduleString(again) != ScheduleString(s) {
			t.Fatalf("%q became %q, then %v, %v", text, ScheduleString(s), again, err)
		}
		if s != nil {
			a, _ := s.At(0)
			if b, ok := s.At(1); ok && b < a {
				t.Fatalf("%q descends", text)
			}
		}
	})
}
