package results

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

// durations draws from everything a clock may answer, with weight on the borders of the range.
func durations() *rapid.Generator[time.Duration] {
	return rapid.OneOf(
		rapid.Map(rapid.Float64Range(0, 30), func(e float64) time.Duration { return time.Duration(math.Exp(e)) }),
		rapid.SampledFrom([]time.Duration{-1, 0, 1, 99, 100, 101, 1023, 1024, 2047, 2048, 2049,
			HistogramMax - 1, HistogramMax, HistogramMax + 1, time.Hour}),
	)
}

func record(ds []time.Duration) *Histogram {
	h := NewHistogram()
	for _, d := range ds {
		h.Record(d)
	}
	return h
}

func TestMergedHistogramsEqualOneOfAllSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SliceOf(durations()), 1, 5).Draw(t, "parts")
		merged := NewHistogram()
		for _, p := range parts {
			merged.Merge(record(p))
		}
		all := record(slices.Concat(parts...))
		if !merged.Equal(all) {
			t.Fatalf("merged %+v, one of all %+v", merged, all)
		}
		data, err := json.Marshal(merged)
		if err != nil {
			t.Fatal(err)
		}
		var back Histogram
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if !back.Equal(all) {
			t.Fatalf("after JSON %+v, want %+v", back, all)
		}
	})
}

// The dumb twin is the sorted list of samples.
func TestRecordNIsRecordNTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ds := rapid.SliceOfN(durations(), 0, 30).Draw(t, "samples")
		one, many := NewHistogram(), NewHistogram()
		for i, d := range ds {
			n := rapid.IntRange(-1, 70).Draw(t, "n")
			many.RecordN(d, int64(n))
			for range n {
				one.Record(d)
			}
			if !many.Equal(one) {
				t.Fatalf("differs after %d times %v, the %d-th", n, d, i)
			}
		}
	})
}

func TestQuantilesAreThoseOfTheSortedSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ds := rapid.SliceOfN(durations(), 1, 300).Draw(t, "samples")
		h := record(ds)
		sorted := slices.Clone(ds)
		var sum time.Duration
		for i, d := range sorted {
			sorted[i] = max(d, 0)
			sum += sorted[i]
		}
		slices.Sort(sorted)
		n := len(sorted)
		if h.Count() != int64(n) || h.Min() != sorted[0] || h.Max() != sorted[n-1] || h.Sum() != sum || h.Mean() != sum/time.Duration(n) {
			t.Fatalf("count %d min %v max %v sum %v mean %v of %v", h.Count(), h.Min(), h.Max(), h.Sum(), h.Mean(), sorted)
		}
		for num := range 101 {
			q := float64(num) / 100
			want := sorted[max((num*n+99)/100, 1)-1]
			got, ok := h.Quantile(q)
			switch {
			case want > HistogramMax:
				if ok || got != sorted[n-1] {
					t.Fatalf("q %v: %v %v, want the max %v of an overflow", q, got, ok, sorted[n-1])
				}
			case !ok || got < want || got > max(want+want/1000+1, min(HistogramMin, sorted[n-1])):
				t.Fatalf("q %v: %v %v, want %v of %v", q, got, ok, want, sorted)
			}
		}
	})
}

func TestCountersAreThoseOfTheHdrHistogramLibrary(t *testing.T) {
	lib := hdr.New(1, int64(HistogramMax), HistogramDigits)
	h := NewHistogram()
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		ns := 100 + int64(math.Exp(r.Float64()*math.Log(float64(HistogramMax)-100)))
		h.Record(time.Duration(ns))
		if err := lib.RecordValue(ns); err != nil {
			t.Fatal(err)
		}
	}
	i := 0
	got := slices.Collect(h.Buckets())
	for _, bar := range lib.Distribution() {
		if bar.Count == 0 {
			continue
		}
		if want := (Bucket{Lo: time.Duration(bar.From), Hi: time.Duration(bar.To), Count: bar.Count}); got[i] != want {
			t.Fatalf("counter %d is %+v, the library has %+v", i, got[i], want)
		}
		i++
	}
	if i != len(got) {
		t.Fatalf("%d counters, the library has %d", len(got), i)
	}
}

