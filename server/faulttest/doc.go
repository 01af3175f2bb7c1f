// Package faulttest runs a cluster of real server processes under faults and checks what clients were
// told. Members are killed (SIGKILL), paused (SIGSTOP) and cut off from each other while clients write,
// read, watch and hold leases through the official etcd client. Then it demands:
//
//   - strict serializability: every acknowledged write stands in the history at the revision it was
//     told, revisions follow real time, every linearizable read shows the state at its revision, and
//     that is not older than anything acknowledged before it was asked;
//   - linearizability of each key by porcupine, which does not look at revisions; Unknown is a failure;
//   - watches that are ordered, gapless and without duplicates over changes of leader and compactions;
//   - leases that never end early, and end;
//   - members with equal hashes at the end, and no alarm.
//
// It knows nothing of the server but etcd's flags and API, so it can be tried on a real etcd:
//
//	go test ./server/faulttest -v                                       each engine, and all in one cluster
//	FAULTTEST_SEED=7 FAULTTEST_SECONDS=600 go test -run 'TestFaults/mixed' -timeout 30m -v ./server/faulttest
//	FAULTTEST_ETCD=/path/to/etcd go test -run TestFaults -v ./server/faulttest
//
// The seed decides which faults come when; the interleaving of the processes is not repeatable.
// Connections between members go through proxies on loopback that tell by the owner of a connection's
// socket (/proc/net/tcp) who is talking, so pairs can be cut. Linux only.
package faulttest
