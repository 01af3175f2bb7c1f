package work

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"
)

// Sizes of what is stored.
const (
	KeyBytes      = 40
	MaxValueBytes = 4096
	RangeKeys     = 100
)

// Store is what is measured. It is used by one goroutine.
type Store interface {
	// Put writes a key in a transaction of its own. Both slices are changed afterwards.
	Put(key, value []byte) error
	// Get returns the newest value of a key.
	Get(key []byte) (value []byte, err error)
	// Range reads keys and values of [lo, hi) and returns how many they are. errors.ErrUnsupported: this
	// store cannot, and the part is left out. So for Compact.
	Range(lo, hi []byte) (keys int, err error)
	// Sync returns when all that was put is durable.
	Sync() error
	// Compact makes the newest revision the oldest that can be read, and returns when every record
	// that no read can see any more is removed.
	Compact() error
	// Close closes the store and everything below it.
	Close() error
}

// Plan says how much is done.
type Plan struct {
	// Keys is N, at least 1000.
	Keys int
	// Prefix is what all keys begin with; the rest of them is random letters and digits.
	Prefix string
	// Seed decides keys, order and values.
	Seed uint64
	// ValueBytes is the length of a value, 1 to MaxValueBytes.
	ValueBytes int
	// MinReads is how many keys are got, and how many are read in ranges, if N/2 and N are less.
	MinReads int
}

// Flags adds the fields of p to those of a command.
func (p *Plan) Flags(f *flag.FlagSet) {
	f.IntVar(&p.Keys, "keys", 1_000_000, "keys")
	f.StringVar(&p.Prefix, "prefix", "", "what all keys begin with")
	f.Uint64Var(&p.Seed, "seed", 1, "decides keys, order and values")
	f.IntVar(&p.ValueBytes, "value", 256, "bytes of a value")
	f.IntVar(&p.MinReads, "reads", 0, "the least keys that are read")
}

// Validate refuses a Plan that cannot be carried out.
func (p Plan) Validate() error {
	if p.Keys < 1000 || p.Keys > 1<<31-1 {
		return fmt.Errorf("%d keys, accepted: 1000 to %d", p.Keys, 1<<31-1)
	}
	if len(p.Prefix) > KeyBytes-16 {
		return fmt.Errorf("prefix %q, accepted: up to %d bytes", p.Prefix, KeyBytes-16)
	}
	if p.ValueBytes < 1 || p.ValueBytes > MaxValueBytes {
		return fmt.Errorf("values of %d bytes, accepted: 1 to %d", p.ValueBytes, MaxValueBytes)
	}
	return nil
}

// Run carries p out on what open opens, and writes a line "NAME VALUE" for each part to out: put,
// overwrite, get, range100, compact (a revision removed), restore (a key) in nanoseconds, heap in
// bytes a key. keeps tells whether the store is there after Close: only then is it restored.
func Run(p Plan, open func() (Store, error), keeps bool, out io.Writer) error {
	if err := p.Validate(); err != nil {
		return err
	}
	var seed [32]byte
	seed[0], seed[1], seed[2], seed[3] = byte(p.Seed), byte(p.Seed>>8), byte(p.Seed>>16), byte(p.Seed>>24)
	r := rand.New(rand.NewChaCha8(seed))
	w := &run{out: out, r: r, keys: newKeys(p, r), values: newValues(r, p.ValueBytes), want: make([]uint32, p.Keys), plan: p}
	before := heapBytes()
	s, err := open()
	if err != nil {
		return err
	}
	w.store = s
	if err := w.parts(p.Keys, before); err != nil {
		return err
	}
	if err := w.store.Close(); err != nil || !keeps {
		return err
	}
	err = w.time("restore", p.Keys, func() error {
		w.store, err = open()
		return err
	})
	if err != nil {
		return err
	}
	for range 1000 {
		i := w.r.IntN(p.Keys)
		if err := w.get(i, w.keys.at(i), nil); err != nil {
			return fmt.Errorf("after restore: %w", err)
		}
	}
	return w.store.Close()
}

// run is the state of a Run.
type run struct {
	store  Store
	out    io.Writer
	r      *rand.Rand
	keys   keys
	values values
	plan   Plan
	want   []uint32 // where in values the value of a key begins
	next   uint32   // where the next value begins
	gets   int
	aside  time.Duration // of a part, not to be counted
	key    [KeyBytes]byte
	value  [MaxValueBytes]byte
}

// checkEvery is how many reads one stands for whose value is compared: the comparison waits for
// memory as long as a good part of a read does.
const checkEvery = 16

