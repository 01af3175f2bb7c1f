package peers

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/etalon-kv/etalon/raft"
)

// A frame is
//
//	0  4  length of the payload, little endian
//	4  1  kind
//	5  …  payload
//	   4  CRC32C of all of that
//
// maxFrame bounds the payload: the largest entry, alone in a message, fits.
const (
	frameHead = 5
	frameTail = 4
	maxFrame  = 24 << 20
)

// The kinds of frames.
const (
	frameMessages byte = 1 // raft messages, each after its length in 4 bytes
	frameSnapshot byte = 2 // the raft.MsgSnap that begins a snapshot
	frameChunk    byte = 3 // a piece of its image
	frameEnd      byte = 4 // its end: length of the image, 8 bytes, and its CRC32C
	frameResult   byte = 5 // how it went: 0, or 1 and an error's text
	frameCall     byte = 6 // number 8, milliseconds to wait 4, payload
	frameAnswer   byte = 7 // number 8, 0 and the payload, or 1 and an error's text
	frameIntro    byte = 8 // what Config.Introduce says
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// beginFrame begins a frame of a kind at the end of dst. The payload is appended, then sealFrame completes it.
func beginFrame(dst []byte, kind byte) []byte { return append(dst, 0, 0, 0, 0, kind) }

// sealFrame completes the frame that begins at from.
func sealFrame(b []byte, from int) []byte {
	binary.LittleEndian.PutUint32(b[from:], uint32(len(b)-from-frameHead))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli()))
}

// readFrame reads one frame. The payload is new memory. io.EOF: the connection ended before it began.
func readFrame(r io.Reader, limit int) (kind byte, payload []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if n > limit {
		return 0, nil, fmt.Errorf("%w: frame of %d bytes, at most %d are taken", ErrMalformed, n, limit)
	}
	body := make([]byte, n+frameTail)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, fmt.Errorf("%w: frame cut short: %w", ErrMalformed, err)
	}
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli()), castagnoli(), body[:n])
	if sum != binary.LittleEndian.Uint32(body[n:]) {
		return 0, nil, fmt.Errorf("%w: checksum of a frame", ErrMalformed)
	}
	return head[4], body[:n:n], nil
}

// appendMessage appends a message to the payload of a frameMessages.
func appendMessage(dst []byte, m *raft.Message) []byte {
	at := len(dst)
	dst = m.Append(append(dst, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// decodeMessages takes a frameMessages apart. What the messages point to is b.
func decodeMessages(dst []raft.Message, b []byte) ([]raft.Message, error) {
	for len(b) > 0 {
		if len(b) < 4 {
			return dst, fmt.Errorf("%w: messages", ErrMalformed)
		}
		n := uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
		if n > uint64(len(b)) {
			return dst, fmt.Errorf("%w: messages", ErrMalformed)
		}
		dst = append(dst, raft.Message{})
		if err := dst[len(dst)-1].Decode(b[:n:n]); err != nil {
			return dst, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		b = b[n:]
	}
	return dst, nil
}
