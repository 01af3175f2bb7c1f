package results

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// ErrHistogram is returned when a stored histogram cannot be one that this package wrote: it is
// torn, of another range or precision, or its parts contradict one another.
var ErrHistogram = errors.New("results: bad histogram")

// maxEncodedHistogram bounds the text that is decoded. All 28,672 counters at 9 bytes each and
// incompressible, in base64, stay below it; usual ones take 2 to 10 KB.
const maxEncodedHistogram = 400 << 10

// histogramJSON is the stored form: HDR is the HdrHistogram V2 encoding, zlib-compressed and in
// base64, as every HdrHistogram library reads it (range 1 ns to 100 s, 3 digits). It holds no
// overflow and rounds; the exact figures stand beside it.
type histogramJSON struct {
	HDR      string `json:"hdr"`
	Count    int64  `json:"count"`
	Overflow int64  `json:"overflow"`
	SumNS    int64  `json:"sumNS"`
	MinNS    int64  `json:"minNS"`
	MaxNS    int64  `json:"maxNS"`
}

// MarshalJSON writes the stored form, lossless: counters in HdrHistogram V2, exact figures beside.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	counts := make([]int64, blockCount*blockLen)
	for n, b := range h.blocks {
		if b != nil {
			copy(counts[n<<blockBits:], b[:])
		}
	}
	enc, err := hdr.Import(&hdr.Snapshot{
		LowestTrackableValue: 1, HighestTrackableValue: int64(HistogramMax),
		SignificantFigures: HistogramDigits, Counts: counts,
	}).Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("results: encode histogram: %w", err)
	}
	return json.Marshal(histogramJSON{
		HDR: string(enc), Count: h.count, Overflow: h.overflow,
		SumNS: h.sumNS, MinNS: int64(h.Min()), MaxNS: h.maxNS,
	})
}

// UnmarshalJSON reads the stored form. It checks that counters and exact figures agree and answers
// ErrHistogram, with h unchanged, otherwise. What it allocates is bounded whatever the input says.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	if len(data) > maxEncodedHistogram+1<<10 {
		return fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrHistogram, len(data), maxEncodedHistogram+1<<10)
	}
	var j histogramJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return fmt.Errorf("%w: %w", ErrHistogram, err)
	}
	if err := checkGeometry(j.HDR); err != nil {
		return err
	}
	inner, err := hdr.Decode([]byte(j.HDR))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistogram, err)
	}
	got := Histogram{count: j.Count, overflow: j.Overflow, sumNS: j.SumNS, minNS: j.MinNS, maxNS: j.MaxNS}
	for i, c := range inner.Export().Counts {
		if c == 0 {
			continue
		}
		if got.blocks[i>>blockBits] == nil {
			got.addBlock(i >> blockBits)
		}
		got.blocks[i>>blockBits][i&(blockLen-1)] = c
	}
	if err := got.check(inner.TotalCount()); err != nil {
		return err
	}
	*h = got
	return nil
}

// checkGeometry looks at the header before the library does, which would allocate what the header
// asks for (up to 50 MB for the widest).
func checkGeometry(encoded string) error {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistogram, err)
	}
	if len(raw) < 8 {
		return fmt.Errorf("%w: %d bytes of counters", ErrHistogram, len(raw))
	}
	z, err := zlib.NewReader(bytes.NewReader(raw[8:]))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistogram, err)
	}
	var head [hdr.ENCODING_HEADER_SIZE]byte
	if _, err := io.ReadFull(z, head[:]); err != nil {
		return fmt.Errorf("%w: header: %w", ErrHistogram, err)
	}
	digits := int32(binary.BigEndian.Uint32(head[12:]))
	lo, hi := int64(binary.BigEndian.Uint64(head[16:])), int64(binary.BigEndian.Uint64(head[24:]))
	ratio := math.Float64frombits(binary.BigEndian.Uint64(head[32:]))
	if digits != HistogramDigits || lo != 1 || hi != int64(HistogramMax) || ratio != 1 {
		return fmt.Errorf("%w: %d digits from %d to %d in units of %v, accepted is %d from 1 to %d in units of 1",
			ErrHistogram, digits, lo, hi, ratio, HistogramDigits, int64(HistogramMax))
	}
	return nil
}

// check finds contradictions between the counters, whose total is inRange, and the exact figures.
func (h *Histogram) check(inRange int64) error {
	fail := func(what string, got, want any) error {
		return fmt.Errorf("%w: %s is %v, the counters say %v", ErrHistogram, what, got, want)
	}
	if h.overflow < 0 || h.overflow > math.MaxInt64-inRange || h.count != inRange+h.overflow {
		return fail("count", h.count, fmt.Sprintf("%d and %d in overflow", inRange, h.overflow))
	}
	if h.count == 0 {
		if h.sumNS != 0 || h.minNS != 0 || h.maxNS != 0 {
			return fail("sum, min or max", []int64{h.sumNS, h.minNS, h.maxNS}, "empty")
		}
		return nil
	}
	if h.minNS < 0 || h.maxNS < h.minNS {
		return fail("min", h.minNS, h.maxNS)
	}
	// The sum must lie between all counters' lower and upper ends; in floating point with room
	// for its rounding, because the products may not fit an integer.
	lo, hi := float64(h.overflow)*float64(HistogramMax), float64(h.overflow)*float64(h.maxNS)
	first, last := Bucket{Lo: -1}, Bucket{}
	for b := range h.Buckets() {
		if b.Lo < HistogramMin {
			return fail("shortest counter", b.Lo, HistogramMin)
		}
		if first.Lo < 0 {
			first = b
		}
		last = b
		low := float64(b.Lo)
		if b.Lo == HistogramMin {
			low = 0
		}
		lo += low * float64(b.Count)
		hi += float64(b.Hi) * float64(b.Count)
	}
	if s := float64(h.sumNS); s < lo*(1-1e-9)-1 || s > hi*(1+1e-9)+1 {
		return fail("sum", h.sumNS, fmt.Sprintf("%.0f to %.0f", lo, hi))
	}
	if inRange > 0 && counterIndex(max(h.minNS, int64(HistogramMin))) != counterIndex(int64(first.Lo)) {
		return fail("min", h.minNS, first.Lo)
	}
	if inRange == 0 && h.minNS <= int64(HistogramMax) {
		return fail("min", h.minNS, "all in overflow")
	}
	if h.overflow > 0 && h.maxNS <= int64(HistogramMax) {
		return fail("max", h.maxNS, fmt.Sprintf("%d in overflow", h.overflow))
	}
	if h.overflow == 0 && counterIndex(max(min(h.maxNS, int64(HistogramMax)), int64(HistogramMin))) != counterIndex(int64(last.Lo)) {
		return fail("max", h.maxNS, last.Hi)
	}
	return nil
}
