package targets

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// firstReading and secondReading are what two members tell before and after a phase.
const firstReading = `# HELP etalon_stage_duration_seconds How long
# TYPE etalon_stage_duration_seconds histogram
etalon_stage_duration_seconds_bucket{stage="sync",le="0.001"} 10
etalon_stage_duration_seconds_bucket{stage="sync",le="0.002"} 30
etalon_stage_duration_seconds_bucket{stage="sync",le="+Inf"} 30
etalon_stage_duration_seconds_sum{stage="sync"} 0.05
etcd_server_is_leader 0
go_goroutines 12
`

const secondReading = `etalon_stage_duration_seconds_bucket{stage="commit",le="0.001"} 7
etalon_stage_duration_seconds_bucket{stage="commit",le="+Inf"} 7
etalon_stage_duration_seconds_bucket{stage="sync",le="0.001"} 20
etalon_stage_duration_seconds_bucket{stage="sync",le="0.002"} 43
etalon_stage_duration_seconds_bucket{stage="sync",le="+Inf"} 44
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.008"} 3
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 3
etcd_server_is_leader 1
`

func TestStagesAreWhatTheLeaderCountedBetweenTwoReadings(t *testing.T) {
	var reading atomic.Pointer[string]
	tell := func(s string) { reading.Store(&s) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(*reading.Load()))
	}))
	defer server.Close()
	s := newScraper([]string{strings.TrimPrefix(server.URL, "http://"), "127.0.0.1:1"})
	tell(firstReading)
	if got := s.take(); len(got) != 0 {
		t.Errorf("of a member that does not lead: %+v", got)
	}
	tell(secondReading)
	got := s.take()
	var names []string
	for _, stage := range got {
		names = append(names, stage.Name)
	}
	if want := "wal-fsync sync engine-commit"; strings.Join(names, " ") != want {
		t.Fatalf("stages %v, want %s", names, want)
	}
	sync := got[1].Times
	if n := sync.Count(); n != 14 { // 10 up to 1 ms, 3 up to 2 ms, 1 beyond
		t.Errorf("%d syncs between the readings, want 14", n)
	}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0.5, time.Millisecond}, {0.9, 2 * time.Millisecond}, {1, 4 * time.Millisecond}} {
		if got, _ := sync.Quantile(c.q); got < c.want*99/100 || got > c.want*101/100 {
			t.Errorf("quantile %v is %v, want %v", c.q, got, c.want)
		}
	}
	tell(secondReading)
	for _, stage := range s.take() {
		if stage.Times.Count() != 0 {
			t.Errorf("%s was counted twice", stage.Name)
		}
	}
}

func TestEveryStageOfAMemberIsScraped(t *testing.T) {
	known := map[string]results.Stage{}
	for _, s := range scrapedStages() {
		known[s.Name] = s
	}
	for _, s := range MemberStages() {
		if known[s.Name].Doc == "" {
			t.Errorf("stage %s is not read from /metrics", s.Name)
		}
	}
}
