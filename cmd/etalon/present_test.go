package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results"
)

func TestStepsThatTheRunWouldCutOffAreRefused(t *testing.T) {
	s := suite.Suite{Name: "own", Reps: 1, Duration: 3 * time.Second, Factors: map[string][]string{"rate": {"steps:100x2s,200x2s"}}}
	want := "suite own: rate=steps:100x2s,200x2s takes 4s, longer than the measured phase: want --duration (in a suite: duration) 4s or more, not 3s"
	if _, _, err := planRuns(s, ""); err == nil || err.Error() != want {
		t.Errorf("a suite of 3s: %v\nwant %s", err, want)
	}
	s.Duration = 4 * time.Second
	if _, _, err := planRuns(s, ""); err != nil {
		t.Errorf("a suite of 4s: %v", err)
	}
}

func TestTheCommandThatRepeatsACellGivesTheSameCell(t *testing.T) {
	s := suite.Suite{
		Name: "own", Seed: 7, Reps: 1, Warmup: 250 * time.Millisecond, Duration: 1200 * time.Millisecond,
		Factors: map[string][]string{
			"engine": {"bolt"}, "durability": {"interval"}, "policy": {"500ops/20ms"}, "workload": {"ycsb-e"},
			"rate": {"steps:500x600ms,4000x600ms"}, "records": {"1000"}, "value": {"uniform:10-90"}, "keys": {"uniform"},
		},
	}
	asked, err := parseOptions([]string{"bolt.pageBytes=16384", "bolt.growBytes=33554432", "bolt.freelist=array", "bolt.noFreelistSync=true"})
	if err != nil {
		t.Fatal(err)
	}
	s.Options = asked
	runs, _, err := planRuns(s, "")
	if err != nil || len(runs) != 1 {
		t.Fatal(len(runs), err)
	}
	text := map[string]string{}
	for name, v := range askedText(asked["bolt"]) {
		text["bolt."+name] = v
	}
	line := repeatCommand(&results.Record{
		Factors: runs[0].Factors, SuiteSeed: s.Seed,
		Options: map[string]map[string]string{
			"runner":     {"measure": s.Duration.String(), "warmup": s.Warmup.String()},
			askedOptions: text,
		},
	})
	words := strings.Fields(line) // nothing in it needs quotes
	again, err := suiteOfBench(words[1:])
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	runsAgain, _, err := planRuns(again, "")
	if err != nil || len(runsAgain) != 1 {
		t.Fatal(len(runsAgain), err)
	}
	if runsAgain[0].Cell != runs[0].Cell || again.Duration != s.Duration || again.Warmup != s.Warmup ||
		runsAgain[0].Seed != runs[0].Seed || !reflect.DeepEqual(again.Options, s.Options) {
		t.Errorf("%s\ngives %s %v %v seed %d %v\nwant  %s %v %v seed %d %v", line,
			runsAgain[0].Cell, again.Warmup, again.Duration, runsAgain[0].Seed, again.Options,
			runs[0].Cell, s.Warmup, s.Duration, runs[0].Seed, s.Options)
	}
}

// suiteOfBench is the suite that the words after etalon stand for.
func suiteOfBench(words []string) (s suite.Suite, err error) {
	root := &cobra.Command{Use: "etalon", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(benchWith(func(_ *cobra.Command, got suite.Suite, _ where) error {
		s = got
		return nil
	}))
	root.SetArgs(words)
	err = root.Execute()
	return s, err
}
