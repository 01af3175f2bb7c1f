package bench

import (
	"bytes"
	"compress/flate"
	"fmt"
)

// compressSample is about how many bytes of values CompressedShare compresses.
const compressSample = 1 << 18

// CompressedShare makes a sample of loaded values, compresses it as one stream with DEFLATE and
// returns the share of its size that is left: what Compressibility declares, within 5 % as long as
// the incompressible part of a value (some 100 bytes and more) outweighs the compressor's own marks.
func (v *Values) CompressedShare() (float64, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		return 0, fmt.Errorf("bench: compress a sample of values: %w", err)
	}
	var value []byte
	total := 0
	for i := uint64(0); total < compressSample && i < compressSample; i++ {
		value = v.Append(value[:0], i, MakeStamp(loader, i))
		if _, err := w.Write(value); err != nil {
			return 0, fmt.Errorf("bench: compress a sample of values: %w", err)
		}
		total += len(value)
	}
	if err := w.Close(); err != nil {
		return 0, fmt.Errorf("bench: compress a sample of values: %w", err)
	}
	if total == 0 {
		return 1, nil
	}
	return float64(out.Len()) / float64(total), nil
}
