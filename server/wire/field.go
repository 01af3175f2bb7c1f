package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed is what every error of decoding is.
var ErrMalformed = errors.New("wire: malformed message")

// maxDepth is how deep messages may lie in one another, the limit of the generated code.
const maxDepth = protowire.DefaultRecursionLimit

// field is one field of a message: num is the number of a varint, -num that of a length-delimited
// field, 0 that of anything else, which no message here has.
type field struct {
	num   int32
	value uint64
	bytes []byte // aliases the message
}

// next reads the first field of b and tells how many bytes it takes.
func next(b []byte) (f field, n int, err error) {
	tag, n := uvarint(b)
	num, typ := tag>>3, protowire.Type(tag&7)
	if n == 0 || num == 0 || num > uint64(protowire.MaxValidNumber) {
		return field{}, 0, malformed("tag")
	}
	switch typ {
	case protowire.VarintType:
		v, m := uvarint(b[n:])
		if m == 0 {
			return field{}, 0, malformed("number")
		}
		return field{num: int32(num), value: v}, n + m, nil
	case protowire.BytesType:
		v, m := uvarint(b[n:])
		if m == 0 || v > uint64(len(b)-n-m) {
			return field{}, 0, malformed("length")
		}
		n += m
		end := n + int(v)
		return field{num: -int32(num), bytes: b[n:end:end]}, end, nil
	}
	m := protowire.ConsumeFieldValue(protowire.Number(num), typ, b[n:])
	if m < 0 {
		return field{}, 0, malformed("field of no known type")
	}
	return field{}, n + m, nil
}

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// uvarint reads a number; n is 0 if there is none.
func uvarint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	if v, n = protowire.ConsumeVarint(b); n < 0 {
		return 0, 0
	}
	return v, n
}

// bool is a field's value as a protobuf bool.
func (f *field) bool() bool { return f.value != 0 }

// int is a field's value as an int64.
func (f *field) int() int64 { return int64(f.value) }

// enum is a field's value as an enum: one of few numbers, or unknown.
func (f *field) enum() byte {
	if v := uint32(f.value); v < uint32(unknown) { // protobuf's enums have 32 bits
		return byte(v)
	}
	return unknown
}

// unknown stands for all numbers that no enum has.
const unknown byte = 255
