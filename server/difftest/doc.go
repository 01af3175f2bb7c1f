// Package difftest gives Etalon's server and a real etcd the same requests and demands the same
// answers. What two right servers may answer differently (ids, terms, the seconds left of a lease,
// how events are divided into responses) is taken out first, see normal.go.
//
//   - TestDifferential sends random requests, a good part of them wrong, to one member of each: every
//     response field, every error with code and text, every watch event, every HashKV must be equal.
//   - TestCorners asks one by one what random requests seldom or never meet: sizes and limits, alarms, a quota
//     that is used up, members, requests with nothing in them.
//   - TestEtcdctl runs every command of etcdctl against three members of each.
//
// It is a module of its own, so that etcd does not enter the product's dependencies. Servers are
// processes on loopback: etcd and etcdctl are one program, built from the published modules (./etcd),
// Etalon is built from the tree above.
//
//	go test ./...                                        all of it, 20,000 random requests on all engines together
//	DIFFTEST_SEED=7 DIFFTEST_REQUESTS=100000 go test -run 'TestDifferential/engine=bolt' -v ./...
//	DIFFTEST_PERF=1 go test -run TestEtcdctl ./...       etcdctl check perf too, which writes for a minute
//	DIFFTEST_SELF=1 go test ./...                        etcd beside etcd: the test is not stricter than etcd
//	DIFFTEST_ETCD=… DIFFTEST_ETCDCTL=… DIFFTEST_ETALON=… go test ./...    programs that are built already
package difftest
