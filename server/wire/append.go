package wire

import (
	"encoding/binary"
	"math/bits"

	"github.com/etalon-kv/etalon/mvcc"
)

// Field numbers up to 15 have tags of one byte, and no message here has others.

// sizeVarint is the length of v.
func sizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// sizeInt is the length of an integer field, which is left out when it is zero.
func sizeInt(v int64) int {
	if v == 0 {
		return 0
	}
	return 1 + sizeVarint(uint64(v))
}

// sizeBytes is the length of a bytes field, which is left out when it is empty.
func sizeBytes(v []byte) int {
	if len(v) == 0 {
		return 0
	}
	return sizeBlock(len(v))
}

// sizeBlock is the length of a message of n bytes as a field.
func sizeBlock(n int) int { return 1 + sizeVarint(uint64(n)) + n }

func sizeBool(v bool) int {
	if v {
		return 2
	}
	return 0
}

func appendInt(b []byte, num byte, v int64) []byte {
	if v == 0 {
		return b
	}
	return binary.AppendUvarint(append(b, num<<3), uint64(v))
}

func appendBytes(b []byte, num byte, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return append(appendBlock(b, num, len(v)), v...)
}

// appendBlock begins a field of n bytes, which the caller appends.
func appendBlock(b []byte, num byte, n int) []byte {
	return binary.AppendUvarint(append(b, num<<3|2), uint64(n))
}

func appendBool(b []byte, num byte, v bool) []byte {
	if v {
		b = append(b, num<<3, 1)
	}
	return b
}

// Header is a ResponseHeader.
type Header struct {
	Cluster, Member uint64
	Revision        int64
	Term            uint64
}

func (h *Header) size() int {
	return sizeInt(int64(h.Cluster)) + sizeInt(int64(h.Member)) + sizeInt(h.Revision) + sizeInt(int64(h.Term))
}

func (h *Header) append(b []byte) []byte {
	b = appendInt(b, 1, int64(h.Cluster))
	b = appendInt(b, 2, int64(h.Member))
	b = appendInt(b, 3, h.Revision)
	return appendInt(b, 4, int64(h.Term))
}

func sizeKV(kv *mvcc.KeyValue) int {
	return sizeBytes(kv.Key) + sizeInt(kv.CreateRevision) + sizeInt(kv.ModRevision) + sizeInt(kv.Version) +
		sizeBytes(kv.Value) + sizeInt(kv.Lease)
}

func appendKV(b []byte, kv *mvcc.KeyValue) []byte {
	b = appendBytes(b, 1, kv.Key)
	b = appendInt(b, 2, kv.CreateRevision)
	b = appendInt(b, 3, kv.ModRevision)
	b = appendInt(b, 4, kv.Version)
	b = appendBytes(b, 5, kv.Value)
	return appendInt(b, 6, kv.Lease)
}
