package mvcc

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"github.com/cespare/xxhash/v2" // the 64-bit hash of the chain: the standard library has no fast one
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/mvcc/index"
)

// The spaces of the engine that a store uses.
const (
	spaceSystem  engine.Space = 0 // format, compaction
	spaceRecords engine.Space = 1 // revision key → record
	spaceMeta    engine.Space = 2 // the caller's, through SetMeta
)

// KeyValue is a key as it was at some revision.
type KeyValue struct {
	Key, Value []byte
	// CreateRevision and ModRevision are the main revisions of the first put since the key did
	// not exist and of the last one; Version counts the puts between, from 1.
	CreateRevision, ModRevision, Version int64
	// Lease is the id of the lease the key is attached to, 0 for none.
	Lease int64
}

// revKeyBytes is the length of a record's key: main and sub, big-endian, in the order of revisions.
const revKeyBytes = 12

func appendRevKey(b []byte, r index.Revision) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.Main))
	return binary.BigEndian.AppendUint32(b, uint32(r.Sub))
}

// parseRevKey is false for what appendRevKey never makes.
func parseRevKey(b []byte) (index.Revision, bool) {
	if len(b) != revKeyBytes {
		return index.Revision{}, false
	}
	r := index.Revision{Main: int64(binary.BigEndian.Uint64(b)), Sub: int64(binary.BigEndian.Uint32(b[8:]))}
	return r, r.Valid()
}

// A record in the engine:
//
//	chain  8 bytes, little-endian: the running hash with this record
//	flags  1 byte
//	key    length as uvarint, bytes
//	       unless a tombstone or flagFirst: ModRevision - CreateRevision and Version as uvarints
//	lease  8 bytes, little-endian, with flagLease
//	value  the rest; none in a tombstone
//	sum    4 bytes, little-endian: CRC-32C of the revision key and all before
//
// The chain is xxhash64 of the revision key, the chain before and all from flags to value.
const (
	flagTombstone byte = 1 << iota
	flagFirst          // CreateRevision = ModRevision and Version = 1
	flagLease
	// flagMore: the transaction goes on in a later batch. Not under the chain, which does not
	// depend on how large the batches of an engine may be.
	flagMore

	knownFlags = flagTombstone | flagFirst | flagLease | flagMore
)

const (
	chainBytes     = 8
	sumBytes       = 4
	recordOverhead = revKeyBytes + chainBytes + 1 + 3*binary.MaxVarintLen64 + 8 + sumBytes
)

// chainSeed is the chain at revision 1, where nothing was written.
const chainSeed uint64 = 0

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is a decoded record. Its slices are those of the decoded bytes.
type record struct {
	rev       index.Revision
	kv        KeyValue
	tombstone bool
	more      bool
	chain     uint64
}

// encoder makes records in one buffer that it uses again.
type encoder struct{ buf []byte }

