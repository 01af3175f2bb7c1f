package wal

import (
	"slices"

	"github.com/etalon-kv/etalon/raft"
)

// put stages a record.
func (l *Log) put(k kind, payload []byte) {
	l.stage, l.chain = appendRecord(l.stage, k, len(payload), l.chain, func(b []byte) []byte { return append(b, payload...) })
}

func (l *Log) putSnapshot(snap *raft.Snapshot, encoded []byte) {
	k := kindInstall
	if l.st.keeps(snap.Index, snap.Term) {
		k = kindAdopt
	}
	l.put(k, encoded)
	s := *snap
	s.Conf = snap.Conf.Clone()
	l.st.snapshot(k, s)
	if k == kindInstall {
		l.cache, l.cacheBytes = nil, 0
		l.cacheFirst, l.stagedFirst = snap.Index+1, snap.Index+1
	}
	l.dropCache()
	l.compacted = true
}

func (l *Log) putEntries(entries []raft.Entry) {
	if len(entries) == 0 {
		return
	}
	if first := entries[0].Index; first <= l.st.last {
		l.put(kindTruncate, appendNumbers(nil, uint64(first-1), uint64(l.st.term(first-1))))
		l.st.truncate(first - 1)
		if first < l.cacheFirst {
			l.cache, l.cacheFirst, l.cacheBytes = nil, first, 0
		}
		for _, e := range l.cache[first-l.cacheFirst:] {
			l.cacheBytes -= cacheCost(&e)
		}
		clear(l.cache[first-l.cacheFirst:])
		l.cache = l.cache[:first-l.cacheFirst]
		l.stagedFirst = min(l.stagedFirst, first)
	}
	for i := range entries {
		e := &entries[i]
		pos, before := l.end+int64(len(l.stage)), l.chain
		l.stage, l.chain = appendRecord(l.stage, kindEntry, entryLen(e), l.chain, e.Append)
		l.st.add(e.Term, l.seg, pos, before)
		l.cacheBytes += cacheCost(e)
	}
	l.cache = append(l.cache, entries...)
}

func cacheCost(e *raft.Entry) int64 { return int64(len(e.Data)) + 64 }

// dropCache forgets entries that are compacted, and those beyond the budget that are in a file.
func (l *Log) dropCache() {
	n := 0
	for n < len(l.cache) {
		i := l.cacheFirst + raft.Index(n)
		if i > l.st.base && (i >= l.stagedFirst || l.cacheBytes <= l.opt.CacheBytes) {
			break
		}
		l.cacheBytes -= cacheCost(&l.cache[n])
		n++
	}
	if n == 0 {
		return
	}
	l.cacheFirst += raft.Index(n)
	clear(l.cache[:n])
	l.cache = l.cache[n:]
	if cap(l.cache) > 1024 && len(l.cache) < cap(l.cache)/8 {
		l.cache = slices.Clone(l.cache)
	}
}
