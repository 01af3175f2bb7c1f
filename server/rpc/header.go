package rpc

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack" // reads header blocks
	"google.golang.org/grpc/metadata"
)

// Header is what a call begins with. Its strings may be kept.
type Header struct {
	path, method, contentType, encoding, timeout string
	// ClientVersion and HasLeader are the values of client-api-version and hasleader.
	ClientVersion, HasLeader string
	rest                     []hpack.HeaderField
	size                     int  // of all fields, as RFC 9113 §6.5.2 counts
	bad                      bool // a field that may not be there
}

func (h *Header) reset() { *h = Header{rest: h.rest[:0]} }

// add is told the fields one by one. What is beyond the limit is not kept: few bytes can stand for many.
func (h *Header) add(f hpack.HeaderField) {
	if h.size += len(f.Name) + len(f.Value) + fieldOverhead; h.tooLarge() {
		return
	}
	switch f.Name {
	case ":path":
		h.path = f.Value
	case ":method":
		h.method = f.Value
	case ":scheme", ":authority", "te", "user-agent", "grpc-accept-encoding", "accept-encoding":
	case "content-type":
		h.contentType = f.Value
	case "grpc-encoding":
		h.encoding = f.Value
	case "grpc-timeout":
		h.timeout = f.Value
	case "client-api-version":
		h.ClientVersion = f.Value
	case "hasleader":
		h.HasLeader = f.Value
	default:
		h.bad = h.bad || strings.HasPrefix(f.Name, ":")
		h.rest = append(h.rest, f)
	}
}

// fieldOverhead is what RFC 9113 §6.5.2 counts for a field besides its bytes.
const fieldOverhead = 32

func (h *Header) tooLarge() bool { return h.size > maxHeaderBytes }

// metadata is what handlers find in the context.
func (h *Header) metadata() metadata.MD {
	md := metadata.MD{"content-type": {h.contentType}}
	if h.ClientVersion != "" {
		md["client-api-version"] = []string{h.ClientVersion}
	}
	if h.HasLeader != "" {
		md["hasleader"] = []string{h.HasLeader}
	}
	for _, f := range h.rest {
		v := f.Value
		if strings.HasSuffix(f.Name, "-bin") {
			raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
			if err != nil {
				continue
			}
			v = string(raw)
		}
		md[f.Name] = append(md[f.Name], v)
	}
	return md
}

// deadline is how long the client waits; false if it does not say.
func (h *Header) deadline() (time.Duration, bool) {
	n := len(h.timeout)
	if n < 2 || n > 9 {
		return 0, false
	}
	v, err := strconv.ParseInt(h.timeout[:n-1], 10, 64)
	if err != nil || v < 0 {
		return 0, false
	}
	units := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}
	u, ok := units[h.timeout[n-1]]
	if !ok || v > int64(maxDeadline/u) { // eight digits of hours are more than a Duration holds
		return maxDeadline, ok
	}
	return time.Duration(v) * u, true
}

const maxDeadline = 1 << 62 * time.Nanosecond
