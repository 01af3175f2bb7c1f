package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/plot"
)

// addCompletions tells the shells which words flags and arguments take: etalon bench --engine <TAB>.
func addCompletions(root *cobra.Command) {
	byFlag := map[string][]string{"ignore": nil, "only": nil, "metric": nil}
	for _, l := range lists() {
		var names []string
		for _, e := range l.entries {
			names = append(names, e.name)
		}
		byFlag[singular(l.name)] = names
	}
	for _, f := range factorTable() {
		byFlag["ignore"] = append(byFlag["ignore"], f.Name)
		byFlag["only"] = append(byFlag["only"], f.Name+"=")
	}
	for _, m := range results.Metrics() {
		byFlag["metric"] = append(byFlag["metric"], m.Unit)
	}
	formats := map[string][]string{"export": slices.Sorted(maps.Keys(exportFormats())), "plot": plot.Formats()}
	for _, cmd := range root.Commands() {
		for flag, words := range byFlag {
			offer(cmd, flag, words)
		}
		offer(cmd, "format", formats[cmd.Name()])
		if cmd.Name() == "run" {
			cmd.ValidArgsFunction = cobra.FixedCompletions(builtinNames(), cobra.ShellCompDirectiveDefault) // or a file
		}
	}
	// What cobra makes of itself prints help and status 0 for a shell it does not know.
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Args, c.RunE = noArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
}

// offer completes a flag of cmd, if it has it, by words.
func offer(cmd *cobra.Command, flag string, words []string) {
	if cmd.Flags().Lookup(flag) == nil || len(words) == 0 {
		return
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if strings.HasSuffix(words[0], "=") {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, directive)); err != nil {
		panic(err) // only for a flag that is not there, or registered twice
	}
}

// singular is the factor that a list is of.
func singular(list string) string {
	switch list {
	case "durabilities":
		return "durability"
	case "indexes":
		return "index"
	}
	return strings.TrimSuffix(list, "s")
}
