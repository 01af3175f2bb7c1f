package rpc

import (
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// encoder writes the header blocks of a connection's responses. There are two fields that every good
// response has; they go into the client's table with the first response, and after that take a
// byte each. Everything else is written out. It belongs to the writer.
type encoder struct {
	plain   bool // the client's table is too small: nothing goes into it
	shrink  bool // that is still to be said
	content int  // index of the content type in the client's table, 0 if it is not there
	ok      int  // likewise of status 0
}

const (
	firstDynamic = 62 // index of the newest entry of the table (RFC 7541 §2.3.3)
	tableNeed    = 2*32 + len("content-type") + len(contentType) + len("grpc-status") + 1
	indexed      = 0x80
	incremental  = 0x40
	status200    = indexed | 8
	nameContent  = 31 // index of the name content-type
	contentType  = "application/grpc"
)

// begin says, once, that the table is not used.
func (e *encoder) begin(b []byte) []byte {
	if e.shrink {
		e.shrink = false
		b = append(b, 0x20) // its size is 0 now
	}
	return b
}

// tableSize takes over what the client allows.
func (e *encoder) tableSize(n uint32) {
	if n < uint32(tableNeed) && !e.plain {
		*e = encoder{plain: true, shrink: true}
	}
}

// appendHead appends what a response begins with.
func (e *encoder) appendHead(b []byte) []byte {
	b = append(e.begin(b), status200)
	switch {
	case e.plain:
		b = append(b, 0x0f, nameContent-15)
	case e.content > 0:
		return append(b, indexed|byte(e.content))
	default:
		if e.ok > 0 {
			e.ok++
		}
		e.content = firstDynamic
		b = append(b, incremental|nameContent)
	}
	return appendString(b, contentType)
}

// appendOK appends what a good response ends with.
func (e *encoder) appendOK(b []byte) []byte {
	b = e.begin(b)
	switch {
	case e.plain:
		b = append(b, 0)
	case e.ok > 0:
		return append(b, indexed|byte(e.ok))
	default:
		if e.content > 0 {
			e.content++
		}
		e.ok = firstDynamic
		b = append(b, incremental)
	}
	return appendString(appendString(b, "grpc-status"), "0")
}

// appendStatus appends what a response ends with.
func (e *encoder) appendStatus(b []byte, s *status.Status) []byte {
	if s.Code() == codes.OK {
		return e.appendOK(b)
	}
	b = append(e.begin(b), 0)
	b = appendString(appendString(b, "grpc-status"), strconv.Itoa(int(s.Code())))
	if s.Message() != "" {
		b = appendString(appendString(append(b, 0), "grpc-message"), percent(s.Message()))
	}
	return b
}

// appendString appends a string as it is, with its length before it.
func appendString(b []byte, s string) []byte {
	n := len(s)
	if n < 127 {
		b = append(b, byte(n))
	} else {
		b = append(b, 127)
		for n -= 127; n >= 128; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		b = append(b, byte(n))
	}
	return append(b, s...)
}

// maxStatusText bounds the text of an error, so that a header block fits into a frame.
const maxStatusText = 2048

// percent encodes an error's text as gRPC wants it.
func percent(s string) string {
	if len(s) > maxStatusText {
		s = s[:maxStatusText]
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
