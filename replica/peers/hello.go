package peers

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/etalon-kv/etalon/raft"
)

// version is that of the protocol. Members of different versions do not talk.
const version = 1

// What a connection is for: the dialer says it in its hello.
const (
	forMessages byte = 1 // the dialer sends frameMessages; the other side gives a byte now and then
	forSnapshot byte = 2 // the dialer sends one snapshot; the other side answers frameResult
	forCalls    byte = 3 // the dialer sends frameCalls; the other side answers frameAnswers
	forIntro    byte = 4 // the dialer is no member; the other side introduces the group in a frameIntro and hangs up
)

// hello is the first thing on a connection, in both directions: the dialer's, then, if that was right, the
// answer. It is the same in every version up to the version byte, and of a fixed size:
//
//	 0  6  "etpeer"
//	 6  1  version
//	 7  1  dialer: what for; answer: the status
//	 8  8  group, little endian, like all numbers
//	16  8  sender
//	24  8  receiver
//	32  8  incarnation of the sender
//	40  2  length of the addresses behind it, at most maxAddrs; 0 in answers
//	42  4  CRC32C of all of that
//
// The addresses are where the sender listens, separated by commas; their CRC32C follows.
type hello struct {
	version     byte
	what        byte
	group       uint64
	from, to    raft.NodeID
	incarnation uint64
	addrs       []string
}

const (
	helloBytes = 46
	maxAddrs   = 1024
	magic      = "etpeer"
)

// The statuses of an answer.
const (
	statusOK byte = iota
	statusVersion
	statusGroup
	statusMember
	statusRemoved
	statusIncarnation
)

// statusError returns what a status means.
func statusError(s byte) error {
	switch s {
	case statusOK:
		return nil
	case statusVersion:
		return ErrVersion
	case statusGroup:
		return ErrGroup
	case statusMember:
		return ErrMember
	case statusRemoved:
		return ErrRemoved
	case statusIncarnation:
		return ErrIncarnation
	}
	return fmt.Errorf("%w: status %d", ErrMalformed, s)
}

func (h *hello) append(dst []byte) []byte {
	at := len(dst)
	addrs := strings.Join(h.addrs, ",")
	if len(addrs) > maxAddrs {
		addrs = ""
	}
	dst = append(append(dst, magic...), h.version, h.what)
	for _, v := range [...]uint64{h.group, uint64(h.from), uint64(h.to), h.incarnation} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(addrs)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli()))
	if len(addrs) > 0 {
		dst = append(dst, addrs...)
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum([]byte(addrs), castagnoli()))
	}
	return dst
}

// readHello reads one. It looks at the fixed part only after its checksum, and at the addresses only
// if accept takes the rest.
func readHello(r io.Reader, accept func(*hello) error) (hello, error) {
	var b [helloBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return hello{}, err
	}
	if !bytes.Equal(b[:len(magic)], []byte(magic)) {
		return hello{}, fmt.Errorf("%w: no peer of this system", ErrMalformed)
	}
	h := hello{version: b[6], what: b[7]}
	if h.version != version {
		return h, accept(&h)
	}
	if crc32.Checksum(b[:42], castagnoli()) != binary.LittleEndian.Uint32(b[42:]) {
		return hello{}, fmt.Errorf("%w: checksum of the greeting", ErrMalformed)
	}
	h.group = binary.LittleEndian.Uint64(b[8:])
	h.from, h.to = raft.NodeID(binary.LittleEndian.Uint64(b[16:])), raft.NodeID(binary.LittleEndian.Uint64(b[24:]))
	h.incarnation = binary.LittleEndian.Uint64(b[32:])
	n := int(binary.LittleEndian.Uint16(b[40:]))
	if n > maxAddrs {
		return hello{}, fmt.Errorf("%w: %d bytes of addresses", ErrMalformed, n)
	}
	if err := accept(&h); err != nil || n == 0 {
		return h, err
	}
	addrs := make([]byte, n+4)
	if _, err := io.ReadFull(r, addrs); err != nil {
		return hello{}, err
	}
	if crc32.Checksum(addrs[:n], castagnoli()) != binary.LittleEndian.Uint32(addrs[n:]) {
		return hello{}, fmt.Errorf("%w: checksum of the addresses", ErrMalformed)
	}
	h.addrs = strings.Split(string(addrs[:n]), ",")
	return h, nil
}