// encode returns the revision key and the value of c, valid until the next call, and the chain
// with it.
func (e *encoder) encode(c *Change, more bool, chain uint64) (key, value []byte, next uint64) {
	b := appendRevKey(e.buf[:0], c.Rev)
	b = binary.LittleEndian.AppendUint64(b, chain)
	var flags byte
	switch {
	case c.Tombstone:
		flags = flagTombstone
	case c.CreateRevision == c.ModRevision && c.Version == 1:
		flags = flagFirst
	}
	if c.Lease != 0 {
		flags |= flagLease
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(len(c.Key)))
	b = append(b, c.Key...)
	if flags&(flagTombstone|flagFirst) == 0 {
		b = binary.AppendUvarint(b, uint64(c.ModRevision-c.CreateRevision))
		b = binary.AppendUvarint(b, uint64(c.Version))
	}
	if c.Lease != 0 {
		b = binary.LittleEndian.AppendUint64(b, uint64(c.Lease))
	}
	b = append(b, c.Value...)
	next = xxhash.Sum64(b)
	binary.LittleEndian.PutUint64(b[revKeyBytes:], next)
	if more {
		b[revKeyBytes+chainBytes] |= flagMore
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	e.buf = b
	return b[:revKeyBytes], b[revKeyBytes:], next
}

// decode verifies and takes apart what the engine holds under rev, whose key is revKey: each caller
// has it in memory, and made anew it would go to the heap.
func decode(rev index.Revision, revKey, value []byte) (record, error) {
	n := len(value) - sumBytes
	if n < chainBytes+1 {
		return record{}, &CorruptError{Rev: rev, What: "record is too short"}
	}
	r, key := parse(rev, value[:n])
	if crc32.Update(crc32.Checksum(revKey, castagnoli), castagnoli, value[:n]) != binary.LittleEndian.Uint32(value[n:]) {
		return record{}, &CorruptError{Key: bytes.Clone(key), Rev: rev, What: "checksum does not fit"}
	}
	if r.rev != rev {
		return record{}, &CorruptError{Key: bytes.Clone(key), Rev: rev, What: "record cannot be taken apart"}
	}
	return r, nil
}

// parse takes b apart, a record of at least chain and flags without its sum. A record that is
// malformed has the zero revision; key is then what may be the key, for the error.
func parse(rev index.Revision, b []byte) (r record, key []byte) {
	chain, flags := binary.LittleEndian.Uint64(b), b[chainBytes]
	b = b[chainBytes+1:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size == 0 || size > uint64(len(b)-n) {
		return record{}, nil
	}
	key, b = b[n:n+int(size):n+int(size)], b[n+int(size):]
	kv := KeyValue{Key: key, ModRevision: rev.Main}
	switch {
	case flags&^knownFlags != 0:
		return record{}, key
	case flags&flagTombstone != 0:
		if flags&^flagMore != flagTombstone || len(b) != 0 {
			return record{}, key
		}
	case flags&flagFirst != 0:
		kv.CreateRevision, kv.Version = rev.Main, 1
	default:
		back, n := binary.Uvarint(b)
		if n <= 0 || back >= uint64(rev.Main) {
			return record{}, key
		}
		version, m := binary.Uvarint(b[n:])
		if m <= 0 || version < 1 || int64(version) < 1 {
			return record{}, key
		}
		kv.CreateRevision, kv.Version, b = rev.Main-int64(back), int64(version), b[n+m:]
	}
	if flags&flagLease != 0 {
		if len(b) < 8 {
			return record{}, key
		}
		kv.Lease, b = int64(binary.LittleEndian.Uint64(b)), b[8:]
	}
	if flags&flagTombstone == 0 {
		kv.Value = b[:len(b):len(b)]
	}
	return record{rev: rev, kv: kv, chain: chain, tombstone: flags&flagTombstone != 0, more: flags&flagMore != 0}, key
}

// chainOver is the chain with a stored record that follows one with the chain before. scratch is
// overwritten and returned to be used again.
func chainOver(scratch []byte, before uint64, rev index.Revision, value []byte) (chain uint64, buf []byte) {
	b := appendRevKey(scratch[:0], rev)
	b = binary.LittleEndian.AppendUint64(b, before)
	b = append(b, value[chainBytes:len(value)-sumBytes]...)
	b[revKeyBytes+chainBytes] &^= flagMore
	return xxhash.Sum64(b), b
}

// seal appends a checksum over space, key and value; what is not a record is stored so.
func seal(s engine.Space, key, value []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(value), sealSum(s, key, value))
}

// unseal verifies and removes it.
func unseal(s engine.Space, key, sealed []byte) ([]byte, bool) {
	n := len(sealed) - sumBytes
	if n < 0 || sealSum(s, key, sealed[:n]) != binary.LittleEndian.Uint32(sealed[n:]) {
		return nil, false
	}
	return sealed[:n:n], true
}

func sealSum(s engine.Space, key, value []byte) uint32 {
	head := binary.AppendUvarint([]byte{byte(s)}, uint64(len(key)))
	return crc32.Update(crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, key), castagnoli, value)
}
