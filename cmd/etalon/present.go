package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/plot"
	"github.com/etalon-kv/etalon/results/report"
)

// present writes the report of some records to path, and prints their table, who won, and the path.
func present(tty terminal, recs []*results.Record, problems []results.Problem, path, command string) error {
	if err := writeReport(path, recs, problems, command); err != nil {
		return err
	}
	if err := results.WriteSummary(tty.out, recs, problems); err != nil {
		return err
	}
	fmt.Fprintln(tty.out)
	groups := results.Group(recs)
	for _, w := range results.Winners(groups) {
		fmt.Fprintln(tty.out, w)
	}
	for _, s := range results.FloorSentences(results.Ladders(groups)) {
		fmt.Fprintln(tty.out, s)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(tty.out, "\nReport: %s\n", absolute)
	return err
}

// writeReport writes the page to path: all of it or nothing.
func writeReport(path string, recs []*results.Record, problems []results.Problem, command string) error {
	return writeFile(path, func(w io.Writer) error {
		return report.Write(w, report.Input{
			Records: recs, Problems: problems, Generated: time.Now(), Command: command, Repeat: repeatCommand,
		})
	})
}

// writeFile makes a file through a temporary name beside it, so that no half of it is ever there.
func writeFile(path string, write func(io.Writer) error) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".etalon-tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	if err = write(temp); err != nil {
		temp.Close()
		return err
	}
	if err = temp.Chmod(0o644); err != nil {
		temp.Close()
		return err
	}
	if err = temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// repeatCommand is the command line that measures a record's cell again: its factors, the engine
// options that were asked for, its lengths, and its suite's seed.
func repeatCommand(r *results.Record) string {
	parts := []string{"etalon bench"}
	for _, f := range factorTable() {
		if v := r.Factors[f.Name]; v != f.Default && v != suite.NotApplicable && v != "" {
			parts = append(parts, fmt.Sprintf("--%s=%s", f.Name, shellWord(v)))
		}
	}
	asked := r.Options[askedOptions]
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if flag, ok := etcdFlag(name); ok {
			parts = append(parts, flag+"="+shellWord(asked[name]))
			continue
		}
		option := name
		if parts := components(r.Factors); !strings.Contains(name, ".") && len(parts) > 0 { // an older record
			option = parts[0] + "." + name
		}
		parts = append(parts, "--option="+shellWord(option+"="+asked[name]))
	}
	runner := r.Options["runner"]
	for _, f := range []struct{ flag, option string }{{"duration", "measure"}, {"warmup", "warmup"}} {
		if v := runner[f.option]; v != "" {
			parts = append(parts, fmt.Sprintf("--%s=%s", f.flag, shellWord(v)))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("--seed=%d", r.SuiteSeed)), " ")
}

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.,:/=+", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !safe(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// load reads directories of results, and names on tty.err what was left out.
func load(tty terminal, dirs []string) ([]*results.Record, []results.Problem, error) {
	recs, problems, err := results.Load(dirs...)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range problems {
		fmt.Fprintf(tty.err, "left out: %s\n", p)
	}
	if len(recs) == 0 {
		return nil, nil, fmt.Errorf("no records in %s", strings.Join(dirs, ", "))
	}
	return recs, problems, nil
}

func reportCommand(tty terminal) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "report DIR…", Short: "Write the report of finished runs as one HTML file", Args: atLeastOne("a directory of results"),
		RunE: func(_ *cobra.Command, dirs []string) error {
			recs, problems, err := load(tty, dirs)
			if err != nil {
				return err
			}
			if out == "" {
				out = filepath.Join(dirs[0], "report.html")
			}
			return present(tty, recs, problems, out, "etalon report "+strings.Join(dirs, " "))
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write (default DIR/report.html)")
	return cmd
}

func plotCommand(tty terminal) *cobra.Command {
	var out, format string
	cmd := &cobra.Command{
		Use: "plot DIR…", Short: "Draw the figures of finished runs as PNG or SVG files", Args: atLeastOne("a directory of results"),
		RunE: func(cmd *cobra.Command, dirs []string) error {
			if !slices.Contains(plot.Formats(), format) {
				return usageError{unknownWord("format", format, plot.Formats())}
			}
			recs, _, err := load(tty, dirs)
			if err != nil {
				return err
			}
			if out == "" {
				out = filepath.Join(dirs[0], "plots")
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return err
			}
			for _, f := range plot.All(recs) {
				if err := cmd.Context().Err(); err != nil {
					return err
				}
				path := filepath.Join(out, f.Name+"."+format)
				if err := writeFile(path, func(w io.Writer) error { return f.WriteTo(w, format) }); err != nil {
					return err
				}
				fmt.Fprintln(tty.out, path)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "directory to write to (default DIR/plots)")
	cmd.Flags().StringVar(&format, "format", "png", strings.Join(plot.Formats(), " or "))
	return cmd
}
