package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results"
)

func TestEveryLogRunsUnderAGroup(t *testing.T) {
	for _, c := range []struct {
		log, nodes, durability string
		label                  results.Durability
	}{
		{"wal", "1", "group", results.DurabilityGroup},
		{"wal", "5", "sync", results.DurabilitySync},
		{"bolt", "3", "group", results.DurabilityGroup},
		{"pebble", "3", "none", results.DurabilityNone},
		{"badger", "3", "group", results.DurabilityGroup},
		{"mem", "3", "group", results.DurabilityNone},
	} {
		t.Run(c.log+"/"+c.nodes+"/"+c.durability, func(t *testing.T) {
			j := job{Run: suite.Run{Seed: 7, Factors: cellOf(t, map[string]string{
				"target": "raft", "log": c.log, "nodes": c.nodes, "durability": c.durability, "workload": "ycsb-a", "clients": "8"})},
				Duration: 50 * time.Millisecond, Dir: filepath.Join(t.TempDir(), "data")}
			if e := j.Run.Factors["engine"]; e != suite.NotApplicable || j.usesFixture() {
				t.Errorf("engine %q, fixture %v", e, j.usesFixture())
			}
			rec, err := j.measure(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if rec.Durability != c.label || rec.Consistency != results.Linearizable || !rec.Valid() || rec.Count() == 0 {
				t.Errorf("%s, %s, %d operations, %+v", rec.Durability, rec.Consistency, rec.Count(), rec.Verdicts)
			}
			if rec.Options["raft"]["nodes"] != c.nodes || rec.Stage("commit").Times.Count() == 0 {
				t.Errorf("options %v, stages %+v", rec.Options, rec.Stages)
			}
			if c.log != "mem" && len(rec.Options["log"]) == 0 || c.log == "wal" && rec.Bytes.Syncs <= 0 {
				t.Errorf("log options %v, %d syncs", rec.Options["log"], rec.Bytes.Syncs)
			}
		})
	}
}

func TestWrongWordsOfAGroupAreAnsweredWithTheRightOnes(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"--log wla", `did you mean "wal"?`},
		{"--nodes 2", `unknown nodes "2"`},
		{"--durability interval", "whose members vote by what their logs hold"},
		{"--workload compare-and-put", "target=raft, which cannot compare"},
		{"--option wal.segmentByte=4096", `did you mean "segmentBytes"?`},
		{"--option wal.segmentBytes=5", "segmentBytes is 5"},
		{"--option wla.segmentBytes=4096", `did you mean "wal"?`},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, _, errs := command(t, append([]string{"bench", "--target", "raft"}, strings.Fields(c.args)...)...)
			if status != exitUsage || !strings.Contains(errs, c.want) {
				t.Errorf("status %d, %q; want 2 and %q", status, errs, c.want)
			}
		})
	}
}

func TestARunOfAGroupCanBeRepeated(t *testing.T) {
	r := &results.Record{SuiteSeed: 3, Factors: cellOf(t, map[string]string{"target": "raft", "log": "bolt", "nodes": "5", "workload": "put"}),
		Options: map[string]map[string]string{askedOptions: {"pageBytes": "8192"}}}
	want := "etalon bench --target=raft --log=bolt --nodes=5 --workload=put --option=bolt.pageBytes=8192 --seed=3"
	if got := repeatCommand(r); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
