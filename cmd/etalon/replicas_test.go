package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/targets"
)

func TestAReplicatedStoreRunsOnAnyEngineAndAnyLog(t *testing.T) {
	for _, c := range []struct {
		engine, log, nodes, policy string
		label                      results.Durability
	}{
		{"bolt", "wal", "1", "none", results.DurabilityGroup},
		{"pebble", "bolt", "3", defaultPolicy, results.DurabilityGroup},
		{"badger", "pebble", "1", "100ops", results.DurabilityGroup},
		{"mem", "badger", "1", "none", results.DurabilityGroup}, // what the engine loses is in the log
		{"mem", "mem", "5", "none", results.DurabilityNone},
	} {
		t.Run(c.engine+"/"+c.log+"/"+c.nodes, func(t *testing.T) {
			if testing.Short() && c.nodes != "1" {
				t.Skip("waits for an election")
			}
			dir := t.TempDir()
			j := job{Run: suite.Run{Seed: 7, Factors: cellOf(t, map[string]string{
				"target": "replica", "engine": c.engine, "log": c.log, "nodes": c.nodes, "policy": c.policy, "workload": "ycsb-a", "clients": "4", "records": "300"})},
				Duration: 50 * time.Millisecond, Dir: filepath.Join(dir, "data")}
			if j.usesFixture() != (c.engine != "mem") {
				t.Errorf("fixture %v", j.usesFixture())
			}
			if j.usesFixture() {
				j.Fixture = filepath.Join(dir, "fixture")
				var err error
				if j.FixtureHash, err = j.build(t.Context()); err != nil || j.FixtureHash == "" {
					t.Fatal(j.FixtureHash, err)
				}
			}
			rec, err := j.measure(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if rec.Durability != c.label || rec.Consistency != results.Linearizable || !rec.Valid() || rec.Count() == 0 {
				t.Errorf("%s, %s, %d operations, %+v", rec.Durability, rec.Consistency, rec.Count(), rec.Verdicts)
			}
			for _, s := range targets.MemberStages() {
				if got := rec.Stage(s.Name); got == nil || got.Times.Count() == 0 {
					t.Errorf("stage %s is empty", s.Name)
				}
			}
			if rec.Options["replica"]["nodes"] != c.nodes || len(rec.Options["engine"]) == 0 {
				t.Errorf("options %v", rec.Options)
			}
		})
	}
}

func TestWhatAReplicatedStoreCannotDoIsRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--durability sync", "where writes that wait share a sync"},
		{"--durability interval", "whose members vote by what their logs hold"},
		{"--nodes 4", `unknown nodes "4"`},
		{"--policy soon", `policy "soon"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, _, errs := command(t, append([]string{"bench", "--target", "replica"}, strings.Fields(c.args)...)...)
			if status != exitUsage || !strings.Contains(errs, c.want) {
				t.Errorf("status %d, %q; want 2 and %q", status, errs, c.want)
			}
		})
	}
}
