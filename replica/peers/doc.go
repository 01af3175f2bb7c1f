// Package peers is how the members of a group reach each other: over TCP or mutual TLS (TCP), or within one
// process (Net). It carries raft messages, images of snapshots, and calls, and knows nothing of what is in them.
//
// # Connections
//
// Each member dials each other one, for what it has to send, and says in its greeting what the connection is
// for: messages (one way), one snapshot, or calls and their answers. Before anything else is looked at,
// both sides check version, group, sender, receiver and the sender's incarnation; see hello. A greeting has a fixed
// size, a deadline, and a bound on how many are under way, so that connections that never finish
// theirs cost little and hold up nobody. Behind it come frames, with a length that is bounded and a checksum.
// Whatever is wrong ends the connection, and nothing else.
//
// # The life of a message
//
// Send encodes it into the receiver's buffer and returns. The link's goroutine writes everything that has
// gathered with one call, as frames of about a MiB at most. The other side reads a frame, checks it, and
// hands its messages on; their data are the frame's memory. When a connection breaks, what waits is lost, the core is
// told (Handler.Unreachable), and the next attempt is made after a pause that doubles up to a bound. A
// message never arrives twice: nothing is sent again.
//
// A connection that is written to and gives no sign of life is taken for broken (Config.SilenceTimeout):
// the receiver sends a byte now and then.
//
// A snapshot's image goes in chunks on a connection of its own, with a checksum over the whole at its end;
// the receiver answers when it has stored it.
package peers
