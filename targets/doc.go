// Package targets is what load is applied to, floor by floor: Null (nothing: the ceiling of the
// generator), Engine (a bare storage backend), MVCC (a multi-version store on one), Raft (consensus
// alone), Replica (the replicated store in this process), Etcd (a server of etcd's API over its
// wire: ours or another, as child processes in a Cluster, or one that runs anyway). Each is a
// bench.Target; the same workload on different targets tells what a floor costs. Engines, logs, stores
// and programs come in as values: this package opens none.
package targets
