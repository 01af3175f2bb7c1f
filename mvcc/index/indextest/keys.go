package indextest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// Keys is a list of different keys of one length. They lie in one slice without pointers, so that
// the garbage collector's work in a benchmark is the index's, not that of the list.
type Keys struct {
	text  []byte
	width int
}

// Len is the number of keys.
func (k Keys) Len() int { return len(k.text) / k.width }

// Key is the i-th key, read-only.
func (k Keys) Key(i int) []byte { return k.text[i*k.width : (i+1)*k.width : (i+1)*k.width] }

// RandomKeys are n keys of 40 random bytes, the same ones at every call.
func RandomKeys(n int) Keys {
	k := Keys{make([]byte, 40*n), 40}
	source(n).Read(k.text)
	return k
}

// PathKeys are n keys of 39 bytes in random order, as a Kubernetes cluster has them:
// /registry/pods/default/pod-000000000017.
func PathKeys(n int) Keys {
	k := Keys{width: 39}
	for _, p := range rand.New(source(n)).Perm(n) {
		k.text = fmt.Appendf(k.text, "/registry/pods/default/pod-%012d", p)
	}
	return k
}

func source(n int) *rand.ChaCha8 {
	return rand.NewChaCha8([32]byte{1, byte(n), byte(n >> 8), byte(n >> 16)})
}

// sorted are the keys in their order.
func (k Keys) sorted() Keys {
	order := make([]int, k.Len())
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(k.Key(a), k.Key(b)) })
	out := Keys{make([]byte, 0, len(k.text)), k.width}
	for _, i := range order {
		out.text = append(out.text, k.Key(i)...)
	}
	return out
}

// putAll puts every key once, from revision 1 on.
func (k Keys) putAll(x index.Index) {
	for i := range k.Len() {
		x.Put(k.Key(i), index.Revision{Main: int64(i + 1)})
	}
}

// records are those of putAll, in the order that Restore takes.
func (k Keys) records() []index.Record {
	out := make([]index.Record, k.Len())
	for i := range out {
		out[i] = index.Record{Key: k.Key(i), Rev: index.Revision{Main: int64(i + 1)}, CreateRev: int64(i + 1), Version: 1}
	}
	index.SortRecords(out)
	return out
}
