// Package web is the HTTP side of a member: one port for gRPC and HTTP, the JSON gateway of etcd's API,
// /version, /health, /livez, /readyz and /metrics.
//
// Split takes a listener apart: a connection that speaks HTTP/2 is gRPC's, any other is HTTP/1's.
// Handshakes have a deadline and a bound on their number, connections a bound on theirs, so clients
// that connect and say nothing cost others nothing.
package web
