// Package plot turns records into figures: latency by percentile, throughput with its spread,
// latency over time, bytes written and disk used, and one headline figure for the top of a page.
// It computes no statistic of its own: medians, intervals and merged histograms come from package
// results.
//
// The life of a figure: runs become cells (results.Group), cells that can share axes become a
// Panel (at most MaxLines lines, one look a line), each panel becomes Figures, and a Figure is
// drawn when it is written, as PNG or SVG. The same records give the same bytes.
//
// Every figure says its durability, its clock (response or service time) and how many runs it
// shows. A colour belongs to an engine, not to a place in a legend, so it is the same in every
// figure, in the report and in the scripts.
//
// gonum.org/v1/plot is used for what is tedious and not ours to write: one canvas that is rendered
// to PNG or SVG, and embedded fonts, so that a figure looks the same on every machine without cgo.
// Axes and marks are drawn here, because percentile axes and aligned panels are not in it.
package plot
