package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results"
)

// where are the flags that say where results and data go.
type where struct{ out, data string }

func (w *where) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.out, "out", "", "directory of the results; given again, it goes on where it stopped (default runs/SUITE-N)")
	cmd.Flags().StringVar(&w.data, "data", "", "directory on the disk to measure, for the engines' data (default: the results' directory)")
}

func runCommand(tty terminal) *cobra.Command {
	var (
		place where
		reps  int
		seed  uint64
		only  []string
		etcd  etcdFlags
	)
	cmd := &cobra.Command{
		Use:   "run [SUITE]",
		Short: "Run a suite (a built-in name or a YAML file) and write its report",
		Long: "Run measures every cell of a suite, in random order, each in a process of its own, and writes\n" +
			"a table, one sentence a workload on who won, and a report to open in a browser.\n\n" +
			"SUITE is a built-in name (" + strings.Join(builtinNames(), ", ") + ") or a YAML file; default: " + defaultSuite + ".\n" +
			"Ctrl-C keeps what is finished; running again goes on from there.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("run takes one suite, got %s", strings.Join(args, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := findSuite(append(args, defaultSuite)[0])
			if err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("reps") {
				s.Reps = reps
			}
			if cmd.Flags().Changed("seed") {
				s.Seed = seed
			}
			if err := s.Only(only, factorTable()); err != nil {
				return usageError{err}
			}
			if err := etcd.into(&s); err != nil {
				return usageError{err}
			}
			return runSuite(cmd.Context(), tty, s, place)
		},
	}
	place.flags(cmd)
	etcd.flags(cmd)
	cmd.Flags().IntVar(&reps, "reps", 0, "repetitions of every cell (default: the suite's)")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "seed of order and load (default: the suite's)")
	cmd.Flags().StringSliceVar(&only, "only", nil, "only cells with these values: FACTOR=VALUE,…")
	return cmd
}

// findSuite returns a built-in suite, or reads a file.
func findSuite(name string) (suite.Suite, error) {
	if s, ok := builtinSuites()[name]; ok {
		return s, nil
	}
	isFile := strings.ContainsAny(name, "/\\.")
	data, err := os.ReadFile(name)
	switch {
	case err == nil:
		return suite.Parse(name, data, suiteDefaults(), factorTable(), checkEngineOptions)
	case isFile || !errors.Is(err, fs.ErrNotExist):
		return suite.Suite{}, fmt.Errorf("read suite: %w", err)
	default:
		return suite.Suite{}, fmt.Errorf("%w, or a YAML file", unknownWord("suite", name, builtinNames()))
	}
}

func benchCommand(tty terminal) *cobra.Command {
	return benchWith(func(cmd *cobra.Command, s suite.Suite, place where) error {
		return runSuite(cmd.Context(), tty, s, place)
	})
}

// benchWith is the command with what it does with its suite left open, for tests.
func benchWith(do func(*cobra.Command, suite.Suite, where) error) *cobra.Command {
	var (
		place   where
		s       = suite.Suite{Name: "bench", Reps: 1, Seed: 1}
		options []string
		etcd    etcdFlags
	)
	values := make(map[string]*string)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure one cell",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.Factors = make(map[string][]string)
			for name, v := range values {
				if cmd.Flags().Changed(name) {
					s.Factors[name] = []string{*v}
				}
			}
			var err error
			if s.Options, err = parseOptions(options); err != nil {
				return usageError{err}
			}
			if err := etcd.into(&s); err != nil {
				return usageError{err}
			}
			if err := checkIdle(s); err != nil {
				return usageError{err}
			}
			return do(cmd, s, place)
		},
	}
	for _, f := range factorTable() {
		values[f.Name] = cmd.Flags().String(f.Name, f.Default, f.Doc)
	}
	place.flags(cmd)
	etcd.flags(cmd)
	cmd.Flags().DurationVar(&s.Duration, "duration", 10*time.Second, "length of the measured phase")
	cmd.Flags().DurationVar(&s.Warmup, "warmup", 2*time.Second, "length of the warm-up before it")
	cmd.Flags().IntVar(&s.Reps, "reps", 1, "repetitions")
	cmd.Flags().Uint64Var(&s.Seed, "seed", 1, "seed of the load")
	cmd.Flags().StringSliceVar(&options, "option", nil, "options of engine and log: ENGINE.NAME=VALUE,…")
	return cmd
}

