package bench

import (
	"bytes"
	"compress/flate"
	"math"
	"math/rand/v2"
	"testing"
)

func mustValues(t testing.TB, seed uint64, sizes string, ratio float64) *Values {
	t.Helper()
	s, err := ParseSizes(sizes)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewValues(seed, s, ratio)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestValuesPassTheirOwnCheckAndTellTheirWriter(t *testing.T) {
	for _, sizes := range []string{"0", "5", "8", "12", "100", "1000", "uniform:0-300", "lognormal:200,1.5", "40000"} {
		for _, ratio := range []float64{0.05, 0.5, 1} {
			v := mustValues(t, 7, sizes, ratio)
			var scratch []byte
			for i := range uint64(200) {
				stamp := MakeStamp(int(i%5), i*i)
				value := v.Append(nil, i, stamp)
				if len(value) != v.Size(i, stamp) {
					t.Fatalf("%s: %d bytes, Size says %d", sizes, len(value), v.Size(i, stamp))
				}
				var err error
				if scratch, err = v.Check(scratch, i, value); err != nil {
					t.Fatalf("%s ratio %v: %v", sizes, ratio, err)
				}
				if got, ok := v.Stamp(value); ok && got != stamp {
					t.Fatalf("%s: stamp %v, want %v", sizes, got, stamp)
				}
			}
		}
	}
}

func TestCheckFindsEveryFlippedBitWrongKeyTornAndForeignValue(t *testing.T) {
	for _, size := range []string{"12", "40", "uniform:12-200"} {
		v := mustValues(t, 7, size, 0.5)
		value := v.Append(nil, 3, MakeStamp(1, 9))
		for bit := range len(value) * 8 {
			value[bit/8] ^= 1 << (bit % 8)
			if _, err := v.Check(nil, 3, value); err == nil {
				t.Fatalf("size %s: flipped bit %d was not found", size, bit)
			}
			value[bit/8] ^= 1 << (bit % 8)
		}
		if _, err := v.Check(nil, 4, value); err == nil {
			t.Error("a value under another key was not found")
		}
		if _, err := v.Check(nil, 3, value[:len(value)-1]); err == nil {
			t.Error("a truncated value was not found")
		}
		if _, err := mustValues(t, 8, size, 0.5).Check(nil, 3, value); err == nil {
			t.Error("a value of another seed was not found")
		}
	}
	// Half of one write and half of another.
	v := mustValues(t, 7, "500", 1)
	torn := append(v.Append(nil, 3, 1)[:256:256], v.Append(nil, 3, 2)[256:]...)
	if _, err := v.Check(nil, 3, torn); err == nil {
		t.Error("a torn value was not found")
	}
}

func TestEveryValueIsDifferent(t *testing.T) {
	v := mustValues(t, 1, "12", 1)
	seen := map[string]bool{}
	for i := range uint64(20000) {
		seen[string(v.Append(nil, i%10, MakeStamp(0, i)))] = true
	}
	if len(seen) != 20000 {
		t.Errorf("%d different values of 20000", len(seen))
	}
}

func TestCompressedSizeIsAsDeclared(t *testing.T) {
	for _, ratio := range []float64{0.1, 0.25, 0.5, 0.8, 1} {
		for _, size := range []string{"256", "1000", "lognormal:1000,0.5", "50000"} {
			if size == "256" && ratio < 0.5 || size != "50000" && ratio < 0.25 {
				continue // the compressor's own marks weigh more than 5 %
			}
			got, err := mustValues(t, 1, size, ratio).CompressedShare()
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(got/ratio-1) > 0.05 {
				t.Errorf("size %s: compressed to %.3f, declared %v", size, got, ratio)
			}
		}
	}
}

func TestCompressorFindsNothingBetweenValues(t *testing.T) {
	v := mustValues(t, 1, "1000", 1)
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for i := range uint64(500) {
		n, _ := w.Write(v.Append(nil, i, MakeStamp(loader, i)))
		total += n
	}
	w.Close()
	if out.Len() < total {
		t.Errorf("%d bytes compressed to %d", total, out.Len())
	}
}

func TestSizesAreReadAndWrittenAlike(t *testing.T) {
	for _, text := range []string{"0", "256", "uniform:16-1024", "uniform:5-5", "lognormal:256,0.8"} {
		s, err := ParseSizes(text)
		if err != nil {
			t.Fatal(err)
		}
		if s.String() != text {
			t.Errorf("%q became %q", text, s.String())
		}
		r, sum := rand.New(rand.NewPCG(1, 1)), 0.0
		for range 100000 {
			n := s.At(r.Uint64())
			if n < s.Min() || n > s.Max() {
				t.Fatalf("%s: %d", text, n)
			}
			sum += float64(n)
		}
		if mean := sum / 100000; math.Abs(mean-s.Mean()) > 0.02*s.Mean() {
			t.Errorf("%s: mean %v, want %v", text, mean, s.Mean())
		}
	}
	for _, text := range []string{"", "-1", "abc", "unifrom:1-2", "uniform:9-2", "uniform:5", "lognormal:0,1", "lognormal:5,-1", "lognormal:5", "99999999999", "lognormal:5,NaN"} {
		if _, err := ParseSizes(text); err == nil {
			t.Errorf("%q was accepted", text)
		} else {
			t.Log(err)
		}
	}
}

func FuzzParseSizes(f *testing.F) {
	for _, s := range []string{"256", "uniform:16-1024", "lognormal:256,0.8", "", "uniform:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSizes(text)
		if err != nil {
			return
		}
		again, err := ParseSizes(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q became %q: %v", text, s.String(), err)
		}
		for _, u := range []uint64{0, 1, 1 << 63, ^uint64(0)} {
			if n := s.At(u); n < s.Min() || n > s.Max() {
				t.Fatalf("%q: %d at %d", text, n, u)
			}
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add(uint64(1), []byte("0123456789abcdef"))
	f.Add(uint64(0), []byte{})
	v := mustValues(f, 1, "uniform:12-64", 0.5)
	f.Fuzz(func(t *testing.T, index uint64, value []byte) {
		if _, err := v.Check(nil, index, value); err == nil {
			stamp, _ := v.Stamp(value)
			if !bytes.Equal(value, v.Append(nil, index, stamp)) {
				t.Fatalf("%x passed for record %d", value, index)
			}
		}
	})
}
