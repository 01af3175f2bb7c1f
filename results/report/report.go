package report

import (
	"crypto/sha256"
	_ "embed" // the page's sources
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"github.com/etalon-kv/etalon/results"
)

//go:embed report.tmpl
var pageSource string

//go:embed report.css
var style string

//go:embed report.js
var script string

// Input is what a page is made of.
type Input struct {
	Title   string // heading; "" makes one of the suites
	Records []*results.Record
	// Problems are the files that were left out; they are listed among the warnings.
	Problems  []results.Problem
	Generated time.Time // when the page is made; shown in UTC
	Command   string    // the command line that makes the page; "" leaves it out
	// Repeat returns the command that repeats the cell of a record; nil leaves it out.
	Repeat func(*results.Record) string
}

// Write writes the page to w. Equal inputs give equal bytes. An input without valid records gives a
// page that says so. The error is w's.
func Write(w io.Writer, in Input) error {
	m, err := parseMarkup(pageSource)
	if err != nil {
		return fmt.Errorf("report: parse the page: %w", err)
	}
	p, err := newPage(in)
	if err != nil {
		return fmt.Errorf("report: the figures of the page: %w", err)
	}
	if err := m.execute(w, p); err != nil {
		return fmt.Errorf("report: write the page: %w", err)
	}
	return nil
}

// hash is what a Content-Security-Policy calls an inline source.
func hash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
