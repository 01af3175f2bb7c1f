package main

import (
	"slices"
	"strings"
	"testing"
)

func TestShellsAreToldWhichWordsAreTaken(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"bench", "--engine", ""}, engineNames},
		{[]string{"bench", "--durability", "i"}, []string{"interval"}},
		{[]string{"bench", "--workload", "ycsb-a"}, []string{"ycsb-a"}},
		{[]string{"run", ""}, builtinNames()},
		{[]string{"run", "--only", "eng"}, []string{"engine="}},
		{[]string{"export", "x", "--format", ""}, []string{"benchfmt", "csv", "hgrm", "jsonl"}},
		{[]string{"plot", "x", "--format", ""}, []string{"png", "svg"}},
		{[]string{"compare", "a", "b", "--metric", "cpu"}, []string{"cpu-ns/op"}},
		{[]string{"compare", "a", "b", "--ignore", "eng"}, []string{"engine"}},
	} {
		status, out, _ := command(t, append([]string{"__complete"}, c.args...)...)
		words := strings.Fields(out)
		for _, want := range c.want {
			if status != exitOK || !slices.Contains(words, want) {
				t.Errorf("%v: status %d, %q; want %q among them", c.args, status, words, want)
			}
		}
	}
}

func TestEveryShellHasAScriptAndAnUnknownOneAnError(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if status, out, errs := command(t, "completion", shell); status != exitOK || !strings.Contains(out, "__complete") {
			t.Errorf("%s: status %d, %d bytes, %s", shell, status, len(out), errs)
		}
	}
	if status, _, errs := command(t, "completion", "bsh"); status != exitUsage || !strings.Contains(errs, `did you mean "bash"?`) {
		t.Errorf("status %d, %q", status, errs)
	}
}
