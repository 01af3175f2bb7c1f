package peers

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// chunkBytes is how much of an image a frame carries.
const chunkBytes = 128 << 10

// maxSnapshotHead bounds the message that begins a snapshot.
const maxSnapshotHead = 1 << 20

// SendSnapshot implements replica.Transport. One snapshot at a time goes to a member; another fails.
func (t *TCP) SendSnapshot(m raft.Message, image Image) {
	id := m.To
	t.mu.Lock()
	busy := t.sending[id]
	t.sending[id] = true
	t.mu.Unlock()
	l := t.link(id)
	if !busy && l != nil && t.run(func() {
		err := t.sendSnapshot(l, m, image)
		t.mu.Lock()
		delete(t.sending, id)
		t.mu.Unlock()
		if err != nil {
			t.cfg.Logger.Warn("snapshot not sent", "peer", uint64(id), "error", err)
		}
		t.h.SnapshotSent(id, err == nil)
	}) {
		return
	}
	if !busy {
		t.mu.Lock()
		delete(t.sending, id)
		t.mu.Unlock()
	}
	_ = image.Close()
	t.h.SnapshotSent(id, false)
}

func (t *TCP) sendSnapshot(l *link, m raft.Message, image Image) (err error) {
	defer func() {
		if cerr := image.Close(); err == nil {
			err = cerr
		}
	}()
	c, err := t.dial(l.ctx, l.id, l.addrs, forSnapshot)
	if err != nil {
		return err
	}
	stop := closeAtEnd(l, c)
	defer stop()
	w := &chunkWriter{c: c, timeout: 2 * t.cfg.SilenceTimeout, buf: beginFrame(nil, frameSnapshot)}
	w.buf = m.Append(w.buf)
	if err := w.flush(); err != nil {
		return err
	}
	if _, err := image.WriteTo(w); err != nil {
		return err
	}
	if err := w.end(); err != nil {
		return err
	}
	// Storing an image takes as long as it takes; a connection that breaks is noticed by TCP.
	kind, payload, err := readFrame(c, 64<<10)
	switch {
	case err != nil:
		return err
	case kind != frameResult || len(payload) == 0:
		return fmt.Errorf("%w: answer to a snapshot", ErrMalformed)
	case payload[0] != 0:
		return fmt.Errorf("peers: the other side: %s", payload[1:])
	}
	return nil
}

// closeAtEnd closes c when the link ends, and when the result is called.
func closeAtEnd(l *link, c net.Conn) func() {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-l.ctx.Done():
		case <-done:
		}
		_ = c.Close()
	}()
	return func() { close(done); <-ended }
}

// chunkWriter cuts an image into frames.
type chunkWriter struct {
	c       net.Conn
	timeout time.Duration // of one write
	buf     []byte        // an open frame
	sum     uint32
	total   uint64
}

// Write implements io.Writer.
func (w *chunkWriter) Write(p []byte) (int, error) {
	n := len(p)
	w.sum = crc32.Update(w.sum, castagnoli(), p)
	w.total += uint64(n)
	for len(p) > 0 {
		if len(w.buf) == 0 {
			w.buf = beginFrame(w.buf, frameChunk)
		}
		k := min(len(p), chunkBytes+frameHead-len(w.buf))
		w.buf, p = append(w.buf, p[:k]...), p[k:]
		if len(w.buf) == chunkBytes+frameHead {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (w *chunkWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.c.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return err
	}
	_, err := w.c.Write(sealFrame(w.buf, 0))
	w.buf = w.buf[:0]
	return err
}

func (w *chunkWriter) end() error {
	if err := w.flush(); err != nil {
		return err
	}
	w.buf = binary.LittleEndian.AppendUint64(beginFrame(w.buf, frameEnd), w.total)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, w.sum)
	return w.flush()
}

// receiveSnapshot takes a snapshot in and says how it went.
func (t *TCP) receiveSnapshot(c net.Conn, r *bufio.Reader, from raft.NodeID) error {
	kind, payload, err := readFrame(r, maxSnapshotHead)
	if err != nil {
		return err
	}
	var m raft.Message
	if kind != frameSnapshot {
		return fmt.Errorf("%w: frame of kind %d instead of a snapshot", ErrMalformed, kind)
	}
	if err := m.Decode(payload); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if m.From != from || m.To != t.cfg.ID || m.Group != t.cfg.Group || m.Type != raft.MsgSnap || m.Snapshot == nil {
		return fmt.Errorf("%w: %s from %d", ErrMalformed, m, from)
	}
	err = t.h.Snapshot(m, &chunkReader{c: c, r: r, timeout: 2 * t.cfg.SilenceTimeout})
	answer := append(beginFrame(nil, frameResult), 0)
	if err != nil {
		text := err.Error()
		answer[frameHead] = 1
		answer = append(answer, text[:min(len(text), 4096)]...)
	}
	if werr := c.SetWriteDeadline(time.Now().Add(t.cfg.SilenceTimeout)); err == nil {
		err = werr
	}
	if _, werr := c.Write(sealFrame(answer, 0)); err == nil {
		err = werr
	}
	return err
}

// chunkReader puts an image together again. It ends with io.EOF only when all of it was there and right.
type chunkReader struct {
	c       net.Conn
	r       io.Reader
	timeout time.Duration // of one frame
	chunk   []byte
	sum     uint32
	total   uint64
	err     error
}

// Read implements io.Reader.
func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.chunk) == 0 && r.err == nil {
		r.err = r.next()
	}
	if len(r.chunk) == 0 {
		return 0, r.err
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

func (r *chunkReader) next() error {
	if err := r.c.SetReadDeadline(time.Now().Add(r.timeout)); err != nil {
		return err
	}
	kind, payload, err := readFrame(r.r, chunkBytes)
	switch {
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case kind == frameChunk:
		r.sum = crc32.Update(r.sum, castagnoli(), payload)
		r.total += uint64(len(payload))
		r.chunk = payload
		return nil
	case kind != frameEnd || len(payload) != 12:
		return fmt.Errorf("%w: frame of kind %d in an image", ErrMalformed, kind)
	case binary.LittleEndian.Uint64(payload) != r.total || binary.LittleEndian.Uint32(payload[8:]) != r.sum:
		return fmt.Errorf("%w: checksum of an image of %d bytes", ErrMalformed, r.total)
	}
	return io.EOF
}
