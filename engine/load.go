package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrNotEmpty: Load was given a backend that holds something. Nothing was changed.
var ErrNotEmpty = errors.New("engine: backend is not empty")

// loadBatch is what Load applies at once at most, where Caps do not say less.
const (
	loadBatchBytes = 4 << 20
	loadBatchOps   = 10_000
)

// Load puts the content of a stream of Dump into b, which must be empty (ErrNotEmpty), and syncs
// it. The caller must be the only one to write to b. Nothing that a checksum does not cover is
// believed, and batches keep to the limits of Caps. It reads r to its end: ErrBadStream for a
// stream that is cut, altered, of something else, or followed by anything.
//
// After any error b is empty again, and synced, unless b itself failed: then the error wraps both
// causes. A crash during Load leaves a part of the content, which the next Load refuses as
// ErrNotEmpty. Memory is one block and one batch. A record that alone exceeds Caps is
// ErrBatchTooBig.
func Load(ctx context.Context, b Backend, r io.Reader) error {
	if empty, err := isEmpty(b); err != nil {
		return fmt.Errorf("engine: load: %w", err)
	} else if !empty {
		return ErrNotEmpty
	}
	l := &loader{b: b, batch: b.NewBatch(), r: r, chain: newChain(), lastSpace: -1}
	caps := b.Caps()
	l.maxBytes, l.maxOps = atMost(caps.MaxBatchBytes, loadBatchBytes), atMost(caps.MaxBatchOps, loadBatchOps)
	err := l.run(ctx)
	if err == nil {
		return nil
	}
	if undo := l.empty(); undo != nil {
		err = fmt.Errorf("%w; emptying the backend again: %w", err, undo)
	}
	return fmt.Errorf("engine: load: %w", err)
}

// atMost returns n, or the limit of Caps if that is lower and not 0.
func atMost(limit int64, n int) int {
	if limit > 0 && limit < int64(n) {
		return int(limit)
	}
	return n
}

// isEmpty tells whether b holds no key in any space.
func isEmpty(b Backend) (bool, error) {
	view, err := b.Snapshot()
	if err != nil {
		return false, err
	}
	defer view.Close()
	for s := range 256 {
		it := view.Scan(Space(s), nil, nil)
		found := it.Next()
		if err := it.Close(); err != nil || found {
			return false, err
		}
	}
	return true, nil
}

type loader struct {
	b        Backend
	batch    Batch
	maxBytes int
	maxOps   int
	r        io.Reader
	chain    *chain
	payload  []byte
	// The last record, to demand ascending order.
	lastSpace int
	lastKey   []byte
	applied   bool // something may be in b
}

func (l *loader) run(ctx context.Context) error {
	var magic [len(streamMagic)]byte
	if _, err := io.ReadFull(l.r, magic[:]); err != nil {
		return cut("magic", err)
	}
	if string(magic[:]) != streamMagic {
		return fmt.Errorf("%w: it begins with %q, want %q", ErrBadStream, magic, streamMagic)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		want := l.chain.trailer() // what the trailer must be if it comes now
		kind, err := l.block()
		if err != nil {
			return err
		}
		if kind == kindTrailer {
			return l.end(want)
		}
		l.chain.blocks++
		if err := l.records(); err != nil {
			return err
		}
	}
}

// cut translates an error of reading.
func cut(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends inside the %s", ErrBadStream, what)
	}
	return fmt.Errorf("reading the %s: %w", what, err)
}

// block reads one block or trailer into l.payload.
func (l *loader) block() (kind byte, err error) {
	where := fmt.Sprintf("block %d", l.chain.blocks)
	var h [headBytes]byte
	if _, err := io.ReadFull(l.r, h[:]); err != nil {
		return 0, cut("head of "+where, err)
	}
	kind, n := h[0], int(binary.LittleEndian.Uint32(h[1:]))
	if h != head(kind, n) {
		return 0, fmt.Errorf("%w: head of %s fails its checksum", ErrBadStream, where)
	}
	if kind != kindBlock && (kind != kindTrailer || n != trailBytes) || n == 0 || n > maxBlockBytes {
		return 0, fmt.Errorf("%w: %s has kind %q and %d bytes", ErrBadStream, where, kind, n)
	}
	if err := l.read(n); err != nil {
		return 0, cut(where, err)
	}
	want := l.chain.link(h, l.payload)
	var crc [4]byte
	if _, err := io.ReadFull(l.r, crc[:]); err != nil {
		return 0, cut("checksum of "+where, err)
	}
	if crc != want {
		return 0, fmt.Errorf("%w: %s fails its checksum, or is out of its place", ErrBadStream, where)
	}
	for _, part := range [][]byte{h[:], l.payload, crc[:]} {
		l.chain.sum.Write(part)
	}
	return kind, nil
}

// read fills l.payload with n bytes. It grows it as they arrive, not on the word of a length.
func (l *loader) read(n int) error {
	l.payload = l.payload[:0]
	for len(l.payload) < n {
		at, step := len(l.payload), min(n-len(l.payload), 1<<20)
		l.payload = append(l.payload, make([]byte, step)...)
		if _, err := io.ReadFull(l.r, l.payload[at:]); err != nil {
			return err
		}
	}
	return nil
}

// records puts the records of l.payload into the batch.
func (l *loader) records() error {
	for rest := l.payload; len(rest) > 0; {
		var rec record
		var err error
		if rec, rest, err = nextRecord(rest); err != nil {
			return err
		}
		if int(rec.space) < l.lastSpace || int(rec.space) == l.lastSpace && bytes.Compare(rec.key, l.lastKey) <= 0 {
			return fmt.Errorf("%w: space %d key %.64x is out of order", ErrBadStream, rec.space, rec.key)
		}
		l.lastSpace, l.lastKey = int(rec.space), append(l.lastKey[:0], rec.key...)
		if l.batch.Len()+1 > l.maxOps || l.batch.Len() > 0 && l.batch.SizeBytes()+len(rec.key)+len(rec.value) > l.maxBytes {
			if err := l.flush(false); err != nil {
				return err
			}
		}
		l.batch.Set(rec.space, rec.key, rec.value)
		l.chain.keys++
	}
	return nil
}

func (l *loader) flush(sync bool) error {
	l.applied = true
	err := l.b.Apply(l.batch, sync)
	l.batch.Reset()
	return err
}

// end compares the trailer, demands the end of the stream, and makes everything durable.
func (l *loader) end(want []byte) error {
	if !bytes.Equal(l.payload, want) {
		return fmt.Errorf("%w: the trailer does not fit what came before it", ErrBadStream)
	}
	var more [1]byte
	if n, err := io.ReadFull(l.r, more[:]); n > 0 {
		return fmt.Errorf("%w: something follows the trailer", ErrBadStream)
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading after the trailer: %w", err)
	}
	return l.flush(true)
}

// empty removes what was loaded, in batches that every engine takes.
func (l *loader) empty() error {
	if !l.applied {
		return nil
	}
	view, err := l.b.Snapshot()
	if err != nil {
		return err
	}
	defer view.Close()
	l.batch.Reset()
	for s := range l.lastSpace + 1 {
		it := view.Scan(Space(s), nil, nil)
		for it.Next() {
			if l.batch.Len()+1 > l.maxOps || l.batch.Len() > 0 && l.batch.SizeBytes()+len(it.Key()) > l.maxBytes {
				if err := l.flush(false); err != nil {
					it.Close()
					return err
				}
			}
			l.batch.Delete(Space(s), it.Key())
		}
		if err := it.Close(); err != nil {
			return err
		}
	}
	return l.flush(true)
}