func (w *run) parts(n int, heapBefore int64) error {
	order := make([]uint32, n)
	for i := range order {
		order[i] = uint32(i)
	}
	w.r.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	if err := w.time("put", n, func() error {
		for _, i := range order {
			if err := w.put(int(i)); err != nil {
				return err
			}
		}
		return w.store.Sync()
	}); err != nil {
		return err
	}
	order = nil
	fmt.Fprintf(w.out, "heap %.1f\n", float64(heapBytes()-heapBefore)/float64(n))
	if err := w.time("overwrite", n/2, func() error {
		for range n / 2 {
			if err := w.put(w.r.IntN(n)); err != nil {
				return err
			}
		}
		return w.store.Sync()
	}); err != nil {
		return err
	}
	if err := w.reads("get", max(n/2, w.plan.MinReads), 1, w.get); err != nil {
		return err
	}
	if err := w.reads("range100", max(n, w.plan.MinReads)/RangeKeys, RangeKeys, w.scan); err != nil {
		return err
	}
	return w.time("compact", n/2, func() error {
		if err := w.store.Compact(); err != nil {
			return err
		}
		return w.store.Sync()
	})
}

func (w *run) put(i int) error {
	w.want[i] = w.next
	// In order, because a random place would be a wait for memory that is no store's.
	size := w.plan.ValueBytes
	step := uint32(size + 7)
	if w.next += step; w.next > uint32(valuePool-size) {
		w.next %= step
	}
	copy(w.key[:], w.keys.at(i))
	return w.store.Put(w.key[:], w.value[:copy(w.value[:], w.values.at(w.want[i]))])
}

func (w *run) get(i int, key, _ []byte) error {
	got, err := w.store.Get(key)
	if err != nil {
		return err
	}
	w.gets++
	if len(got) != w.plan.ValueBytes || w.gets%checkEvery == 0 && !bytes.Equal(got, w.values.at(w.want[i])) {
		return fmt.Errorf("wrong value of %q", key)
	}
	return nil
}

func (w *run) scan(_ int, lo, hi []byte) error {
	got, err := w.store.Range(lo, hi)
	if err == nil && got != RangeKeys {
		err = fmt.Errorf("range from %q: %d keys, want %d", lo, got, RangeKeys)
	}
	return err
}

// stretch is how many reads are prepared at once.
const stretch = 512

// reads measures n calls of read with a random key, which is the i-th, and the one that is span behind it. Both
// are copied in good time, and that is not counted: it waits for the memory of all keys, which is no store's.
func (w *run) reads(name string, n, span int, read func(i int, lo, hi []byte) error) error {
	var at [stretch]int
	room := make([]byte, 0, 2*stretch*KeyBytes)
	return w.time(name, n, func() error {
		for n > 0 {
			start := time.Now()
			m := min(n, stretch)
			room = room[:0]
			for i := range at[:m] {
				at[i] = w.r.IntN(w.keys.len() - span)
				room = append(append(room, w.keys.at(at[i])...), w.keys.at(at[i]+span)...)
			}
			w.aside += time.Since(start)
			for i := range m {
				lo := room[2*i*KeyBytes:][:KeyBytes:KeyBytes]
				if err := read(at[i], lo, room[(2*i+1)*KeyBytes:][:KeyBytes:KeyBytes]); err != nil {
					return err
				}
			}
			n -= m
		}
		return nil
	})
}

// time measures what do does in n operations, from a collected heap, but for w.aside. In a CPU profile they have the
// label part=NAME.
func (w *run) time(name string, n int, do func() error) (err error) {
	runtime.GC()
	w.aside = 0
	start := time.Now()
	pprof.Do(context.Background(), pprof.Labels("part", name), func(context.Context) { err = do() })
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(w.out, "%s %.1f\n", name, float64((time.Since(start)-w.aside).Nanoseconds())/float64(n))
	return nil
}

// heapBytes is what is live on the heap.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// keys are in ascending order, in one piece of memory.
type keys []byte

func newKeys(p Plan, r *rand.Rand) keys {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	list := make([][KeyBytes]byte, p.Keys)
	for i := range list {
		k := &list[i]
		for j := copy(k[:], p.Prefix); j < KeyBytes; j++ {
			k[j] = letters[r.IntN(len(letters))]
		}
	}
	slices.SortFunc(list, func(a, b [KeyBytes]byte) int { return bytes.Compare(a[:], b[:]) })
	all := make(keys, 0, p.Keys*KeyBytes)
	for i := range list {
		all = append(all, list[i][:]...)
	}
	return all
}

func (k keys) at(i int) []byte { return k[i*KeyBytes : (i+1)*KeyBytes] }
func (k keys) len() int        { return len(k) / KeyBytes }

// values are random bytes; a value is a stretch of them. They are too many for a compressor's
// window to find the same stretch again.
type values struct {
	pool []byte
	size uint32
}

const valuePool = 16 << 20

func newValues(r *rand.Rand, size int) values {
	v := make([]byte, 0, valuePool)
	for len(v) < valuePool {
		x := r.Uint64()
		v = append(v, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40), byte(x>>48), byte(x>>56))
	}
	return values{v, uint32(size)}
}

func (v values) at(from uint32) []byte { return v.pool[from : from+v.size] }
