package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etalon-kv/etalon/results"
)

// exportFile is one file of an export.
type exportFile struct {
	name  string
	write func(io.Writer) error
}

// exportFormats are the formats and the files that each makes of some records.
func exportFormats() map[string]func([]*results.Record) []exportFile {
	one := func(name string, write func(io.Writer, []*results.Record) error) func([]*results.Record) []exportFile {
		return func(recs []*results.Record) []exportFile {
			return []exportFile{{name, func(w io.Writer) error { return write(w, recs) }}}
		}
	}
	return map[string]func([]*results.Record) []exportFile{
		"jsonl":    one("runs.jsonl", results.WriteJSONL),
		"benchfmt": one("bench.txt", results.WriteBenchfmt),
		"csv": func(recs []*results.Record) []exportFile {
			return append(one("runs.csv", results.WriteCSV)(recs), one("series.csv", results.WriteSeriesCSV)(recs)...)
		},
		"hgrm": hgrmFiles,
	}
}

// hgrmFiles are a file a cell and kind, and one a cell and stage, named by what varies.
func hgrmFiles(recs []*results.Record) []exportFile {
	var files []exportFile
	groups := results.Group(recs)
	add := func(words string, write func(io.Writer) error) {
		name := safeName(words)
		for n := 2; slices.ContainsFunc(files, func(f exportFile) bool { return f.name == name+".hgrm" }); n++ {
			name = safeName(words) + "-" + strconv.Itoa(n)
		}
		files = append(files, exportFile{name + ".hgrm", write})
	}
	for _, cell := range groups.Cells {
		name := cell.Name(groups.Varying...)
		for _, kind := range cell.Kinds() {
			add(name+" "+kind, func(w io.Writer) error { return results.WriteHgrm(w, cell, kind) })
		}
		for _, stage := range cell.Stages() {
			add(name+" stage "+stage.Name, func(w io.Writer) error { return results.WriteStageHgrm(w, cell, stage) })
		}
	}
	return files
}

// safeName makes a file name of a text: anything but letters and digits becomes a dash.
func safeName(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	name := strings.Join(words, "-")
	return name[:min(len(name), 120)]
}

func exportCommand(tty terminal) *cobra.Command {
	formats := exportFormats()
	var names []string
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	var out, format string
	cmd := &cobra.Command{
		Use: "export DIR…", Short: "Write finished runs in a format that other programs read", Args: atLeastOne("a directory of results"),
		Long: "Export writes " + strings.Join(names, ", ") + ": to standard output if it is one file and no --out is given,\n" +
			"else into the directory --out (default DIR/export).",
		RunE: func(_ *cobra.Command, dirs []string) error {
			files, ok := formats[format]
			if !ok {
				return usageError{unknownWord("format", format, names)}
			}
			recs, _, err := load(tty, dirs)
			if err != nil {
				return err
			}
			list := files(recs)
			if out == "" && len(list) == 1 {
				return list[0].write(tty.out)
			}
			if out == "" {
				out = filepath.Join(dirs[0], "export")
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return err
			}
			for _, f := range list {
				path := filepath.Join(out, f.name)
				if err := writeFile(path, f.write); err != nil {
					return err
				}
				fmt.Fprintln(tty.out, path)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "csv", strings.Join(names, ", "))
	cmd.Flags().StringVar(&out, "out", "", "directory to write to")
	return cmd
}
