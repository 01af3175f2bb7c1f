package mvcc

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// FuzzRecord gives the decoder anything, with a checksum that fits: it never panics, and what it
// accepts is what the encoder makes of it.
func FuzzRecord(f *testing.F) {
	var e encoder
	for _, c := range []Change{
		{KeyValue: KeyValue{Key: []byte("a"), Value: []byte("v"), CreateRevision: 7, ModRevision: 7, Version: 1}},
		{KeyValue: KeyValue{Key: []byte("key"), CreateRevision: 2, ModRevision: 7, Version: 300, Lease: math.MinInt64}},
		{KeyValue: KeyValue{Key: []byte("key"), ModRevision: 7}, Tombstone: true},
	} {
		c.Rev = index.Revision{Main: 7, Sub: 3}
		_, value, _ := e.encode(&c, false, 5)
		f.Add(bytes.Clone(value[chainBytes:len(value)-sumBytes]), uint64(5))
	}
	f.Fuzz(func(t *testing.T, content []byte, chain uint64) {
		rev := index.Revision{Main: 7, Sub: 3}
		value := append(make([]byte, chainBytes), content...)
		if _, err := decode(rev, appendRevKey(nil, rev), append(bytes.Clone(value), 1, 2, 3, 4)); err == nil {
			t.Skip("a checksum that fits by chance")
		} else if !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		if len(content) == 0 {
			return
		}
		r, _ := parse(rev, value)
		if r.rev != rev {
			return
		}
		c := Change{KeyValue: r.kv, Rev: rev, Tombstone: r.tombstone}
		_, again, next := e.encode(&c, r.more, chain)
		back, err := decode(rev, appendRevKey(nil, rev), again)
		if err != nil || back.chain != next || back.more != r.more || back.tombstone != r.tombstone ||
			!bytes.Equal(back.kv.Key, r.kv.Key) || !bytes.Equal(back.kv.Value, r.kv.Value) ||
			back.kv.CreateRevision != r.kv.CreateRevision || back.kv.Version != r.kv.Version || back.kv.Lease != r.kv.Lease {
			t.Fatalf("%+v became %+v, %v", r, back, err)
		}
		if got, _ := chainOver(nil, chain, rev, again); got != next {
			t.Fatalf("chain %x, want %x", got, next)
		}
	})
}
