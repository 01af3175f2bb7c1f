package resultstest

import (
	"maps"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// WithBackground gives each of recs an event for every operation, half as long after it as the
// operation took, and three compactions, and makes a tenth of its operations of each kind those
// that a compaction ran beside. It returns recs.
func WithBackground(recs []*results.Record) []*results.Record {
	for _, r := range recs {
		events, compactions := results.NewHistogram(), results.NewHistogram()
		for b := range r.Latency("").Buckets() {
			events.RecordN(b.Lo+b.Lo/2, b.Count)
		}
		for i := range 3 {
			compactions.Record(time.Duration(i+1) * 10 * time.Millisecond)
		}
		r.Background = map[string]*results.OpStats{
			results.KindEvent:      stats(events),
			results.KindCompaction: stats(compactions),
		}
		r.Background[results.KindEvent].Behind = 2
		for kind, s := range maps.Clone(r.Ops) {
			quiet, busy := results.NewHistogram(), results.NewHistogram()
			for b := range s.Service.Buckets() {
				quiet.RecordN(b.Lo, b.Count-b.Count/10)
				busy.RecordN(b.Lo*2, b.Count/10)
			}
			delete(r.Ops, kind)
			r.Ops[kind+"-quiet"], r.Ops[kind+"-compacting"] = stats(quiet), stats(busy)
		}
	}
	return recs
}

func stats(h *results.Histogram) *results.OpStats {
	return &results.OpStats{Count: h.Count(), Items: h.Count(), Errors: map[string]int64{}, Service: h}
}
