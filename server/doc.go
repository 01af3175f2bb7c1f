// Package server serves the etcd v3 API over one member of a group. It is what real etcd clients
// talk to: services, errors, headers and the semantics behind them are those of etcd, except for
// what docs/etcd-api.md lists.
//
// # The life of a put
//
// gRPC hands the bytes of a request to the codec of this package, which decodes them into an
// apply.Put that aliases them. The handler checks what needs no state, in etcd's order, writes
// the command (the one copy of key and value) and proposes it; when the replica has applied it
// here, the result is encoded straight into the response. Nothing else happens to a put: no
// generated structs, no interceptors, no timer, no goroutine besides gRPC's.
//
// # The life of a read
//
// A linearizable read asks the replica for a read index, which is batched with those of other
// reads, and is then answered by the state machine outside the log; a serializable one is answered
// at once. Transactions that only read go the same way.
//
// # Watches and leases
//
// A watch call is carried by a stream of the store's hub, by two goroutines however many watches
// it has. Leases live in the state machine; when they expire is decided by the member that leads,
// with its own clock, and carried out through the log. Members that follow pass renewals on.
//
// What the package needs of a replica is the interface Replica, so that it can be tested on one
// that applies at once.
package server
