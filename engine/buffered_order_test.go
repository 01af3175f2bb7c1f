package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// orderTwin puts keys into a group and asks it for their order now and then.
type orderTwin struct {
	group *group
	keys  [3][][]byte // of a space, sorted
	seq   uint64
}

func (o *orderTwin) put(s Space, key []byte) {
	o.seq++
	op := pendingOp{space: s, key: key}
	o.group.put(&op, uint64(len(o.keys[s]))*0x9e3779b97f4a7c15+uint64(s), o.seq)
	at, _ := slices.BinarySearchFunc(o.keys[s], key, bytes.Compare)
	o.keys[s] = slices.Insert(o.keys[s], at, key)
}

func (o *orderTwin) has(s Space, key []byte) bool {
	_, ok := slices.BinarySearchFunc(o.keys[s], key, bytes.Compare)
	return ok
}

// look compares the order of a space with the twin, and one search in it.
func (o *orderTwin) look(t *testing.T, s Space, key []byte) {
	t.Helper()
	x, want := o.group.ordered(s), o.keys[s]
	if x == nil {
		if len(want) > 0 {
			t.Fatalf("space %d has %d keys and no order", s, len(want))
		}
		return
	}
	var got [][]byte
	for p := (place{}); x.node(p) != nil; p = x.after(p) {
		got = append(got, x.node(p).key)
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("space %d\n  is %q\nwant %q", s, got, want)
	}
	var back [][]byte
	for p := x.before(place{row: len(x.rows)}); x.node(p) != nil; p = x.before(p) {
		back = append(back, x.node(p).key)
	}
	slices.Reverse(back)
	if !slices.EqualFunc(back, want, bytes.Equal) {
		t.Fatalf("space %d backwards\n  is %q\nwant %q", s, back, want)
	}
	at, _ := slices.BinarySearchFunc(want, key, bytes.Compare)
	switch n := x.node(x.seek(key)); {
	case n == nil && at < len(want):
		t.Fatalf("seek %q finds nothing, want %q", key, want[at])
	case n != nil && (at == len(want) || !bytes.Equal(n.key, want[at])):
		t.Fatalf("seek %q finds %q, want the one at %d of %q", key, n.key, at, want)
	}
}

func TestGroupIsInOrderWhenAsked(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for name, key := range map[string]func(*rand.Rand, int) []byte{
		"ascending keys":                          func(_ *rand.Rand, i int) []byte { return fmt.Appendf(nil, "key%09d", i) },
		"descending keys":                         func(_ *rand.Rand, i int) []byte { return fmt.Appendf(nil, "key%09d", 99999-i) },
		"random keys that begin alike":            func(r *rand.Rand, _ int) []byte { return fmt.Appendf(nil, "%040d", r.IntN(1e6)) },
		"keys whose beginnings get fewer letters": func(r *rand.Rand, i int) []byte { return fmt.Appendf(nil, "%0*d", 60-min(i/40, 50), r.IntN(1e6)) },
		"short keys, with zeros at their end": func(r *rand.Rand, _ int) []byte {
			k := []byte{"ab"[r.IntN(2)], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
			return k[:1+r.IntN(len(k))]
		},
		"many keys that begin alike, and few others": func(r *rand.Rand, i int) []byte {
			if i%500 == 0 {
				return fmt.Appendf(nil, "a%d", i)
			}
			return fmt.Appendf(nil, "beginning%09d", r.IntN(1e6))
		},
		"keys of any bytes": func(r *rand.Rand, _ int) []byte {
			k := make([]byte, 1+r.IntN(4))
			for i := range k {
				k[i] = byte(r.Uint32())
			}
			return k
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			o := &orderTwin{group: newGroup(0, 0)}
			for i := range 3000 {
				s := Space(r.IntN(len(o.keys)))
				if k := key(r, i); !o.has(s, k) {
					o.put(s, k)
				}
				if r.IntN(1+i/10) == 0 || r.IntN(50) == 0 {
					o.look(t, Space(r.IntN(len(o.keys))), key(r, r.IntN(i+2)))
				}
			}
			for s := range o.keys {
				o.look(t, Space(s), key(r, 0))
			}
		})
	}
}
