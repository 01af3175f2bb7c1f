// Package targets is what load is applied to, floor by floor: Null (nothing: the ceiling of the
// generator), Engine (a bare storage backend), MVCC (a multi-version store on one), Raft (consensus
// alone), Replica (the replicated store in this process, without its wire). Each is a bench.Target;
// the same workload on different targets tells what a floor costs. Engines, logs, stores and state
// machines come in as values: this package opens none.
package targets
