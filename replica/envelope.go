package replica

import (
	"encoding/binary"

	"github.com/etalon-kv/etalon/raft"
)

// envelopeBytes is what stands before the command in every entry: the proposer's id and the number of
// its request, 8 bytes each, little endian.
const envelopeBytes = 16

// appendEnvelope begins the data of an entry.
func appendEnvelope(dst []byte, from raft.NodeID, request uint64) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(from))
	return binary.LittleEndian.AppendUint64(dst, request)
}

// openEnvelope takes an entry's data apart. Data without an envelope (a leader's first entry, the end of a
// joint change) come from nobody and have no command.
func openEnvelope(data []byte) (from raft.NodeID, request uint64, command []byte) {
	if len(data) < envelopeBytes {
		return raft.None, 0, nil
	}
	return raft.NodeID(binary.LittleEndian.Uint64(data)), binary.LittleEndian.Uint64(data[8:]), data[envelopeBytes:]
}
