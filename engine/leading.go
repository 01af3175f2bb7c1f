package engine

import (
	"encoding/binary"
	"io"
)

// Leading returns a reader of the stream of Dump with which r begins. It ends behind the trailer,
// whatever follows in r, of which it reads no byte. It checks no more than it needs to find that end;
// what it passes on is Load's to judge.
func Leading(r io.Reader) io.Reader { return &leading{r: r, left: len(streamMagic)} }

// leading passes a stream on in parts: the magic, then in turn the head of a block and what is left
// of that block.
type leading struct {
	r    io.Reader
	left int // of the part that is being passed on
	head []byte
	last bool // that part ends the stream
}

// Read implements io.Reader.
func (l *leading) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if l.left == 0 && len(l.head) == 0 {
		if l.last {
			return 0, io.EOF
		}
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	if len(l.head) > 0 {
		n := copy(p, l.head)
		l.head = l.head[n:]
		return n, nil
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// next reads the head of a block.
func (l *leading) next() error {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(l.r, head)
	if n == 0 {
		return err
	}
	l.head = head[:n] // a head that is cut is passed on, too
	if n == headBytes {
		l.last = head[0] == kindTrailer
		l.left = int(binary.LittleEndian.Uint32(head[1:])) + 4
	}
	return nil
}
