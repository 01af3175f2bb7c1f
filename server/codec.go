package server

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// codec is what gRPC gives messages to. Those of this package read and write themselves, see
// package wire; all others are protobuf's.
type codec struct{ rest encoding.CodecV2 }

func newCodec() codec { return codec{rest: encoding.GetCodecV2(proto.Name)} }

// incoming is a message that reads itself.
type incoming interface {
	// decode reads a message. It may keep buf, whose bytes it may alias; then it takes a reference
	// (buf.Ref) and frees it when the call is over.
	decode(buf mem.Buffer) error
}

// outgoing is a message that writes itself.
type outgoing interface {
	Size() int
	Append(b []byte) []byte
}

// Name is protobuf's: on the wire there is no difference.
func (codec) Name() string { return proto.Name }

// Marshal encodes v. When it returns v is not used any more.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(outgoing)
	if !ok {
		return c.rest.Marshal(v)
	}
	size := m.Size()
	if mem.IsBelowBufferPoolingThreshold(size) {
		return mem.BufferSlice{mem.SliceBuffer(m.Append(make([]byte, 0, size)))}, nil
	}
	pool := mem.DefaultBufferPool()
	buf := pool.Get(size)
	*buf = m.Append((*buf)[:0])
	if len(*buf) != size {
		panic(fmt.Sprintf("server: %T of %d bytes was to have %d", v, len(*buf), size))
	}
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

// Unmarshal decodes data, which stays the caller's.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(incoming)
	if !ok {
		return c.rest.Unmarshal(data, v)
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	return m.decode(buf)
}
