package raft

import (
	"encoding/binary"
	"fmt"
)

// The binary form of everything that travels or is stored. Numbers are unsigned varints, bytes are
// preceded by their length. Append writes to the end of a slice; Decode takes exactly what Append
// wrote and answers ErrMalformed to anything else. Decoded bytes alias the input, which must not be
// modified afterwards. Decode allocates at most about fifty bytes for each byte of input, and never
// more than a message may hold. Nothing here is checksummed: the transport and the log do that.

// maxBatch bounds the entries of one message.
const maxBatch = 1 << 20

// reader takes values off a slice; after the first failure it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (d *reader) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	d.b = nil
}

func (d *reader) uint() uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		v := d.b[0]
		d.b = d.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n > 1 && d.b[n-1] == 0 { // the shortest form is the only one
		d.fail("bad number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *reader) byte() byte {
	if len(d.b) == 0 {
		d.fail("ends too early")
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *reader) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail("ends too early")
		return nil
	}
	if n == 0 {
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// count takes a number of things of which each needs at least one byte.
func (d *reader) count(most uint64) int {
	n := d.uint()
	if n > most || n > uint64(len(d.b)) {
		d.fail("absurd count")
		return 0
	}
	return int(n)
}

// end returns the outcome, which must have used up everything.
func (d *reader) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("more bytes than expected")
	}
	return d.err
}

func appendUint(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, v)
}

// Append appends the binary form of e.
func (e *Entry) Append(dst []byte) []byte {
	dst = append(dst, byte(e.Type))
	dst = appendUint(dst, uint64(e.Term))
	dst = appendUint(dst, uint64(e.Index))
	return append(dst, e.Data...)
}

// Decode sets e to what Append wrote. Data is the rest of b.
func (e *Entry) Decode(b []byte) error {
	d := reader{b: b}
	*e = Entry{Type: EntryType(d.byte()), Term: Term(d.uint()), Index: Index(d.uint())}
	if d.err == nil && (e.Type > EntryConfChange || e.Term > maxTerm || e.Index > maxIndex) {
		d.fail("entry of unknown type or absurd position")
	}
	e.Data = d.bytes(uint64(len(d.b)))
	return d.end()
}

// Append appends the binary form of h.
func (h *HardState) Append(dst []byte) []byte {
	dst = appendUint(dst, uint64(h.Term))
	dst = appendUint(dst, uint64(h.Vote))
	return appendUint(dst, uint64(h.Commit))
}

// Decode sets h to what Append wrote.
func (h *HardState) Decode(b []byte) error {
	d := reader{b: b}
	*h = HardState{Term: Term(d.uint()), Vote: NodeID(d.uint()), Commit: Index(d.uint())}
	return d.end()
}

// Append appends the binary form of c.
func (c *ConfState) Append(dst []byte) []byte {
	for _, ids := range [...][]NodeID{c.Voters, c.VotersOutgoing, c.Learners, c.LearnersNext} {
		dst = appendUint(dst, uint64(len(ids)))
		for _, id := range ids {
			dst = appendUint(dst, uint64(id))
		}
	}
	return appendBool(dst, c.AutoLeave)
}

// Decode sets c to what Append wrote, and refuses a membership that cannot be.
func (c *ConfState) Decode(b []byte) error {
	d := reader{b: b}
	d.conf(c)
	return d.end()
}

func (d *reader) conf(c *ConfState) {
	*c = ConfState{Voters: d.ids(), VotersOutgoing: d.ids(), Learners: d.ids(), LearnersNext: d.ids(), AutoLeave: d.bool()}
	if d.err == nil {
		if d.err = c.check(); d.err != nil {
			d.b = nil
		}
	}
}

func (d *reader) ids() []NodeID {
	n := d.count(maxMembers)
	if n == 0 {
		return nil
	}
	ids := make([]NodeID, n)
	for i := range ids {
		ids[i] = NodeID(d.uint())
	}
	return ids
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func (d *reader) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail("neither true nor false")
	}
	return v == 1
}

// Append appends the binary form of c.
func (c *ConfChange) Append(dst []byte) []byte {
	dst = append(dst, byte(c.Transition))
	dst = appendUint(dst, uint64(len(c.Changes)))
	for _, ch := range c.Changes {
		dst = append(dst, byte(ch.Type))
		dst = appendUint(dst, uint64(ch.Node))
	}
	return append(dst, c.Context...)
}

// Decode sets c to what Append wrote, and refuses a change that makes sense for no membership.
func (c *ConfChange) Decode(b []byte) error {
	d := reader{b: b}
	*c = ConfChange{Transition: Transition(d.byte())}
	if n := d.count(maxChanges); n > 0 {
		c.Changes = make([]Change, n)
		for i := range c.Changes {
			c.Changes[i] = Change{Type: ChangeType(d.byte()), Node: NodeID(d.uint())}
		}
	}
	c.Context = d.bytes(uint64(len(d.b)))
	if err := d.end(); err != nil {
		return err
	}
	return c.check()
}

// Append appends the binary form of s.
func (s *Snapshot) Append(dst []byte) []byte {
	dst = appendUint(dst, uint64(s.Index))
	dst = appendUint(dst, uint64(s.Term))
	dst = s.Conf.Append(dst)
	return append(dst, s.Data...)
}

// Decode sets s to what Append wrote. Data is the rest of b.
func (s *Snapshot) Decode(b []byte) error {
	d := reader{b: b}
	*s = Snapshot{Index: Index(d.uint()), Term: Term(d.uint())}
	d.conf(&s.Conf)
	s.Data = d.bytes(uint64(len(d.b)))
	return d.end()
}
