package main

import (
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/bench"
)

// entry is a line of a list.
type entry struct{ name, doc string }

// lists are what etalon list knows, in the order in which it shows them.
func lists() []struct {
	name    string
	entries []entry
} {
	var engines, indexes, logs []entry
	for _, name := range engineNames {
		engines = append(engines, entry{name, engineDocs[name]})
	}
	for _, name := range indexNames {
		indexes = append(indexes, entry{name, indexDocs[name]})
	}
	for _, name := range logNames {
		logs = append(logs, entry{name, logDoc(name)})
	}
	var workloads, factors, suites []entry
	for _, name := range bench.Workloads() {
		workloads = append(workloads, entry{name, bench.WorkloadSummary(name)})
	}
	for _, f := range factorTable() {
		factors = append(factors, entry{f.Name, fmt.Sprintf("%s (default %s)", f.Doc, f.Default)})
	}
	for _, name := range builtinNames() {
		suites = append(suites, entry{name, builtinSuites()[name].Doc})
	}
	return []struct {
		name    string
		entries []entry
	}{
		{"suites", suites},
		{"targets", sortedEntries(targetDocs)},
		{"engines", engines},
		{"indexes", indexes},
		{"logs", logs},
		{"workloads", workloads},
		{"durabilities", sortedEntries(durabilityDocs)},
		{"factors", factors},
	}
}

func sortedEntries(docs map[string]string) []entry {
	var list []entry
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		list = append(list, entry{name, docs[name]})
	}
	return list
}

func listCommand(tty terminal) *cobra.Command {
	var names []string
	for _, l := range lists() {
		names = append(names, l.name)
	}
	return &cobra.Command{
		Use:       "list [" + strings.Join(names, "|") + "]",
		Short:     "List suites, targets, engines, indexes, logs, workloads, durabilities and factors",
		ValidArgs: names,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("list takes one name, got %d", len(args))
			}
			if len(args) == 1 && !slices.Contains(names, args[0]) {
				return usageError{unknownWord("list", args[0], names)}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			w := tabwriter.NewWriter(tty.out, 0, 0, 2, ' ', 0)
			for _, l := range lists() {
				if len(args) == 1 && args[0] != l.name {
					continue
				}
				if len(args) == 0 {
					fmt.Fprintf(w, "%s\n", strings.ToUpper(l.name))
				}
				for _, e := range l.entries {
					fmt.Fprintf(w, "%s\t%s\n", e.name, e.doc)
				}
				if len(args) == 0 {
					fmt.Fprintln(w)
				}
			}
			return w.Flush()
		},
	}
}

func versionCommand(tty terminal) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of etalon and of the engines it is built with", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := versionText()
			if err != nil {
				return err
			}
			fmt.Fprint(tty.out, text)
			return nil
		},
	}
}

// versionText names what this program was built from.
func versionText() (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", fmt.Errorf("this build carries no version information")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "etalon %s\n%s %s/%s\n", info.Main.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, dep := range info.Deps {
		switch dep.Path {
		case "go.etcd.io/bbolt", "github.com/cockroachdb/pebble/v2", "github.com/dgraph-io/badger/v4":
			fmt.Fprintf(&b, "%s %s\n", dep.Path, dep.Version)
		}
	}
	return b.String(), nil
}
