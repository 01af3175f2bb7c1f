// Package targets is what load is applied to: Null (nothing: the ceiling of the generator) and
// Engine (a bare storage backend). Each is a bench.Target; the same workload on different targets
// tells what a layer costs. Engines come in as values: this package imports none.
package targets
