// Package wire speaks protobuf for the messages of etcd's KV and Watch services that make up
// nearly all traffic, without reflection and without building the generated structs: requests are
// decoded into the commands of package apply, whose slices alias the bytes they came in, and
// responses are encoded from its results. It is compatible with the generated code of
// go.etcd.io/etcd/api/v3 in both directions, which fuzz tests compare it with: the same bytes are
// accepted, unknown fields are skipped, later values win, and messages that come twice are merged.
//
// It knows nothing of gRPC. A message it cannot read is ErrMalformed.
package wire
