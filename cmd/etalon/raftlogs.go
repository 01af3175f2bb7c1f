package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/internal/nearest"
	"github.com/etalon-kv/etalon/raft/kvlog"
	"github.com/etalon-kv/etalon/raft/wal"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

// logNames are the logs of a raft member: files of its own, or any engine.
var logNames = append([]string{"wal"}, engineNames...)

// logDocs say in a line what each log is.
func logDoc(name string) string {
	if name == "wal" {
		return "segment files: a write and a sync a batch"
	}
	return "entries in the engine " + name
}

// nodeCounts are the sizes of a raft group.
var nodeCounts = []string{"1", "3", "5"}

// walOptions are what a suite may set of raft/wal.
type walOptions struct {
	SegmentBytes int64 `json:"segmentBytes"`
	CacheBytes   int64 `json:"cacheBytes"`
}

func (o walOptions) of(id uint64) wal.Options {
	return wal.Options{ID: id, SegmentBytes: o.SegmentBytes, CacheBytes: o.CacheBytes}
}

func (o *walOptions) validate() error {
	full := o.of(1)
	return full.Validate()
}

// components are what a cell is made of that has options: engine and log, or somebody's etcd.
func components(cell map[string]string) []string {
	if cell["target"] == "etcd" {
		return []string{etcdComponent}
	}
	var all []string
	for _, f := range []string{"engine", "log"} {
		if name := cell[f]; name != suite.NotApplicable && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// memberLog is an open log and what is told of it.
type memberLog struct {
	targets.RaftLog
	gauges  func() bench.Gauges
	options map[string]string
	closers []io.Closer // in the order in which to close
}

// openLog opens the log of member id in dir, with the options of a suite. This switch is the only
// place where names become logs.
func openLog(name, dir string, id uint64, options map[string]any, log *slog.Logger) (memberLog, error) {
	if name == "wal" {
		return openWAL(dir, id, options)
	}
	if !slices.Contains(engineNames, name) {
		return memberLog{}, nearest.Error("log", name, logNames)
	}
	b, err := openEngine(name, dir, options, log)
	if err != nil {
		return memberLog{}, err
	}
	l, err := kvlog.Open(b, kvlog.Options{})
	if err != nil {
		return memberLog{}, errors.Join(err, b.Close())
	}
	m := memberLog{RaftLog: l, closers: []io.Closer{l, b}, gauges: func() bench.Gauges {
		s := b.Stats()
		return bench.Gauges{DiskBytes: -1, LiveBytes: -1, LogBytes: s.DiskBytes, WrittenBytes: s.WrittenBytes, Syncs: s.Syncs}
	}}
	if d, ok := b.(engine.Described); ok {
		m.options = d.Options()
	}
	return m, nil
}

func openWAL(dir string, id uint64, options map[string]any) (memberLog, error) {
	var asked walOptions
	if err := decodeOptions("wal", options, &asked); err != nil {
		return memberLog{}, err
	}
	full := asked.of(id)
	if err := full.Validate(); err != nil {
		return memberLog{}, err
	}
	files, err := wal.Dir(dir)
	if err != nil {
		return memberLog{}, err
	}
	l, err := wal.Open(files, full)
	if err != nil {
		return memberLog{}, err
	}
	return memberLog{
		RaftLog: l, closers: []io.Closer{l},
		options: map[string]string{
			"segmentBytes": strconv.FormatInt(full.SegmentBytes, 10), "cacheBytes": strconv.FormatInt(full.CacheBytes, 10),
		},
		gauges: func() bench.Gauges {
			s := l.Stats()
			return bench.Gauges{DiskBytes: -1, LiveBytes: -1, LogBytes: s.DiskBytes, WrittenBytes: s.WrittenBytes, Syncs: s.Syncs}
		},
	}, nil
}

// openGroup opens the raft group of the job's cell, with a directory a member in dir. What a log takes
// on disk is shown as log and not as disk: it says how often the log is cut, and is no measure of
// the dataset.
func (j job) openGroup(ctx context.Context, s *stack, dir string, d results.Durability) error {
	f := j.Run.Factors
	nodes, err := strconv.Atoi(f["nodes"])
	if err != nil {
		return err
	}
	cfg := targets.RaftConfig{Persistent: f["log"] != "mem", Durability: d, Seed: j.Run.Seed}
	if cfg.Persistent {
		cfg.Dir = dir
	}
	var gauges []func() bench.Gauges
	for i := range nodes {
		l, err := openLog(f["log"], filepath.Join(dir, fmt.Sprint("member-", i+1)), uint64(i+1), j.Options[f["log"]], nil)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, l)
		cfg.Logs, gauges = append(cfg.Logs, l.RaftLog), append(gauges, l.gauges)
		cfg.Options = l.options
	}
	cfg.Gauges = func() bench.Gauges { return sumGauges(gauges) }
	group, err := targets.NewRaft(ctx, cfg)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, group)
	s.target = group
	return nil
}

// sumGauges adds up figures of several stores; what one does not know is not known.
func sumGauges(of []func() bench.Gauges) bench.Gauges {
	var sum bench.Gauges
	for _, gauges := range of {
		g := gauges()
		for _, v := range []struct {
			sum *int64
			add int64
		}{{&sum.DiskBytes, g.DiskBytes}, {&sum.LiveBytes, g.LiveBytes}, {&sum.LogBytes, g.LogBytes},
			{&sum.WrittenBytes, g.WrittenBytes}, {&sum.Syncs, g.Syncs}} {
			if *v.sum < 0 || v.add < 0 {
				*v.sum = -1
			} else {
				*v.sum += v.add
			}
		}
	}
	return sum
}
