package mvcc

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// pull walks over set; next answers a revision above all when it is through.
func pull(set *index.Set) (next func() index.Revision, stop func()) {
	n, stop := iter.Pull(set.All())
	return func() index.Revision {
		if r, ok := n(); ok {
			return r
		}
		return index.Revision{Main: index.MaxMain, Sub: index.MaxSub}
	}, stop
}

// KVHash is the answer of HashKV.
type KVHash struct {
	Hash uint32
	// Rev and CompactRev are the revisions up to which and above which everything was hashed.
	// Hashes can be compared only if both are equal; CompactRev is -1 if there was no compaction.
	Rev, CompactRev int64
}

// HashKV is etcd's hash of the revisions up to rev, 0 for the current one: CRC-32C of the bucket
// name "key" and then, in the order of revisions, of each record's key and value in the form that
// etcd stores them in. Of the records at or below the compacted revision it takes those that are
// visible at rev. Stores with the same history and the same compacted revision have the same
// hash, and so has an etcd, whatever is below. It reads all records.
//
// An etcd answers for a revision at which it was compacted with a hash from before that
// compaction, and says so in compact_revision. Here the hash is always that of what is there now.
func (s *Store) HashKV(ctx context.Context, rev int64) (KVHash, error) {
	if err := s.enter(); err != nil {
		return KVHash{}, err
	}
	defer s.exit()
	rev, err := s.resolve(rev, s.current.Load())
	if err != nil {
		return KVHash{}, err
	}
	v, err := s.acquire(rev)
	if err != nil {
		return KVHash{}, err
	}
	defer s.views.release(v)
	h := kvHasher{s: s, rev: rev, compacted: s.compacted.Load(), sum: crc32.Checksum([]byte("key"), castagnoli)}
	if h.seen = rev; s.index.Count(nil, nil, rev) == 0 {
		h.seen = h.compacted // etcd leaves nothing out when nothing is left
	}
	it := v.snap.Scan(spaceRecords, nil, appendRevKey(nil, index.Revision{Main: rev + 1}))
	defer it.Close()
	for n := 0; it.Next(); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return KVHash{}, ctx.Err()
		}
		if err := h.add(it.Key(), it.Value()); err != nil {
			return KVHash{}, err
		}
	}
	if err := it.Err(); err != nil {
		return KVHash{}, err
	}
	return KVHash{Hash: h.sum, Rev: rev, CompactRev: h.compacted}, s.readable(rev)
}

type kvHasher struct {
	s         *Store
	rev       int64
	compacted int64
	seen      int64 // the revision at which old records must be visible
	sum       uint32
	buf       []byte
}

func (h *kvHasher) add(key, value []byte) error {
	rev, ok := parseRevKey(key)
	if !ok {
		return &CorruptError{What: fmt.Sprintf("%x is no revision", key)}
	}
	r, err := decode(rev, key, value)
	if err != nil {
		return err
	}
	if rev.Main <= h.compacted {
		if e, live := h.s.index.Get(r.kv.Key, h.seen); r.tombstone || !live || e.ModRev != rev {
			return nil
		}
	}
	h.buf = appendEtcdRecord(h.buf[:0], &r)
	h.sum = crc32.Update(h.sum, castagnoli, h.buf)
	return nil
}

// appendEtcdRecord appends the key and the value under which etcd stores r: main and sub with '_'
// between and 't' behind a tombstone, and a mvccpb.KeyValue in protobuf.
func appendEtcdRecord(b []byte, r *record) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.rev.Main))
	b = append(b, '_')
	b = binary.BigEndian.AppendUint64(b, uint64(r.rev.Sub))
	kv := r.kv
	if r.tombstone {
		b = append(b, 't')
		kv = KeyValue{Key: kv.Key}
	}
	b = appendBytes(b, 1, kv.Key)
	b = appendInt(b, 2, kv.CreateRevision)
	b = appendInt(b, 3, kv.ModRevision)
	b = appendInt(b, 4, kv.Version)
	b = appendBytes(b, 5, kv.Value)
	return appendInt(b, 6, kv.Lease)
}

// appendBytes and appendInt are protobuf's fields; it leaves out those that are zero.
func appendBytes(b []byte, field byte, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return append(binary.AppendUvarint(append(b, field<<3|2), uint64(len(v))), v...)
}

func appendInt(b []byte, field byte, v int64) []byte {
	if v == 0 {
		return b
	}
	return binary.AppendUvarint(append(b, field<<3), uint64(v))
}

// Chain is the running hash of the whole history up to rev, 0 for the current revision: stores
// whose chains at a revision are equal have had the same writes up to it, whatever they have
// compacted. It reads one record.
func (s *Store) Chain(rev int64) (uint64, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.exit()
	rev, err := s.resolve(rev, s.current.Load())
	if err != nil || rev <= 1 {
		return chainSeed, err
	}
	v, err := s.acquire(rev)
	if err != nil {
		return 0, err
	}
	defer s.views.release(v)
	it := v.snap.ScanBack(spaceRecords, nil, appendRevKey(nil, index.Revision{Main: rev + 1}))
	defer it.Close()
	if !it.Next() {
		return 0, s.missing(nil, index.Revision{Main: rev}, rev, it.Err())
	}
	at, ok := parseRevKey(it.Key())
	if !ok || at.Main != rev {
		return 0, s.missing(nil, index.Revision{Main: rev}, rev, it.Err())
	}
	r, err := decode(at, it.Key(), it.Value())
	return r.chain, err
}
