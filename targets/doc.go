// Package targets is what load is applied to: Null (nothing: the ceiling of the generator), Engine
// (a bare storage backend) and MVCC (a multi-version store on one). Each is a bench.Target; the
// same workload on different targets tells what a layer costs. Engines and stores come in as
// values: this package imports none.
package targets
