package replicasim

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"
	"sort"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
)

// model is what the group must be: a second, plain state machine that gets every entry when the first
// member applies it, and keeps all history. What any member answers, holds or tells its watchers is
// compared with it.
type model struct {
	g *group
	// entries are the hashes of the entries applied, from index 1 on, and want what the proposer of each
	// must be told; "" where that is not checked.
	entries []uint64
	want    []string
	rev     int64
	// history is every change, in order, and keys the same by key.
	history   []fact
	keys      map[string][]fact
	leases    map[apply.LeaseID]*leaseFact
	compacted int64
	values    map[string]bool  // that were put: each is proposed once
	digests   map[int64]uint64 // at each revision, as the first member had it
	// seen is the highest revision that any client was told of, acked the highest index of an
	// acknowledged write.
	seen  int64
	acked raft.Index
}

// fact is a change of a key.
type fact struct {
	rev, create, version int64
	key, value           string
	deleted              bool
	lease                apply.LeaseID
}

// leaseFact is a lease that is there: told is when a client was last promised its whole TTL.
type leaseFact struct {
	ttl   time.Duration
	told  time.Duration
	grant uint64
}

func newModel(g *group) *model {
	return &model{g: g, rev: 1, compacted: -1, keys: map[string][]fact{}, leases: map[apply.LeaseID]*leaseFact{}, values: map[string]bool{}, digests: map[int64]uint64{}}
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// apply is told that a member is about to apply an entry. The first time counts; after that it must be
// the same.
func (o *model) apply(id raft.NodeID, e *raft.Entry) {
	for len(o.entries) < int(e.Index)-1 { // the founding snapshot
		o.entries, o.want = append(o.entries, 0), append(o.want, "")
	}
	sum := hash(e.Data) + uint64(e.Type) + uint64(e.Term)<<32
	if i := int(e.Index) - 1; i < len(o.entries) {
		if o.entries[i] != sum {
			o.g.fail("member %d applies another entry at %d than others did", id, e.Index)
		}
		return
	}
	o.entries = append(o.entries, sum)
	want := ""
	if e.Type == raft.EntryNormal && len(e.Data) > 0 {
		want = o.command(e)
	}
	o.want = append(o.want, want)
	o.g.w.Note("entry", uint64(e.Index), sum)
}

// command does what a command says, and returns what its proposer is told.
func (o *model) command(e *raft.Entry) string {
	c, err := apply.Decode(e.Data)
	if err != nil {
		o.g.fail("entry %d: %v", e.Index, err)
	}
	switch c := c.(type) {
	case *apply.Put:
		if c.Lease != 0 && o.leases[c.Lease] == nil {
			return fmt.Sprintf("put %d refused", o.rev)
		}
		o.rev++
		o.put(string(c.Key), string(c.Value), c.Lease)
		return fmt.Sprintf("put %d", o.rev)
	case *apply.DeleteRange:
		n := o.deleteRange(string(c.Key), string(c.End))
		return fmt.Sprintf("delete %d: %d", o.rev, n)
	case *apply.Txn:
		if at, _ := o.get(string(c.Compares[0].Key), o.rev); at.mod() != c.Compares[0].Number {
			return fmt.Sprintf("txn %d false", o.rev)
		}
		o.rev++
		for _, op := range c.Success {
			o.put(string(op.Put.Key), string(op.Put.Value), 0)
		}
		return fmt.Sprintf("txn %d true", o.rev)
	case *apply.LeaseGrant:
		o.leases[c.ID] = &leaseFact{ttl: time.Duration(c.TTL) * time.Second, told: o.g.w.Now(), grant: uint64(e.Index)}
		return fmt.Sprintf("grant %d", o.rev)
	case *apply.LeaseRevoke:
		return o.revoke(e, c)
	case *apply.Compact:
		if c.Rev > o.rev || c.Rev <= o.compacted {
			return fmt.Sprintf("done %d refused", o.rev)
		}
		o.compacted = c.Rev
		return fmt.Sprintf("done %d", o.rev)
	}
	return ""
}

// revoke ends a lease. One that expired must not do so before a client's time was over, by the
// slowest clock that there may be.
func (o *model) revoke(e *raft.Entry, c *apply.LeaseRevoke) string {
	l := o.leases[c.ID]
	if c.Term != 0 && c.Term != uint64(e.Term) || l == nil || c.Grant != 0 && c.Grant != l.grant {
		return fmt.Sprintf("done %d refused", o.rev)
	}
	if c.Term != 0 {
		if early := l.told + l.ttl*1_000/(1_000+maxDrift/1_000) - o.g.w.Now(); early > 0 {
			o.g.fail("lease %d of %v ends %v too early", c.ID, l.ttl, early)
		}
		o.g.w.Sometimes("lease expired")
	}
	delete(o.leases, c.ID)
	o.deleteAll(func(f *fact) bool { return f.lease == c.ID })
	return fmt.Sprintf("done %d", o.rev)
}

func (o *model) put(key, value string, lease apply.LeaseID) {
	if o.values[key+value] {
		o.g.fail("%s=%s is applied twice", key, value)
	}
	o.values[key+value] = true
	f := fact{rev: o.rev, create: o.rev, version: 1, key: key, value: value, lease: lease}
	if was, ok := o.get(key, o.rev); ok {
		f.create, f.version = was.create, was.version+1
	}
	o.add(f)
}

func (o *model) deleteRange(lo, hi string) int {
	return o.deleteAll(func(f *fact) bool { return f.key == lo || hi != "" && f.key >= lo && f.key < hi })
}

// deleteAll deletes, in one revision, the keys that are meant.
func (o *model) deleteAll(meant func(*fact) bool) int {
	var keys []string
	for key, facts := range o.keys { // sorted below
		if f := &facts[len(facts)-1]; !f.deleted && meant(f) {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	if len(keys) > 0 {
		o.rev++
	}
	for _, key := range keys {
		o.add(fact{rev: o.rev, key: key, deleted: true})
	}
	return len(keys)
}

func (o *model) add(f fact) {
	o.history = append(o.history, f)
	o.keys[f.key] = append(o.keys[f.key], f)
}

// get returns a key as of a revision.
func (o *model) get(key string, rev int64) (fact, bool) {
	facts := o.keys[key]
	for i := len(facts) - 1; i >= 0; i-- {
		if facts[i].rev <= rev {
			return facts[i], !facts[i].deleted
		}
	}
	return fact{deleted: true}, false
}

// mod is the revision that a compare sees: 0 for a key that is not there.
func (f *fact) mod() int64 {
	if f.deleted {
		return 0
	}
	return f.rev
}

// all returns every key as of a revision, in order.
func (o *model) all(rev int64) (list []fact) {
	names := make([]string, 0, len(o.keys))
	for key := range o.keys { // sorted below
		names = append(names, key)
	}
	sort.Strings(names)
	for _, key := range names {
		if f, ok := o.get(key, rev); ok {
			list = append(list, f)
		}
	}
	return list
}

// after returns the changes from a revision on.
func (o *model) after(rev int64) []fact {
	i, _ := slices.BinarySearchFunc(o.history, rev, func(f fact, rev int64) int {
		if f.rev < rev {
			return -1
		}
		return 1
	})
	return o.history[i:]
}

// reached looks at a member that has applied something, or been restored.
func (o *model) reached(m *member) {
	rev, digest, ok := m.state.Digest(0)
	if !ok {
		o.g.fail("member %d has no digest", m.id)
	}
	if was, known := o.digests[int64(rev)]; known && was != digest {
		o.g.fail("the history of %d differs at revision %d", m.id, rev)
	}
	o.digests[int64(rev)] = digest
	o.g.w.Note("applied", uint64(m.id), rev, digest)
}

// answered compares what a proposer is told with what it must be told.
func (o *model) answered(m *member, at raft.Index, result any, since int64) {
	got, rev := describe(result)
	if want := o.want[at-1]; want != "" && got != want {
		o.g.fail("entry %d on %d answers %q, want %q", at, m.id, got, want)
	}
	if rev < since {
		o.g.fail("a write on %d gets revision %d, when it was asked for %d was known", m.id, rev, since)
	}
	o.seen, o.acked = max(o.seen, rev), max(o.acked, at)
}

// read compares what a linearizable read gets with the state at its revision.
func (o *model) read(m *member, res *apply.RangeResult, since int64) {
	if res.Rev < since {
		o.g.fail("stale read on %d: revision %d, when it was asked for %d was known", m.id, res.Rev, since)
	}
	want := o.all(res.Rev)
	if len(want) != len(res.KVs) {
		o.g.fail("a read on %d at revision %d gets %d keys, want %d", m.id, res.Rev, len(res.KVs), len(want))
	}
	for i, f := range want {
		kv := &res.KVs[i]
		if string(kv.Key) != f.key || !bytes.Equal(kv.Value, []byte(f.value)) || kv.ModRevision != f.rev || kv.CreateRevision != f.create || kv.Version != f.version || kv.Lease != int64(f.lease) {
			o.g.fail("a read on %d at revision %d gets %+v, want %+v", m.id, res.Rev, kv, f)
		}
	}
	o.seen = max(o.seen, res.Rev)
}

// describe says what a proposer is told, in the words of the model, and its revision.
func describe(result any) (string, int64) {
	end := func(what string, rev int64, err error) (string, int64) {
		if err != nil {
			return fmt.Sprintf("%s %d refused", what, rev), rev
		}
		return fmt.Sprintf("%s %d", what, rev), rev
	}
	switch r := result.(type) {
	case *apply.PutResult:
		return end("put", r.Rev, r.Err)
	case *apply.DeleteRangeResult:
		return fmt.Sprintf("delete %d: %d", r.Rev, r.Deleted), r.Rev
	case *apply.TxnResult:
		return fmt.Sprintf("txn %d %t", r.Rev, r.Succeeded), r.Rev
	case *apply.LeaseGrantResult:
		return end("grant", r.Rev, r.Err)
	case *apply.Done:
		return end("done", r.Rev, r.Err)
	}
	return fmt.Sprintf("%T", result), 0
}
