package apply

import (
	"encoding/binary"
	"fmt"
)

// The binary form of commands: the kind, then the fields in order. Numbers are unsigned varints in
// their shortest form, int64 as the uint64 of the same bits; bytes are preceded by their length; lists
// by their count; flags share a byte. Decode takes exactly what Append writes. Decoded bytes alias
// the input. Nothing here is checksummed: transport and log do that.

// maxDepth is how deep transactions may be nested: Decode recurses.
const maxDepth = 256

// reader takes values off a slice; after the first failure it returns zeros.
type reader struct {
	b   []byte
	bad string // the first failure
}

func (d *reader) fail(what string) {
	if d.bad == "" {
		d.bad = what
	}
	d.b = nil
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

// enum takes a byte that is at most most.
func (d *reader) enum(most byte) byte {
	v := d.byte()
	if v > most {
		d.fail("unknown number")
		return 0
	}
	return v
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

func (d *reader) int() int64 { return int64(d.uint()) }

// bytes is nil for no bytes.
func (d *reader) bytes() []byte {
	n := d.uint()
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

// count takes a number of things of which each takes at least size bytes.
func (d *reader) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.fail("absurd count")
		return 0
	}
	return int(n)
}

func (d *reader) strings() []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = string(d.bytes())
	}
	return list
}

// end returns the outcome, which must have used up everything.
func (d *reader) end() error {
	if d.bad == "" && len(d.b) > 0 {
		d.fail("more bytes than expected")
	}
	if d.bad != "" {
		return fmt.Errorf("%w: %s", ErrMalformed, d.bad)
	}
	return nil
}

func appendUint(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, v)
}

func appendInt(dst []byte, v int64) []byte { return appendUint(dst, uint64(v)) }

func appendBytes(dst, b []byte) []byte {
	return append(appendUint(dst, uint64(len(b))), b...)
}

func appendStrings(dst []byte, list []string) []byte {
	dst = appendUint(dst, uint64(len(list)))
	for _, s := range list {
		dst = append(appendUint(dst, uint64(len(s))), s...)
	}
	return dst
}

func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

// Decode returns the command that b is, or ErrMalformed. The command aliases b, which must not be
// changed while it is used. It allocates at most about 70 bytes for each byte of b.
func Decode(b []byte) (Command, error) {
	d := decoder{}
	c := d.command(b)
	if err := d.end(); err != nil {
		return nil, err
	}
	return c, nil
}

// command decodes any command; d.end tells whether it is one.
func (d *decoder) command(b []byte) Command {
	d.begin(b)
	switch k := Kind(d.byte()); k {
	case KindPut:
		return d.put()
	case KindDeleteRange:
		return d.deleteRange()
	case KindTxn:
		return d.txn(0)
	case KindCompact:
		return &Compact{Rev: d.int()}
	case KindLeaseGrant:
		return &LeaseGrant{ID: LeaseID(d.int()), TTL: d.int()}
	case KindLeaseRevoke:
		return &LeaseRevoke{ID: LeaseID(d.int()), Term: d.uint(), Grant: d.uint()}
	case KindLeaseCheckpoint:
		return d.checkpoint()
	case KindAlarm:
		return &Alarm{Member: d.uint(), Type: AlarmType(d.enum(byte(AlarmCorrupt))), Clear: d.enum(1) == 1}
	case KindSetMember:
		return &SetMember{Fields: MemberFields(d.enum(memberFields)), Member: d.member()}
	case KindClusterVersion:
		return &ClusterVersion{Version: string(d.bytes())}
	case KindMemberChange:
		return &MemberChange{Promote: d.enum(1) == 1, MaxLearners: d.uint(), Member: d.member()}
	}
	d.fail("unknown kind")
	return nil
}
