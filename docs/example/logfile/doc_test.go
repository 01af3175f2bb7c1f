package logfile_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The document shows parts of the source, marked there by "// doc:name" and "// doc:end" lines.
func TestDocumentShowsTheSource(t *testing.T) {
	source := map[string]string{}
	for _, file := range []string{"logfile.go", "record.go", "batch.go", "snapshot.go", "logfile_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		for line := range strings.Lines(string(text)) {
			if mark, ok := strings.CutPrefix(strings.TrimSpace(line), "// doc:"); ok {
				name = mark
			} else if name != "end" {
				source[name] += line
			}
		}
	}
	delete(source, "")
	document, err := os.ReadFile("../../adding-an-engine.md")
	if err != nil {
		t.Fatal(err)
	}
	excerpts := regexp.MustCompile("(?s)<!-- excerpt: (\\w+) -->\n```go\n(.*?)\n```").FindAllStringSubmatch(string(document), -1)
	if blocks := strings.Count(string(document), "```go"); blocks != len(excerpts) {
		t.Errorf("%d of %d blocks say what they show", len(excerpts), blocks)
	}
	for _, e := range excerpts {
		if want := strings.Trim(source[e[1]], "\n"); e[2] != want {
			t.Errorf("excerpt %s is\n%s\nthe source is\n%s", e[1], e[2], want)
		}
		delete(source, e[1])
	}
	for name := range source {
		t.Errorf("part %s of the source is not in the document", name)
	}
}
