package raftsim

import (
	"encoding/binary"

	"github.com/etalon-kv/etalon/raft"
)

// machine is the replicated state: a few registers, and a list of all writes of which it keeps the
// length and a hash chain. A write's revision is its place in the list. A write that comes a second time,
// because the network has repeated its proposal, does nothing.
type machine struct {
	applied raft.Index
	rev     uint64
	chain   uint64
	last    [registers]uint64      // the write that a register holds; 0: none
	done    [maxWrites / 64]uint64 // a bit for every write
	conf    raft.ConfState
}

const (
	registers = 8
	// maxWrites is how many writes a run can have; their numbers are below.
	maxWrites = 4096
)

// write carries out the write that data begins with the number of, and reports whether it was new.
func (m *machine) write(data []byte) bool {
	id := binary.LittleEndian.Uint64(data)
	if m.done[id/64]&(1<<(id%64)) != 0 {
		return false
	}
	m.done[id/64] |= 1 << (id % 64)
	m.last[id%registers] = id
	m.rev++
	m.chain = m.chain*0x9e3779b97f4a7c15 + hash(data)
	return true
}

func (m *machine) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, m.rev)
	b = binary.LittleEndian.AppendUint64(b, m.chain)
	for _, id := range m.last {
		b = binary.LittleEndian.AppendUint64(b, id)
	}
	n := len(m.done)
	for n > 0 && m.done[n-1] == 0 {
		n--
	}
	for _, bits := range m.done[:n] {
		b = binary.LittleEndian.AppendUint64(b, bits)
	}
	return b
}

// install makes m the state that s stands for. The founding snapshot has no data.
func (m *machine) install(s *raft.Snapshot) {
	*m = machine{applied: s.Index, conf: s.Conf.Clone()}
	b := s.Data
	if len(b) == 0 {
		return
	}
	next := func() (v uint64) {
		v, b = binary.LittleEndian.Uint64(b), b[8:]
		return v
	}
	m.rev, m.chain = next(), next()
	for i := range m.last {
		m.last[i] = next()
	}
	for i := 0; len(b) > 0; i++ {
		m.done[i] = next()
	}
}

// hash is FNV-1a.
func hash(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
