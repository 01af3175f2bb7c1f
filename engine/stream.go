package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
)

// The stream of Dump, all integers little-endian:
//
//	stream  = magic block* trailer
//	magic   = "ETALDUMP" and a version byte 1
//	block   = kind 'B' | n uint32 | crc uint32 of kind, n | payload of n bytes | crc uint32
//	trailer = the same with kind 'T' and a payload of 48 bytes: number of blocks, number of keys
//	          (uint64 each) and the SHA-256 of everything before the trailer
//	payload = records: space byte | key length uvarint | value length uvarint | key | value
//
// Every crc is CRC-32C. The one behind a payload covers kind, n and payload and goes on from the
// one of the block before it (the first goes on from that of the magic), so that a block that is
// missing, doubled, moved or from another stream is found where it is read, before any of its
// records is used. The first crc of a block keeps a damaged n from being believed.
// Records come in order of space and key, each key once. Nothing may follow the trailer.
const (
	streamMagic = "ETALDUMP\x01"
	kindBlock   = 'B'
	kindTrailer = 'T'
	headBytes   = 1 + 4 + 4
	trailBytes  = 8 + 8 + sha256.Size
	// blockBytes ends a block of Dump: it gets no further record once it has this much.
	blockBytes = 256 << 10
	// maxBlockBytes is what Load believes of a length: a block holds at least one record, and a
	// value of any engine is shorter than this.
	maxBlockBytes = 1 << 30
)

// ErrBadStream: what Load was given is no whole and unaltered stream of Dump. The backend is
// empty again.
var ErrBadStream = errors.New("engine: bad dump stream")

// castagnoli is computed once; the table is read-only.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chain is the running state of both ends of a stream.
type chain struct {
	crc    uint32
	sum    hash.Hash
	blocks uint64
	keys   uint64
}

func newChain() *chain {
	c := &chain{crc: crc32.Checksum([]byte(streamMagic), castagnoli), sum: sha256.New()}
	c.sum.Write([]byte(streamMagic))
	return c
}

// head returns the first bytes of a block.
func head(kind byte, n int) [headBytes]byte {
	var h [headBytes]byte
	h[0] = kind
	binary.LittleEndian.PutUint32(h[1:], uint32(n))
	binary.LittleEndian.PutUint32(h[5:], crc32.Checksum(h[:5], castagnoli))
	return h
}

// link returns the crc that follows payload, and moves the chain on.
func (c *chain) link(h [headBytes]byte, payload []byte) [4]byte {
	c.crc = crc32.Update(crc32.Update(c.crc, castagnoli, h[:5]), castagnoli, payload)
	var crc [4]byte
	binary.LittleEndian.PutUint32(crc[:], c.crc)
	return crc
}

// trailer returns the payload of the trailer.
func (c *chain) trailer() []byte {
	p := binary.LittleEndian.AppendUint64(nil, c.blocks)
	p = binary.LittleEndian.AppendUint64(p, c.keys)
	return c.sum.Sum(p)
}

// appendRecord appends one key with its value to a payload.
func appendRecord(p []byte, s Space, key, value []byte) []byte {
	p = append(p, byte(s))
	p = binary.AppendUvarint(p, uint64(len(key)))
	p = binary.AppendUvarint(p, uint64(len(value)))
	return append(append(p, key...), value...)
}

// record is one key with its value; the slices point into a payload.
type record struct {
	space      Space
	key, value []byte
}

// nextRecord cuts the first record off p.
func nextRecord(p []byte) (r record, rest []byte, err error) {
	r.space, p = Space(p[0]), p[1:]
	keyLen, n := binary.Uvarint(p)
	if n <= 0 || keyLen == 0 || keyLen > MaxKeyBytes {
		return r, nil, fmt.Errorf("%w: a key of %d bytes", ErrBadStream, keyLen)
	}
	p = p[n:]
	valueLen, n := binary.Uvarint(p)
	if n <= 0 || valueLen > maxBlockBytes || keyLen+valueLen > uint64(len(p)-n) {
		return r, nil, fmt.Errorf("%w: a value of %d bytes does not fit its block", ErrBadStream, valueLen)
	}
	p = p[n:]
	r.key, r.value = p[:keyLen], p[keyLen:keyLen+valueLen]
	return r, p[keyLen+valueLen:], nil
}
