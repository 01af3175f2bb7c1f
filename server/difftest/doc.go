// Package difftest gives Etalon's server and a real etcd the same random requests and demands the
// same answers: every response field, every error with code and text, every watch event, every
// HashKV. What two right servers may answer differently (ids, terms, the seconds left of a lease,
// how events are divided into responses) is taken out first, see normal.go.
//
// It is a module of its own, so that etcd does not enter the product's dependencies. Servers are
// processes on loopback: etcd is built from its published module (./etcd), Etalon from the tree
// above.
//
//	go test ./...                                        all engines, 20,000 requests together
//	DIFFTEST_SEED=7 DIFFTEST_REQUESTS=100000 go test -run 'TestDifferential/engine=bolt' -v ./...
//	DIFFTEST_SELF=1 go test ./...                        etcd beside etcd: the test is not stricter than etcd
package difftest
