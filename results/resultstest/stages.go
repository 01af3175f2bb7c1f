package resultstest

import (
	"time"

	"github.com/etalon-kv/etalon/results"
)

// WithStages gives each of recs the stages of a synthetic target: queue, a tenth of its latencies,
// sync, nine tenths, and compaction, in which nothing was counted. It returns recs.
func WithStages(recs []*results.Record) []*results.Record {
	for _, r := range recs {
		queue, sync := results.NewHistogram(), results.NewHistogram()
		for b := range r.Latency("").Buckets() {
			queue.RecordN(b.Lo/10, b.Count)
			sync.RecordN(time.Duration(float64(b.Lo)*0.9), b.Count)
		}
		r.Stages = []results.Stage{
			{Name: "queue", Doc: "asked until it is in a batch", Times: queue},
			{Name: "sync", Doc: "written until durable", Times: sync},
			{Name: "compaction", Doc: "begin to end of one", Times: results.NewHistogram()},
		}
	}
	return recs
}
