package kvlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/etalon-kv/etalon/raft"
)

const (
	entryKeyBytes = 9
	formatVersion = 1
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// The keys that are not those of entries. Each is below or above all of them.
func baseKey() []byte    { return []byte("b") }
func hardKey() []byte    { return []byte("h") }
func snapKey() []byte    { return []byte("s") }
func versionKey() []byte { return []byte("v") }

func appendEntryKey(dst []byte, i raft.Index) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 'e'), uint64(i))
}

// seal appends the check of key and value to value.
func seal(key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli()), castagnoli(), value)
	return binary.LittleEndian.AppendUint32(value, sum)
}

// open verifies what seal appended and takes it off.
func open(key, value []byte) ([]byte, error) {
	if len(value) < 4 {
		return nil, fmt.Errorf("%w: the value of %q has %d bytes", ErrCorrupt, key, len(value))
	}
	n := len(value) - 4
	if sum := crc32.Update(crc32.Checksum(key, castagnoli()), castagnoli(), value[:n]); sum != binary.LittleEndian.Uint32(value[n:]) {
		return nil, fmt.Errorf("%w: the value of %q fails its checksum", ErrCorrupt, key)
	}
	return value[:n], nil
}

// appendEntry appends the value of e behind an entry with the check chain, and returns its own check.
func appendEntry(dst, key []byte, e *raft.Entry, chain uint32) ([]byte, uint32) {
	at := len(dst)
	dst = e.Append(dst)
	dst = binary.LittleEndian.AppendUint32(dst, chain)
	sum := crc32.Update(crc32.Checksum(key, castagnoli()), castagnoli(), dst[at:])
	return binary.LittleEndian.AppendUint32(dst, sum), sum
}

// decodeEntry verifies the value of the entry at i. Data aliases value. It returns the check of the
// entry before and its own.
func decodeEntry(value []byte, i raft.Index) (e raft.Entry, before, sum uint32, err error) {
	key := appendEntryKey(make([]byte, 0, entryKeyBytes), i)
	n := len(value) - 4
	if n < 4 {
		return e, 0, 0, fmt.Errorf("%w: entry %d has %d bytes", ErrCorrupt, i, len(value))
	}
	sum = crc32.Update(crc32.Checksum(key, castagnoli()), castagnoli(), value[:n])
	if sum != binary.LittleEndian.Uint32(value[n:]) {
		return e, 0, 0, fmt.Errorf("%w: entry %d fails its checksum", ErrCorrupt, i)
	}
	if err := e.Decode(value[: n-4 : n-4]); err != nil || e.Index != i {
		return e, 0, 0, fmt.Errorf("%w: entry %d is %d/%d: %v", ErrCorrupt, i, e.Index, e.Term, err)
	}
	return e, binary.LittleEndian.Uint32(value[n-4:]), sum, nil
}

// appendBase appends where the log begins: index and term of the entry before the first, and the check
// that seeds that of the first.
func appendBase(dst []byte, i raft.Index, t raft.Term, chain uint32) []byte {
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(i)), uint64(t))
	return binary.LittleEndian.AppendUint32(dst, chain)
}

func decodeBase(b []byte) (i raft.Index, t raft.Term, chain uint32, err error) {
	x, n := binary.Uvarint(b)
	if n > 0 {
		if y, m := binary.Uvarint(b[n:]); m > 0 && len(b) == n+m+4 {
			return raft.Index(x), raft.Term(y), binary.LittleEndian.Uint32(b[n+m:]), nil
		}
	}
	return 0, 0, 0, fmt.Errorf("%w: where the log begins: %x", ErrCorrupt, b)
}

func entryIndex(key []byte) raft.Index { return raft.Index(binary.BigEndian.Uint64(key[1:])) }
