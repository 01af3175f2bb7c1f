package raftsim

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/etalon-kv/etalon/raft"
)

// machine is the replicated state: a list of writes, of which it keeps the length and a hash chain. A
// write's revision is its place in the list.
type machine struct {
	applied raft.Index
	rev     uint64
	chain   uint64
	conf    raft.ConfState
}

// write appends data to the list.
func (m *machine) write(data []byte) {
	m.rev++
	m.chain = m.chain*0x9e3779b97f4a7c15 + hash(data)
}

func (m *machine) encode() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, m.rev), m.chain)
}

// install makes m the state that s stands for. The founding snapshot has no data.
func (m *machine) install(s *raft.Snapshot) {
	*m = machine{applied: s.Index, conf: s.Conf.Clone()}
	if len(s.Data) == 16 {
		m.rev, m.chain = binary.LittleEndian.Uint64(s.Data), binary.LittleEndian.Uint64(s.Data[8:])
	}
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}
