// Package report writes the result of an experiment as one HTML page that is complete in itself: it
// opens from a disk without a network, years later, on a phone or on paper. It measures nothing and
// computes no statistic; it shows what package results derives from records.
//
// The life of a page: records become cells (results.Group) and panels (plot.Panels); the page's
// text and tables are laid out in Go as plain strings, written through markup, which escapes every
// one of them; the data of the figures goes beside them as JSON in a script
// block that no browser runs. report.js draws the figures from it, report.css dresses it; both are
// embedded, and a Content-Security-Policy that knows only their two hashes forbids everything else,
// so a hostile name in a record stays a name.
//
// Curves are sampled (16 points to each nine) and series thinned to seriesPoints, so that a page of
// 36 runs stays well under a megabyte. Tables and text are there without JavaScript; the figures
// are not.
package report
