// Package results is the memory of Etalon: the Record of a run and its store, and what is derived
// from records alone: summary, statistics, comparison, exports; plots and the report stand in the
// packages below it. It measures nothing but the environment (CollectEnv) and knows no engine; it
// never averages a percentile (it merges histograms) and never uses a record that is incomplete,
// altered or invalid without naming it.
//
// The life of a figure: a run fills a Record; Store.Write checks and writes it (temporary name, sync,
// rename, sync of the directory); later Load reads the intact ones and names the others as Problems.
// Group sorts runs into cells, sets invalid ones aside and says what pooled runs differ in. A cell
// merges histograms for latencies, and gives the statistics one sample a run: Summary, Compare and
// Winners, by golang.org/x/perf/benchmath and the exact distribution of U, which assume nothing about
// how runs are distributed and say when there are too few. The Write functions show the outcome;
// whatever text a record holds stays inert in all of them.
//
// Different durability or consistency labels are never pooled, ranked or compared with each other
// unless that is what was asked for, and then it is said.
package results
