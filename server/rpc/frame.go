package rpc

import "encoding/binary"

// frameType and flags of HTTP/2 (RFC 9113 §6).
type frameType byte

const (
	frameData         frameType = 0
	frameHeaders      frameType = 1
	framePriority     frameType = 2
	frameReset        frameType = 3
	frameSettings     frameType = 4
	framePush         frameType = 5
	framePing         frameType = 6
	frameGoAway       frameType = 7
	frameWindow       frameType = 8
	frameContinuation frameType = 9
)

const (
	flagEnd        = 0x1 // END_STREAM
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// errorCode is one of RFC 9113 §7.
type errorCode uint32

const (
	codeNone        errorCode = 0
	codeProtocol    errorCode = 1
	codeFlow        errorCode = 3
	codeClosed      errorCode = 5
	codeFrameSize   errorCode = 6
	codeRefused     errorCode = 7
	codeCancel      errorCode = 8
	codeCompression errorCode = 9
	codeCalm        errorCode = 11
)

const (
	settingTableSize  = 1
	settingMaxStreams = 3
	settingWindow     = 4
	settingMaxFrame   = 5
	settingHeaderList = 6
)

const (
	preface        = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frameHeader    = 9
	maxFrame       = 16384 // what we take, and send unless the client takes less
	defaultWindow  = 65535
	maxWindow      = 1<<31 - 1
	defaultHeaders = 4096 // of the client's HPACK table
	maxHeaderBytes = 64 << 10
)

// frame is a frame's header.
type frame struct {
	size   int
	typ    frameType
	flags  byte
	stream uint32
}

func parseFrame(b []byte) frame {
	return frame{
		size: int(b[0])<<16 | int(b[1])<<8 | int(b[2]), typ: frameType(b[3]), flags: b[4],
		stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31),
	}
}

func (f *frame) has(flag byte) bool { return f.flags&flag != 0 }

func appendFrame(b []byte, size int, t frameType, flags byte, stream uint32) []byte {
	b = append(b, byte(size>>16), byte(size>>8), byte(size), byte(t), flags)
	return binary.BigEndian.AppendUint32(b, stream)
}

func appendUint32Frame(b []byte, t frameType, stream, v uint32) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, 4, t, 0, stream), v)
}

func appendSetting(b []byte, id uint16, v uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), v)
}

// strip takes padding, and the priority of HEADERS, off a payload; false if it is malformed.
func (f *frame) strip(p []byte) ([]byte, bool) {
	pad := 0
	if f.has(flagPadded) {
		if len(p) < 1 {
			return nil, false
		}
		pad, p = int(p[0]), p[1:]
	}
	if f.typ == frameHeaders && f.has(flagPriority) {
		if len(p) < 5 {
			return nil, false
		}
		p = p[5:]
	}
	if pad > len(p) {
		return nil, false
	}
	return p[:len(p)-pad], true
}
