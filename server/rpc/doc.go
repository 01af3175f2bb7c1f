// Package rpc serves gRPC over HTTP/2 with as few goroutines, wake-ups and system calls as a store
// on few cores needs. It takes the place of grpc.Server for connections of gRPC clients: services
// register as with that, and clients see no difference. It does not serve other HTTP/2 requests, has
// no compression, no reflection and no statistics handlers.
//
// # The life of a fast call
//
// On Linux a connection of plain TCP belongs to a loop, which serves many of them with two goroutines.
// The reader learns from epoll which of them have sent something, and takes all frames that are there with
// one read. A method that was registered as Fast is called there and then with its message, which
// lies in the read buffer; it does not wait, but leaves a Reply behind, which somebody gives to
// Call.Done when the answer is there. The writer goes round the connections that have replies, has
// them encoded one behind the other, and writes them with one system call; what the system does not take
// it keeps until it does. So a call costs one read and one write, but no goroutine, no channel and no timer,
// and the busier the connections are the fewer wake-ups each of their calls costs.
//
// Other connections (TLS, other systems) have a reader and a writer of their own, which do the same.
//
// # The life of any other call
//
// It has a goroutine, and a grpc.ServerStream if it streams, and a context that ends with the call.
//
// # What is bounded
//
//   - Calls of a connection, by Config.MaxStreams; beyond, they are refused.
//   - Messages, by Config.MaxMessageBytes; what has arrived of incomplete ones, by the connection as a
//     whole; header blocks, by 64 KiB.
//   - What a stream has sent and the client not read: one message beyond 64 KiB; then SendMsg waits.
//   - Answers to the client's control frames that it does not read: the connection ends.
//   - The time until the client has said what it speaks: Config.HandshakeTimeout.
//
// Sources: RFC 9113 (HTTP/2), RFC 7541 (HPACK), and the description of gRPC over HTTP/2.
package rpc
