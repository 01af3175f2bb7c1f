package web

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/etalon-kv/etalon/server"
)

// registry makes /metrics: etcd's names for what dashboards of etcd show, read at each scrape.
func registry(m Member) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &collector{m})
	return r
}

// collector is a prometheus.Collector of a member's figures.
type collector struct{ m Member }

// metric is one figure.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*server.Figures) float64
}

func gauge(name, help string, value func(*server.Figures) float64) metric {
	return metric{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(*server.Figures) float64) metric {
	return metric{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, value}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

var metrics = []metric{
	gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence, 0 is not.", func(f *server.Figures) float64 { return oneIf(f.HasLeader) }),
	gauge("etcd_server_is_leader", "Whether or not this member is a leader. 1 if is, 0 otherwise.", func(f *server.Figures) float64 { return oneIf(f.IsLeader) }),
	gauge("etcd_server_is_learner", "Whether or not this member is a learner. 1 if is, 0 otherwise.", func(f *server.Figures) float64 { return oneIf(f.IsLearner) }),
	counter("etcd_server_leader_changes_seen_total", "The number of leader changes seen.", func(f *server.Figures) float64 { return float64(f.LeaderChanges) }),
	gauge("etcd_server_proposals_committed_total", "The index of the last entry known to be committed.", func(f *server.Figures) float64 { return float64(f.Committed) }),
	gauge("etcd_server_proposals_applied_total", "The index of the last entry applied.", func(f *server.Figures) float64 { return float64(f.Applied) }),
	gauge("etcd_server_proposals_pending", "The number of proposals not answered yet.", func(f *server.Figures) float64 { return float64(f.Pending) }),
	gauge("etcd_server_quota_backend_bytes", "Current backend storage quota size in bytes.", func(f *server.Figures) float64 { return float64(f.QuotaBytes) }),
	gauge("etcd_mvcc_db_total_size_in_bytes", "Total size of the engine's files in bytes.", func(f *server.Figures) float64 { return float64(f.DiskBytes) }),
	gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Size of the content in the engine's files in bytes.", func(f *server.Figures) float64 { return float64(f.LiveBytes) }),
	gauge("etcd_debugging_mvcc_keys_total", "Total number of keys, deleted ones that are not compacted included.", func(f *server.Figures) float64 { return float64(f.Keys) }),
	gauge("etcd_debugging_mvcc_current_revision", "The current revision of the store.", func(f *server.Figures) float64 { return float64(f.Revision) }),
	gauge("etcd_debugging_mvcc_compact_revision", "The revision of the last compaction.", func(f *server.Figures) float64 { return float64(f.Compacted) }),
	gauge("etalon_leases", "Leases in force.", func(f *server.Figures) float64 { return float64(f.Leases) }),
}

// stageSeconds tells, per stage on the way of a proposal through this member, how long it took.
var stageSeconds = prometheus.NewDesc("etalon_stage_duration_seconds",
	"How long proposals took in each stage of this member: queue, append, sync, replicate, apply, commit, reply.", []string{"stage"}, nil)

// stage is the histogram of one.
func stage(f *server.StageFigures) prometheus.Metric {
	buckets := make(map[float64]uint64, len(f.Bounds))
	for i, bound := range f.Bounds {
		buckets[bound.Seconds()] = f.AtMost[i]
	}
	return prometheus.MustNewConstHistogram(stageSeconds, f.Count, f.Sum.Seconds(), buckets, f.Stage)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.desc
	}
	ch <- stageSeconds
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	f := c.m.Figures()
	for _, m := range metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&f))
	}
	for i := range f.Stages {
		ch <- stage(&f.Stages[i])
	}
}
