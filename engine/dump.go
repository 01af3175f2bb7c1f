package engine

import (
	"context"
	"fmt"
	"io"
)

// Dump writes the whole content of view, all 256 spaces, to w as a stream that Load puts into any
// engine. The bytes depend on the content alone, not on the engine. It keeps one block in memory:
// 256 KiB, or one record if that is larger. It stops between blocks when ctx ends. What was
// written before an error is no use; w is not closed.
func Dump(ctx context.Context, w io.Writer, view Snapshot) error {
	d := &dumper{w: w, chain: newChain()}
	if _, err := io.WriteString(w, streamMagic); err != nil {
		return fmt.Errorf("engine: dump: %w", err)
	}
	for s := range 256 {
		if err := d.space(ctx, view, Space(s)); err != nil {
			return fmt.Errorf("engine: dump: space %d: %w", s, err)
		}
	}
	if err := d.flush(); err != nil {
		return fmt.Errorf("engine: dump: %w", err)
	}
	if err := d.block(kindTrailer, d.chain.trailer()); err != nil {
		return fmt.Errorf("engine: dump: %w", err)
	}
	return nil
}

type dumper struct {
	w       io.Writer
	chain   *chain
	payload []byte
}

func (d *dumper) space(ctx context.Context, view Snapshot, s Space) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	it := view.Scan(s, nil, nil)
	defer it.Close() // its error is that of Err, or ErrClosed after the Close below
	for w := Walk(it, 0); w.Next(); {
		for _, p := range w.Run() {
			if err := d.pair(ctx, s, p); err != nil {
				return err
			}
		}
	}
	return it.Close()
}

// pair adds p to the block, which is written first if it would grow too large.
func (d *dumper) pair(ctx context.Context, s Space, p Pair) error {
	if len(p.Value) > maxBlockBytes-MaxKeyBytes-16 {
		return fmt.Errorf("key %.64x has a value of %d bytes, longest is %d", p.Key, len(p.Value), maxBlockBytes-MaxKeyBytes-16)
	}
	if size := len(d.payload) + len(p.Key) + len(p.Value) + 16; size > blockBytes && len(d.payload) > 0 {
		if err := d.flush(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	d.payload = appendRecord(d.payload, s, p.Key, p.Value)
	d.chain.keys++
	return nil
}

// flush writes the records gathered so far as a block, if there are any.
func (d *dumper) flush() error {
	if len(d.payload) == 0 {
		return nil
	}
	err := d.block(kindBlock, d.payload)
	d.chain.blocks++
	d.payload = d.payload[:0]
	return err
}

func (d *dumper) block(kind byte, payload []byte) error {
	h := head(kind, len(payload))
	crc := d.chain.link(h, payload)
	for _, part := range [][]byte{h[:], payload, crc[:]} {
		if _, err := d.w.Write(part); err != nil {
			return err
		}
		d.chain.sum.Write(part)
	}
	return nil
}
