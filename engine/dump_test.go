package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/etalon-kv/etalon/engines/mem"
)

var ctx = context.Background()

func openMem(t testing.TB) engine.Backend {
	t.Helper()
	b, err := mem.Open(mem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sample fills a backend with every kind of content: n keys in each of a few spaces.
func sample(t testing.TB, n int) engine.Backend {
	t.Helper()
	b := openMem(t)
	w := b.NewBatch()
	for _, s := range []engine.Space{0, 1, 200, 255} {
		for i := range n {
			w.Set(s, fmt.Appendf(nil, "key%05d", i), bytes.Repeat([]byte{byte(i), byte(s)}, i%700))
		}
		w.Set(s, []byte{0xff}, nil)
	}
	w.Set(7, bytes.Repeat([]byte{1}, engine.MaxKeyBytes), bytes.Repeat([]byte{2}, 900<<10))
	if err := b.Apply(w, false); err != nil {
		t.Fatal(err)
	}
	return b
}

func dump(t testing.TB, b engine.Backend) []byte {
	t.Helper()
	view, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	var w bytes.Buffer
	if err := engine.Dump(ctx, &w, view); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func hashOf(t testing.TB, b engine.Backend) [engine.HashSize]byte {
	t.Helper()
	view, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	h, err := engine.Hash(ctx, view)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// isEmpty tells whether b holds nothing.
func isEmpty(t testing.TB, b engine.Backend) bool {
	t.Helper()
	return hashOf(t, b) == hashOf(t, openMem(t))
}

func TestDumpAndLoad(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 1000} {
		t.Run(fmt.Sprintf("a store of %d keys a space comes back equal", n), func(t *testing.T) {
			from := openMem(t)
			if n >= 0 {
				from = sample(t, n)
			}
			stream := dump(t, from)
			for name, r := range map[string]io.Reader{
				"at once": bytes.NewReader(stream), "in halves": iotest.HalfReader(bytes.NewReader(stream)),
				"end with the last byte": iotest.DataErrReader(bytes.NewReader(stream)),
			} {
				to := enginetest.Poison(openMem(t))
				if err := engine.Load(ctx, to, r); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if hashOf(t, to) != hashOf(t, from) {
					t.Errorf("%s: hashes differ", name)
				}
				if !bytes.Equal(dump(t, to), stream) {
					t.Errorf("%s: a second dump differs", name)
				}
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	stream := dump(t, sample(t, 300))
	refused := func(t *testing.T, bad []byte) {
		t.Helper()
		b := openMem(t)
		if err := engine.Load(ctx, b, bytes.NewReader(bad)); !errors.Is(err, engine.ErrBadStream) {
			t.Fatalf("Load = %v, want ErrBadStream", err)
		}
		if !isEmpty(t, b) {
			t.Fatal("the backend is not empty after the refusal")
		}
	}
	t.Run("a stream cut anywhere", func(t *testing.T) {
		for n := 0; n < len(stream); n += 1 + len(stream)/100 {
			refused(t, stream[:n])
		}
		for n := range 64 {
			refused(t, stream[:n])
			refused(t, stream[:len(stream)-1-n])
		}
	})
	t.Run("a stream with one flipped bit anywhere", func(t *testing.T) {
		bad := bytes.Clone(stream)
		step := 1 + len(bad)/100
		for i := 0; i < len(bad); i++ {
			if i > 64 && i < len(bad)-128 && i%step != 0 {
				continue
			}
			bad[i] ^= 1 << (i % 8)
			refused(t, bad)
			bad[i] = stream[i]
		}
	})
	t.Run("anything behind the trailer", func(t *testing.T) {
		refused(t, append(bytes.Clone(stream), 0))
		refused(t, append(bytes.Clone(stream), stream...))
	})
	t.Run("blocks exchanged, doubled, missing or of another stream", func(t *testing.T) {
		magic, blocks := cutBlocks(t, stream)
		if len(blocks) < 4 {
			t.Fatalf("only %d blocks", len(blocks))
		}
		_, others := cutBlocks(t, dump(t, sample(t, 200)))
		for name, order := range map[string][][]byte{
			"exchanged": {blocks[1], blocks[0]}, "doubled": {blocks[0], blocks[0]}, "missing": {blocks[1]}, "other": {others[0], blocks[1]},
		} {
			bad := append(append(bytes.Clone(magic), bytes.Join(order, nil)...), bytes.Join(blocks[2:], nil)...)
			t.Run(name, func(t *testing.T) { refused(t, bad) })
		}
	})
	t.Run("a foreign file, and nothing at all", func(t *testing.T) {
		refused(t, nil)
		refused(t, []byte("SQLite format 3\x00"+strings.Repeat("x", 1000)))
	})
	t.Run("a length of a gigabyte without believing it", func(t *testing.T) {
		huge := []byte("ETALDUMP\x01B\xff\xff\xff\x3f")
		crc := crc32.Checksum(huge[9:], crc32.MakeTable(crc32.Castagnoli))
		huge = append(huge, byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24))
		if n := testing.AllocsPerRun(1, func() { refused(t, append(huge, "few"...)) }); n > 10_000 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("a backend that holds something, and leaves it", func(t *testing.T) {
		b := sample(t, 1)
		before := hashOf(t, b)
		if err := engine.Load(ctx, b, bytes.NewReader(stream)); !errors.Is(err, engine.ErrNotEmpty) {
			t.Errorf("Load = %v, want ErrNotEmpty", err)
		}
		if hashOf(t, b) != before {
			t.Error("the content has changed")
		}
	})
	t.Run("when its context ends, and leaves nothing", func(t *testing.T) {
		short, cancel := context.WithCancel(ctx)
		b := openMem(t)
		r := io.TeeReader(bytes.NewReader(stream), writerFunc(func(p []byte) { cancel() }))
		if err := engine.Load(short, b, r); !errors.Is(err, context.Canceled) || !isEmpty(t, b) {
			t.Errorf("Load = %v, empty %v", err, isEmpty(t, b))
		}
		view, _ := b.Snapshot()
		defer view.Close()
		if err := engine.Dump(short, io.Discard, view); !errors.Is(err, context.Canceled) {
			t.Errorf("Dump = %v", err)
		}
		if _, err := engine.Hash(short, view); err != nil {
			t.Errorf("Hash of nothing = %v", err)
		}
	})
	t.Run("on an error of the reader or writer, which it wraps", func(t *testing.T) {
		b := openMem(t)
		cause := errors.New("no cable")
		r := io.MultiReader(bytes.NewReader(stream[:len(stream)/2]), iotest.ErrReader(cause))
		if err := engine.Load(ctx, b, r); !errors.Is(err, cause) || !isEmpty(t, b) {
			t.Errorf("Load = %v, empty %v", err, isEmpty(t, b))
		}
		view, _ := sample(t, 3).Snapshot()
		if err := engine.Dump(ctx, failWriter{cause}, view); !errors.Is(err, cause) {
			t.Errorf("Dump = %v, want the writer's error", err)
		}
	})
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

type failWriter struct{ err error }

func (f failWriter) Write([]byte) (int, error) { return 0, f.err }

// cutBlocks splits a stream into its magic and its blocks, the trailer last.
func cutBlocks(t *testing.T, stream []byte) (magic []byte, blocks [][]byte) {
	t.Helper()
	magic, rest := stream[:9], stream[9:]
	for len(rest) > 0 {
		n := 9 + (int(rest[1]) | int(rest[2])<<8 | int(rest[3])<<16 | int(rest[4])<<24) + 4
		blocks, rest = append(blocks, rest[:n]), rest[n:]
	}
	return magic, blocks
}

// limited is a backend with narrow Caps that it enforces.
type limited struct {
	engine.Backend
	most engine.Caps
}

func (l limited) Caps() engine.Caps { return l.most }

func (l limited) Apply(b engine.Batch, sync bool) error {
	if int64(b.Len()) > l.most.MaxBatchOps || int64(b.SizeBytes()) > l.most.MaxBatchBytes {
		return fmt.Errorf("%w: %d operations, %d bytes", engine.ErrBatchTooBig, b.Len(), b.SizeBytes())
	}
	return l.Backend.Apply(b, sync)
}

func TestLoadKeepsToCaps(t *testing.T) {
	from := openMem(t)
	w := from.NewBatch()
	for i := range 100 {
		w.Set(engine.Space(i), fmt.Appendf(nil, "key%02d", i), bytes.Repeat([]byte("v"), i))
	}
	if err := from.Apply(w, false); err != nil {
		t.Fatal(err)
	}
	stream := dump(t, from)
	t.Run("batches are as small as Caps demand", func(t *testing.T) {
		for _, most := range []engine.Caps{{MaxBatchOps: 1, MaxBatchBytes: 1 << 20}, {MaxBatchOps: 7, MaxBatchBytes: 1 << 20}, {MaxBatchOps: 1000, MaxBatchBytes: 104}} {
			to := limited{openMem(t), most}
			if err := engine.Load(ctx, to, bytes.NewReader(stream)); err != nil {
				t.Errorf("%+v: %v", most, err)
			}
			if hashOf(t, to) != hashOf(t, from) {
				t.Errorf("%+v: hashes differ", most)
			}
		}
	})
	t.Run("a record that fits no batch is ErrBatchTooBig, and nothing stays", func(t *testing.T) {
		to := limited{openMem(t), engine.Caps{MaxBatchOps: 10, MaxBatchBytes: 80}}
		if err := engine.Load(ctx, to, bytes.NewReader(stream)); !errors.Is(err, engine.ErrBatchTooBig) || !isEmpty(t, to) {
			t.Errorf("Load = %v, empty %v", err, isEmpty(t, to))
		}
	})
}

func TestHash(t *testing.T) {
	one := func(s engine.Space, pairs ...string) [engine.HashSize]byte {
		b := openMem(t)
		w := b.NewBatch()
		for i := 0; i < len(pairs); i += 2 {
			w.Set(s, []byte(pairs[i]), []byte(pairs[i+1]))
		}
		if err := b.Apply(w, false); err != nil {
			t.Fatal(err)
		}
		return hashOf(t, b)
	}
	t.Run("different content gives different hashes, wherever the difference is", func(t *testing.T) {
		seen := map[[engine.HashSize]byte]string{}
		for name, h := range map[string][engine.HashSize]byte{
			"nothing": one(1), "ab=c": one(1, "ab", "c"), "a=bc": one(1, "a", "bc"), "abc=": one(1, "abc", ""),
			"another space": one(2, "ab", "c"), "two": one(1, "a", "b", "c", "d"), "one with all": one(1, "a", "bcd"),
		} {
			if other, ok := seen[h]; ok {
				t.Errorf("%s and %s have the same hash", name, other)
			}
			seen[h] = name
		}
	})
	t.Run("the order of writing makes no difference", func(t *testing.T) {
		if one(1, "a", "1", "b", "2") != one(1, "b", "0", "a", "1", "b", "2") {
			t.Error("hashes differ")
		}
	})
	t.Run("the hash of known content is what it was", func(t *testing.T) {
		const want = "7edbe35c8a2aa99d46e89a9d612631dc96799c8cab3162e82200090c96832267"
		if got := fmt.Sprintf("%x", one(1, "key", "value")); got != want {
			t.Errorf("hash = %s, want %s", got, want)
		}
	})
}

func FuzzLoad(f *testing.F) {
	stream := dump(f, sample(f, 2))
	f.Add(dump(f, openMem(f)))
	f.Add(stream[:200])
	small := openMem(f)
	w := small.NewBatch()
	w.Set(3, []byte("key"), []byte("value"))
	w.Set(3, []byte("key2"), nil)
	if err := small.Apply(w, false); err != nil {
		f.Fatal(err)
	}
	f.Add(dump(f, small))
	f.Fuzz(func(t *testing.T, stream []byte) {
		b := openMem(t)
		err := engine.Load(ctx, b, bytes.NewReader(stream))
		if err == nil {
			// What is accepted is exactly what Dump would write, up to the cut of blocks.
			again := openMem(t)
			if err := engine.Load(ctx, again, bytes.NewReader(dump(t, b))); err != nil || hashOf(t, again) != hashOf(t, b) {
				t.Errorf("what was loaded does not survive a dump: %v", err)
			}
			return
		}
		if !errors.Is(err, engine.ErrBadStream) {
			t.Errorf("Load = %v, want ErrBadStream", err)
		}
		if !isEmpty(t, b) {
			t.Error("the backend is not empty after the refusal")
		}
	})
}

// FuzzLoadRecords fuzzes what lies behind the checksums: payloads in valid frames.
func FuzzLoadRecords(f *testing.F) {
	_, blocks := cutBlocks(&testing.T{}, dump(f, sample(f, 2)))
	f.Add(blocks[0][9:min(len(blocks[0])-4, 300)])
	f.Add([]byte{1, 1, 1, 'k', 'v', 1, 1, 1, 'k', 'v'})
	f.Add([]byte{1, 0x80})
	f.Add([]byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'k'})
	f.Fuzz(func(t *testing.T, payload []byte) {
		b := openMem(t)
		err := engine.Load(ctx, b, bytes.NewReader(engine.FrameForTest(payload)))
		if err != nil && !errors.Is(err, engine.ErrBadStream) {
			t.Errorf("Load = %v, want ErrBadStream", err)
		}
		if err != nil && !isEmpty(t, b) {
			t.Error("the backend is not empty after the refusal")
		}
	})
}
