package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/results"
)

// errGate is returned when a comparison misses its gate.
var errGate = errors.New("the gate is missed")

func compareCommand(tty terminal) *cobra.Command {
	var (
		gate    string
		ignore  []string
		metrics []string
		options results.CompareOptions
	)
	cmd := &cobra.Command{
		Use:   "compare BASE NEW",
		Short: "Compare two directories of results, cell by cell",
		Long: "Compare puts the runs of NEW beside those of BASE: medians with intervals, the Mann-Whitney U test\n" +
			"over runs, Holm's correction for the number of rows. With --gate it ends with status 1 if a\n" +
			"significant change for the worse goes beyond the gate, or if there are too few runs to tell.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("compare needs two directories of results, BASE and NEW, got %d", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) (err error) {
			if options.Gate, err = parseShare(gate); err != nil {
				return usageError{fmt.Errorf("gate: %w", err)}
			}
			options.Ignore = ignore
			if len(metrics) > 0 {
				if options.Metrics, err = results.MetricsByUnit(metrics...); err != nil {
					return usageError{err}
				}
			}
			for _, name := range ignore {
				if err := knownFactor(name); err != nil {
					return usageError{err}
				}
			}
			base, _, err := load(tty, args[:1])
			if err != nil {
				return err
			}
			changed, _, err := load(tty, args[1:])
			if err != nil {
				return err
			}
			c, err := results.Compare(base, changed, options)
			if err != nil {
				return err
			}
			if err := results.WriteComparison(tty.out, c); err != nil {
				return err
			}
			if ok, why := c.GateOK(); !ok {
				return fmt.Errorf("%w: %s", errGate, strings.Join(why, "; "))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&gate, "gate", "", "largest tolerated change for the worse, such as 5%")
	cmd.Flags().StringSliceVar(&ignore, "ignore", nil, "factors whose difference is what is compared, such as engine")
	cmd.Flags().StringSliceVar(&metrics, "metric", nil, "units of the metrics to compare, such as ops/s or p99-ns (default: the headline ones)")
	cmd.Flags().BoolVar(&options.Strict, "strict", false, "refuse directories that differ in environment or options")
	return cmd
}

func knownFactor(name string) error {
	var known []string
	for _, f := range factorTable() {
		if f.Name == name {
			return nil
		}
		known = append(known, f.Name)
	}
	return unknownWord("factor", name, known)
}

// parseShare reads "5%" or "0.05"; "" is 0.
func parseShare(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(number, 64)
	if percent {
		x /= 100
	}
	if err != nil || !(x > 0 && x <= 10) {
		return 0, fmt.Errorf("%q, accepted: a share above 0 such as 5%%", text)
	}
	return x, nil
}