// checkIdle refuses factors and options of the one cell of a suite that mean nothing in it: whoever gave
// them believes that they are measured.
func checkIdle(s suite.Suite) error {
	if err := s.Validate(factorTable()); err != nil {
		return err
	}
	cells, err := s.Cells(factorTable())
	if err != nil {
		return err
	}
	idle, err := s.Idle(factorTable())
	if err != nil {
		return err
	}
	cell := "target=" + cells[0]["target"]
	if len(idle) > 0 {
		f := idle[0]
		switch f.Name {
		case "policy":
			cell += " durability=" + cells[0]["durability"]
		case "watchers":
			cell = "workload=" + cells[0]["workload"]
		}
		return fmt.Errorf("%s=%s means nothing with %s: it is the %s", f.Name, s.Factors[f.Name][0], cell, f.Doc)
	}
	for _, component := range slices.Sorted(maps.Keys(s.Options)) {
		if parts := components(cells[0]); !slices.Contains(parts, component) {
			return fmt.Errorf("options of %s mean nothing with %s, whose parts with options are: %s", component, cell, strings.Join(append(parts, "no others"), ", "))
		}
	}
	return nil
}

// parseOptions reads ENGINE.NAME=VALUE; numbers and booleans become such.
func parseOptions(pairs []string) (map[string]map[string]any, error) {
	all := make(map[string]map[string]any)
	for _, pair := range pairs {
		key, text, ok := strings.Cut(pair, "=")
		component, name, dotted := strings.Cut(key, ".")
		if !ok || !dotted {
			return nil, fmt.Errorf("option %q, accepted: ENGINE.NAME=VALUE", pair)
		}
		var value any = text
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			value = n
		} else if x, err := strconv.ParseFloat(text, 64); err == nil {
			value = x
		} else if b, err := strconv.ParseBool(text); err == nil {
			value = b
		}
		if all[component] == nil {
			all[component] = make(map[string]any)
		}
		all[component][name] = value
	}
	for component, options := range all {
		if err := checkEngineOptions(component, options); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// runSuite carries a suite out, or on, and leaves its report.
func runSuite(ctx context.Context, tty terminal, s suite.Suite, place where) error {
	runs, ids, err := planRuns(s, results.BuildCommit())
	if err != nil {
		return usageError{err}
	}
	if place.out == "" {
		if place.out, err = nextOut(s.Name, ids); err != nil {
			return err
		}
	}
	if place.data == "" {
		place.data = place.out
	}
	store, err := results.Create(place.out)
	if err != nil {
		return err
	}
	defer store.Close()
	c := &campaign{suite: s, runs: runs, ids: ids, out: place.out, dataDir: place.data, store: store}
	done, err := c.finished()
	if err != nil {
		return err
	}
	var left []suite.Run
	for i, id := range ids {
		if !done[id] {
			left = append(left, runs[i])
		}
	}
	finished := len(runs) - len(left)
	if err := os.MkdirAll(place.data, 0o755); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if err := c.checkRoom(left, freeBytes(place.data)); err != nil {
		return usageError{err}
	}
	fmt.Fprintf(tty.err, "Suite %s: %s into %s, about %v\n", s.Name, plural(len(runs), "run"), place.out, estimate(s, len(left)))
	if finished > 0 {
		fmt.Fprintf(tty.err, "%s there already, going on\n", plural(finished, "run"))
	}
	c.progress = newProgress(tty.err, len(runs), finished)
	runErr := c.execute(ctx)
	c.progress.close()
	if err := summarise(tty, place.out, s, ids); err != nil {
		return errors.Join(runErr, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("finished runs are kept; run again with --out %s to go on", place.out)
	}
	return runErr
}

// estimate is about how long n runs of a suite take: their phases and what stands around them.
func estimate(s suite.Suite, n int) time.Duration {
	const overhead = 500 * time.Millisecond
	return (time.Duration(n) * (s.Warmup + s.Duration + overhead)).Round(time.Second)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// summarise writes the report of a directory and prints table, sentences and its path.
func summarise(tty terminal, out string, s suite.Suite, ids []string) error {
	recs, problems, err := results.Load(out)
	if err != nil {
		return err
	}
	others := len(recs)
	recs = slices.DeleteFunc(recs, func(r *results.Record) bool { return !slices.Contains(ids, r.ID) })
	if others -= len(recs); others > 0 {
		fmt.Fprintf(tty.err, "%s of another plan in %s left out of this summary\n", plural(others, "record"), out)
	}
	if len(recs) == 0 {
		return nil
	}
	path := filepath.Join(out, "report.html")
	return present(tty, recs, problems, path, "etalon run "+s.Name)
}
