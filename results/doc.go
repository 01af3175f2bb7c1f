// Package results is the memory of Etalon: the Record of a run and its store, and what is derived
// from records alone: summary, statistics, comparison, exports, plots, the report. It measures
// nothing and knows no engine; it never averages a percentile (it merges histograms) and never
// uses a record that is incomplete, altered or invalid without naming it.
//
// The life of a figure: a run fills a Record; Store writes it (temporary name, sync, rename);
// later Load reads the valid ones and names the others; runs of one cell are grouped, their
// histograms merged, their per-run values (one sample a run) put through the statistics.
package results
