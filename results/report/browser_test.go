package report_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/etalon-kv/etalon/results/resultstest"
)

// A real browser opens pages, runs their script and answers the document that became of it. The test
// is skipped where there is no Chromium (Debian: chromium) and with -short.
func TestABrowserDrawsTheFiguresAndRunsNothingElse(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil || testing.Short() {
		t.Skip("needs chromium, and not -short")
	}
	plain := browse(t, chromium, write(t, input(resultstest.Records(resultstest.Options{}))))
	for _, id := range []string{"latency", "throughput", "series", "disk"} {
		if n := countIn(plain, id, "svg"); n != 1 {
			t.Errorf("figure %q has %d drawings", id, n)
		}
	}
	if n := countIn(plain, "keys", "button"); n != 4 {
		t.Errorf("%d keys for 4 engines", n)
	}
	hostile := browse(t, chromium, write(t, input(resultstest.Hostile())))
	if n := countIn(hostile, "latency", "svg"); n != 1 {
		t.Errorf("with hostile names the figure has %d drawings", n)
	}
	for n := range hostile.Descendants() {
		if n.Data == "img" || n.Data == "script" && attribute(n, "src") != "" {
			t.Errorf("<%s> came from a name", n.Data)
		}
	}
}

// countIn counts elements of a name below the element with an id.
func countIn(root *html.Node, id, name string) int {
	count := 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || attribute(n, "id") != id {
			continue
		}
		for d := range n.Descendants() {
			if d.Type == html.ElementNode && d.Data == name {
				count++
			}
		}
	}
	return count
}

// browse returns the document after its script has run. Whatever the browser's console says, a
// violation of the page's policy included, fails the test.
func browse(t *testing.T, chromium string, page []byte) *html.Node {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--dump-dom", "file://"+file)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Skipf("chromium does not run here: %v\n%s", err, log.Bytes())
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("the browser's console says %s", line)
		}
	}
	return parse(t, out.Bytes())
}
