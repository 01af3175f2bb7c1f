package indextest

import (
	"bytes"
	"slices"
	"sort"

	"github.com/etalon-kv/etalon/mvcc/index"
)

// twin is the dumb model: every write there ever was, and answers by replaying them. It forgets
// nothing at a compaction; it only marks what an index must have dropped.
type twin struct {
	keys   []string // sorted
	writes map[string][]write
	newest index.Revision
}

type write struct {
	rev       index.Revision
	tombstone bool
	dropped   bool
}

// found is a key with its entry, as a range visits it.
type found struct {
	key   string
	entry index.Entry
}

func newTwin() *twin { return &twin{writes: map[string][]write{}} }

func (w *twin) write(key string, rev index.Revision, tombstone bool) {
	if _, ok := w.writes[key]; !ok {
		i := sort.SearchStrings(w.keys, key)
		w.keys = slices.Insert(w.keys, i, key)
	}
	w.writes[key] = append(w.writes[key], write{rev: rev, tombstone: tombstone})
	w.newest = rev
}

// live tells whether key exists at the newest revision.
func (w *twin) live(key string) bool {
	_, ok := w.get(key, index.Latest)
	return ok
}

func (w *twin) get(key string, at int64) (e index.Entry, ok bool) {
	for _, r := range w.writes[key] {
		if r.rev.Main > at {
			break
		}
		e = replay(e, r)
	}
	return e, e.Version > 0
}

// replay is the entry after a write.
func replay(e index.Entry, r write) index.Entry {
	if r.tombstone {
		return index.Entry{}
	}
	if e.Version == 0 {
		e.CreateRev = r.rev.Main
	}
	e.ModRev = r.rev
	e.Version++
	return e
}

func (w *twin) scan(lo, hi []byte, at int64) (out []found) {
	for _, k := range w.keys {
		if k < string(lo) || hi != nil && k >= string(hi) {
			continue
		}
		if e, ok := w.get(k, at); ok {
			out = append(out, found{k, e})
		}
	}
	return out
}

// compact marks what a compaction drops of the keys in [from, next) and returns it.
func (w *twin) compact(at int64, from, next []byte) (dropped []index.Revision) {
	for _, k := range w.keys {
		if k < string(from) || next != nil && k >= string(next) {
			continue
		}
		ws := w.writes[k]
		newest := -1
		for i := range ws {
			if ws[i].rev.Main <= at {
				newest = i
			}
		}
		for i := range newest + 1 {
			keep := i == newest && (!ws[i].tombstone || ws[i].rev.Main == at)
			if !keep && !ws[i].dropped {
				ws[i].dropped = true
				dropped = append(dropped, ws[i].rev)
			}
		}
	}
	slices.SortFunc(dropped, index.Revision.Compare)
	return dropped
}

// stats are the figures an index must show; Bytes is 0.
func (w *twin) stats() (s index.Stats) {
	for _, k := range w.keys {
		held := 0
		for _, r := range w.writes[k] {
			if !r.dropped {
				held++
			}
		}
		s.Revisions += held
		if held > 0 {
			s.Keys++
		}
		if w.live(k) {
			s.Live++
		}
	}
	return s
}

// records are what an engine would hold, in revision order.
func (w *twin) records() (out []index.Record) {
	for _, k := range w.keys {
		var e index.Entry
		for _, r := range w.writes[k] {
			e = replay(e, r)
			if !r.dropped {
				out = append(out, index.Record{Key: []byte(k), Rev: r.rev, Tombstone: r.tombstone,
					CreateRev: e.CreateRev, Version: e.Version})
			}
		}
	}
	slices.SortFunc(out, func(a, b index.Record) int { return a.Rev.Compare(b.Rev) })
	return out
}

// clip is the successor range of a key: [key, key + 0).
func clip(key []byte) (lo, hi []byte) { return key, append(bytes.Clone(key), 0) }
