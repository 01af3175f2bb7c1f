package results_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

func TestTheSummaryHasWarningsThatDifferInNumbersOnOneLine(t *testing.T) {
	recs := resultstest.Records(resultstest.Options{Engines: []string{"bolt", "pebble", "badger"}, Workloads: []string{"put"}})
	busy := 91
	for _, r := range recs {
		switch r.Factors["engine"] {
		case "badger":
			r.Warnings = append(r.Warnings, "headroom: 3 times as fast")
		default:
			busy++
			r.Warnings = append(r.Warnings, fmt.Sprintf("cpu-bound: 8 clients kept 2 cores %d.5 %% busy", busy))
		}
	}
	var out bytes.Buffer
	if err := results.WriteSummary(&out, recs, nil); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "cpu-bound") || strings.Contains(line, "headroom") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	want := []string{
		fmt.Sprintf("2 of 3 rows (see the report): cpu-bound: 8 clients kept 2 cores 92.5…%d.5 %% busy (1 of 3 runs)", busy),
		"engine=badger: headroom: 3 times as fast (3 of 3 runs)",
	}
	for _, w := range want {
		found := false
		for _, l := range lines {
			found = found || strings.HasSuffix(l, w)
		}
		if !found || len(lines) != len(want) {
			t.Errorf("want %q among %q", w, lines)
		}
	}
}