func TestPercentilesAscendAndEndAtTheMaximum(t *testing.T) {
	h := NewHistogram()
	r := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		h.Record(time.Duration(1000 + r.ExpFloat64()*50_000))
	}
	h.Record(2 * HistogramMax)
	ps := slices.Collect(h.Percentiles(5))
	last := ps[len(ps)-1]
	if ps[0].Quantile != 0 || last != (Percentile{Value: 2 * HistogramMax, Quantile: 1, Count: 10_001, Overflow: true}) {
		t.Fatalf("first %+v, last %+v", ps[0], last)
	}
	nines := 0
	for i := 1; i < len(ps); i++ {
		if ps[i].Value < ps[i-1].Value || ps[i].Quantile <= ps[i-1].Quantile || ps[i].Count < ps[i-1].Count {
			t.Fatalf("%+v after %+v", ps[i], ps[i-1])
		}
		if ps[i].Quantile > 0.999 {
			nines++
		}
	}
	if nines < 5 {
		t.Fatalf("only %d of %d points past 0.999", nines, len(ps))
	}
	for p := range NewHistogram().Percentiles(5) {
		t.Fatalf("an empty histogram has %+v", p)
	}
}

func TestResetAndCloneLeaveNothingShared(t *testing.T) {
	h := record([]time.Duration{time.Microsecond, time.Second, time.Hour})
	c := h.Clone()
	h.Reset()
	if !h.Equal(NewHistogram()) || h.Min() != 0 {
		t.Fatalf("after Reset %+v", h)
	}
	if !c.Equal(record([]time.Duration{time.Microsecond, time.Second, time.Hour})) {
		t.Fatalf("clone changed: %+v", c)
	}
	if _, ok := h.Quantile(0.5); ok {
		t.Fatal("an empty histogram has a median")
	}
}

func TestNonsenseHistogramsAreRefused(t *testing.T) {
	good, err := json.Marshal(record([]time.Duration{time.Microsecond, time.Second, time.Hour}))
	if err != nil {
		t.Fatal(err)
	}
	wide, err := hdr.New(1, math.MaxInt64/2, 5).Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for name, in := range map[string]string{
		"another count":     edit(`"count":3`, `"count":4`),
		"negative overflow": edit(`"overflow":1`, `"overflow":-1`),
		"lower sum":         edit(`"sumNS":3601000001000`, `"sumNS":1`),
		"higher sum":        edit(`"sumNS":3601000001000`, `"sumNS":9223372036854775807`),
		"lower min":         edit(`"minNS":1000`, `"minNS":900`),
		"max in range":      edit(`"maxNS":3600000000000`, `"maxNS":1000000000`),
		"unknown field":     edit(`"count"`, `"mode":1,"count"`),
		"torn base64":       edit(`"hdr":"`, `"hdr":"AAA`),
		"another range":     `{"hdr":"` + string(wide) + `","count":0,"overflow":0,"sumNS":0,"minNS":0,"maxNS":0}`,
		"nothing":           `{}`,
		"oversized":         `{"hdr":"` + strings.Repeat("A", 2*maxEncodedHistogram) + `"}`,
	} {
		var h Histogram
		if err := json.Unmarshal([]byte(in), &h); !errors.Is(err, ErrHistogram) {
			t.Errorf("%s: error %v, want ErrHistogram", name, err)
		}
		if !h.Equal(NewHistogram()) {
			t.Errorf("%s: changed the histogram", name)
		}
	}
}

func TestRecordAllocatesNothingOnceWarm(t *testing.T) {
	h := record([]time.Duration{time.Microsecond})
	if n := testing.AllocsPerRun(100, func() { h.Record(time.Microsecond) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func FuzzHistogramUnmarshal(f *testing.F) {
	for _, ds := range [][]time.Duration{nil, {50}, {time.Hour}, {time.Microsecond, time.Second, time.Hour}} {
		data, err := json.Marshal(record(ds))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var h Histogram
		if h.UnmarshalJSON(data) != nil {
			return
		}
		for _, q := range []float64{0, 0.5, 0.999, 1, math.NaN()} {
			h.Quantile(q)
		}
		again, err := json.Marshal(&h)
		if err != nil {
			t.Fatal(err)
		}
		var back Histogram
		if err := back.UnmarshalJSON(again); err != nil || !back.Equal(&h) {
			t.Fatalf("%s was accepted, but comes back as %s: %v", data, again, err)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	h := NewHistogram()
	r := rand.New(rand.NewPCG(1, 2))
	var ds [4096]time.Duration
	for i := range ds {
		ds[i] = time.Duration(1000 + r.ExpFloat64()*1e6)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.Record(ds[i&4095])
	}
}
