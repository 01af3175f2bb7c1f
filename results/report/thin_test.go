package report

import (
	"testing"
	"time"

	"github.com/etalon-kv/etalon/results"
)

func TestThinningKeepsTheWorstAndTheTotal(t *testing.T) {
	var samples []results.Sample
	for i := range 7 {
		samples = append(samples, results.Sample{
			At: time.Duration(i+1) * time.Second, Duration: time.Second, Ops: int64(10 * (i + 1)),
			P50: 1000, P99: time.Duration(2000 + i), Max: time.Duration(9000 - 1000*(i%2)),
		})
	}
	got := thin(samples, 3)
	want := [][5]float64{{3, 20, 1000, 2002, 9000}, {6, 50, 1000, 2005, 9000}, {7, 70, 1000, 2006, 9000}}
	if len(got) != len(want) {
		t.Fatalf("%d points, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("point %d is %v, want %v", i, got[i], want[i])
		}
	}
	if got := thin(nil, 3); len(got) != 0 {
		t.Errorf("points of nothing: %v", got)
	}
}
