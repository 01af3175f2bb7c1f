package targets

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// scrapedStages are the histograms of /metrics that become stages: the metric's name and label, and the
// stage. Ours has four buckets an octave, etcd's one.
func scrapedStages() map[string]results.Stage {
	all := map[string]results.Stage{
		"etcd_disk_wal_fsync_duration_seconds":      {Name: "wal-fsync", Doc: "a sync of etcd's log, as etcd times it; counted once a batch and rounded up, to at most twice"},
		"etcd_disk_backend_commit_duration_seconds": {Name: "backend-commit", Doc: "a commit of etcd's storage engine, as etcd times it; in the background, counted once and rounded up, to at most twice"},
	}
	for _, s := range MemberStages() {
		label := s.Name
		if label == "engine-commit" {
			label = "commit"
		}
		s.Doc += " (rounded up by at most a quarter)"
		all[`etalon_stage_duration_seconds{stage="`+label+`"}`] = s
	}
	return all
}

// scraper reads the stages of a cluster's leader out of its /metrics.
type scraper struct {
	addrs  []string
	client http.Client
	known  map[string]results.Stage
	before []counted // of each member, when they were taken last
}

// counted are histograms by their names in scrapedStages: how many took at most each bound, in seconds.
type counted map[string][]bucket

type bucket struct {
	bound float64
	count int64
}

// scrapeTimeout bounds the reading of one member's metrics.
const scrapeTimeout = 5 * time.Second

func newScraper(addrs []string) *scraper {
	return &scraper{
		addrs: addrs, client: http.Client{Timeout: scrapeTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
		known: scrapedStages(), before: make([]counted, len(addrs)),
	}
}

// take returns what was counted since it was called last at the member that leads now. Members that do
// not answer have counted nothing.
func (s *scraper) take() []results.Stage {
	var all []results.Stage
	for i, addr := range s.addrs {
		now, leads, err := s.read(addr)
		if err != nil {
			continue
		}
		if leads {
			all = s.since(s.before[i], now)
		}
		s.before[i] = now
	}
	return all
}

func (s *scraper) read(addr string) (counted, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, false, err
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, false, err
	}
	defer answer.Body.Close()
	return s.parse(answer.Body)
}

// parse reads the histograms that become stages, and whether the member leads.
func (s *scraper) parse(r io.Reader) (counted, bool, error) {
	all, leads := counted{}, false
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, value, ok := cutLast(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if name == "etcd_server_is_leader" {
			leads = value == "1"
		}
		metric, labels, ok := strings.Cut(name, "_bucket{")
		if !ok {
			continue
		}
		labels, bound, ok := strings.Cut(strings.TrimSuffix(labels, `"}`), `le="`)
		if labels = strings.TrimSuffix(labels, ","); labels != "" {
			metric += "{" + labels + "}"
		}
		if _, known := s.known[metric]; !known || !ok {
			continue
		}
		at, err := strconv.ParseFloat(bound, 64) // "+Inf" is one
		if err != nil {
			return nil, false, err
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, false, err
		}
		all[metric] = append(all[metric], bucket{at, int64(n)})
	}
	return all, leads, lines.Err()
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// since makes stages of what was counted between two readings, in the order of MemberStages; each
// bucket counts at its upper bound, those beyond the last at twice that.
func (s *scraper) since(before, now counted) []results.Stage {
	var all []results.Stage
	for name, stage := range s.known {
		buckets := now[name]
		if len(buckets) == 0 {
			continue
		}
		stage.Times = results.NewHistogram()
		var below int64
		var last float64
		for i, b := range buckets {
			n := b.count
			if i < len(before[name]) {
				n -= before[name][i].count
			}
			if b.bound <= maxBound {
				last = b.bound
			} else {
				b.bound = 2 * last
			}
			stage.Times.RecordN(time.Duration(b.bound*1e9), n-below)
			below = n
		}
		all = append(all, stage)
	}
	order := MemberStages()
	place := func(s results.Stage) int {
		return slices.IndexFunc(order, func(o results.Stage) bool { return o.Name == s.Name })
	}
	slices.SortFunc(all, func(a, b results.Stage) int {
		if c := place(a) - place(b); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

// maxBound is above every bound of a bucket but the last, which is infinite.
const maxBound = 1e9
