package apply_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"sort"

	"google.golang.org/protobuf/proto"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// twin is what a Machine must be, in as plain a form as can be: every revision is a map of its own. It shares
// nothing with the machine but the types of commands and results.
type twin struct {
	at        raft.Entry
	states    []map[string]apply.KeyValue // by revision; those of 0 and 1 are empty
	records   []stored
	compacted int64
	leases    map[apply.LeaseID]apply.Lease
	alarms    map[apply.AlarmMember]bool

	// Of the entry at hand.
	now     map[string]apply.KeyValue
	changed int64 // records it has made
}

// stored is a change of a key, as etcd stores it.
type stored struct {
	main, sub int64
	deleted   bool
	kv        apply.KeyValue
}

func newTwin() *twin {
	return &twin{compacted: -1, states: []map[string]apply.KeyValue{{}, {}}, leases: map[apply.LeaseID]apply.Lease{}, alarms: map[apply.AlarmMember]bool{}}
}

// rev is that of the store, with what the entry at hand has done.
func (w *twin) rev() int64 {
	rev := int64(len(w.states) - 1)
	if w.changed > 0 {
		rev++
	}
	return rev
}

// do does an entry and returns what its proposer is told.
func (w *twin) do(e raft.Entry) any {
	w.at, w.changed, w.now = e, 0, maps.Clone(w.states[len(w.states)-1])
	if len(e.Data) == 0 {
		return nil
	}
	c, err := apply.Decode(e.Data)
	if err != nil {
		return &apply.Done{Rev: w.rev(), Err: apply.ErrMalformed}
	}
	res := w.command(c)
	if w.changed > 0 {
		w.states = append(w.states, w.now)
	}
	return res
}

func (w *twin) command(c apply.Command) any {
	refused := w.refused(c)
	switch c := c.(type) {
	case *apply.Put:
		if refused = first(refused, checkPut(c), w.refusesPut(c)); refused != nil {
			return &apply.PutResult{Rev: w.rev(), Err: refused}
		}
		return w.put(c)
	case *apply.DeleteRange:
		if refused = first(refused, checkKey(c.Key)); refused != nil {
			return &apply.DeleteRangeResult{Rev: w.rev(), Err: refused}
		}
		return w.deleteRange(c)
	case *apply.Txn:
		if refused = first(refused, checkTxn(c, apply.MaxTxnOps), w.refusesTxn(c)); refused != nil {
			return &apply.TxnResult{Rev: w.rev(), Err: refused}
		}
		w.decide(c)
		res := w.txn(c)
		res.Rev = w.rev()
		return res
	case *apply.Compact:
		return &apply.Done{Err: w.compact(c, refused), Rev: w.rev()}
	case *apply.LeaseGrant:
		return w.grant(c, refused)
	case *apply.LeaseRevoke:
		err := w.revoke(c, refused)
		return &apply.Done{Err: err, Rev: w.rev()}
	case *apply.LeaseCheckpoint:
		return &apply.Done{Err: w.checkpoint(c), Rev: w.rev()}
	case *apply.Alarm:
		return w.alarm(c)
	}
	panic(c)
}

// first is the first that is an error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// refused is what an alarm answers. Against want of space only what puts something is refused.
func (w *twin) refused(c apply.Command) error {
	kind := func(want apply.AlarmType) bool {
		for a := range w.alarms {
			if a.Type == want {
				return true
			}
		}
		return false
	}
	takes, changes := false, true
	switch c := c.(type) {
	case *apply.Put, *apply.LeaseGrant:
		takes = true
	case *apply.Txn:
		takes = puts(c.Success) || puts(c.Failure)
	case *apply.DeleteRange, *apply.Compact, *apply.LeaseRevoke:
	default:
		changes = false
	}
	switch {
	case changes && kind(apply.AlarmCorrupt):
		return apply.ErrCorrupt
	case takes && kind(apply.AlarmNoSpace):
		return apply.ErrNoSpace
	}
	return nil
}

func puts(ops []apply.Op) bool {
	return slices.ContainsFunc(ops, func(o apply.Op) bool {
		return o.Put != nil || o.Txn != nil && (puts(o.Txn.Success) || puts(o.Txn.Failure))
	})
}

func checkKey(key []byte) error {
	if len(key) == 0 {
		return apply.ErrEmptyKey
	}
	return nil
}

func checkPut(p *apply.Put) error {
	switch {
	case len(p.Key) == 0:
		return apply.ErrEmptyKey
	case p.IgnoreValue && len(p.Value) > 0:
		return apply.ErrValueProvided
	case p.IgnoreLease && p.Lease != 0:
		return apply.ErrLeaseProvided
	}
	return nil
}

// refusesPut is asked before an entry has done anything.
func (w *twin) refusesPut(p *apply.Put) error {
	if _, ok := w.leases[p.Lease]; p.Lease != 0 && !ok {
		return apply.ErrLeaseNotFound
	}
	if _, ok := w.now[string(p.Key)]; (p.IgnoreValue || p.IgnoreLease) && !ok {
		return apply.ErrKeyNotFound
	}
	return nil
}

func (w *twin) put(p *apply.Put) *apply.PutResult {
	was, existed := w.now[string(p.Key)]
	kv := apply.KeyValue{Key: p.Key, Value: p.Value, Lease: int64(p.Lease)}
	if p.IgnoreValue {
		kv.Value = was.Value
	}
	if p.IgnoreLease {
		kv.Lease = was.Lease
	}
	w.changed++
	kv.ModRevision, kv.Version, kv.CreateRevision = w.rev(), was.Version+1, was.CreateRevision
	if !existed {
		kv.CreateRevision = kv.ModRevision
	}
	w.now[string(p.Key)] = kv
	w.records = append(w.records, stored{main: w.rev(), sub: w.changed - 1, kv: kv})
	res := &apply.PutResult{Rev: w.rev()}
	if p.PrevKV && existed {
		res.PrevKV = &was
	}
	return res
}

// within tells whether key is one of those that a key and an end stand for.
func within(key string, lo, end []byte) bool {
	switch {
	case len(end) == 0:
		return key == string(lo)
	case string(end) == "\x00":
		return key >= string(lo)
	}
	return key >= string(lo) && key < string(end)
}

// find returns the keys of a range in order.
func find(in map[string]apply.KeyValue, lo, end []byte) (kvs []apply.KeyValue) {
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if within(key, lo, end) {
			kvs = append(kvs, in[key])
		}
	}
	return kvs
}

func (w *twin) deleteRange(r *apply.DeleteRange) *apply.DeleteRangeResult {
	res := &apply.DeleteRangeResult{}
	for _, kv := range find(w.now, r.Key, r.End) {
		w.delete(kv)
		res.Deleted++
		if r.PrevKV {
			res.PrevKVs = append(res.PrevKVs, kv)
		}
	}
	res.Rev = w.rev()
	return res
}

func (w *twin) delete(kv apply.KeyValue) {
	delete(w.now, string(kv.Key))
	w.changed++
	w.records = append(w.records, stored{main: w.rev(), sub: w.changed - 1, deleted: true, kv: apply.KeyValue{Key: kv.Key}})
}

// state is that of a revision, 0 for what there is now.
func (w *twin) state(rev int64) map[string]apply.KeyValue {
	if rev <= 0 {
		return w.now
	}
	return w.states[rev]
}

// refusesRange is asked before an entry has done anything.
func (w *twin) refusesRange(r *apply.Range, inTxn bool) error {
	rev := r.Rev
	if rev < 0 && !inTxn {
		rev = 0
	}
	switch {
	case len(r.Key) == 0:
		return apply.ErrEmptyKey
	case rev > int64(len(w.states)-1):
		return apply.ErrFutureRevision
	case rev != 0 && rev < w.compacted:
		return apply.ErrCompacted
	}
	return nil
}

// rangeOf follows the order of things in etcd's txn.executeRange.
func (w *twin) rangeOf(r *apply.Range) *apply.RangeResult {
	all := find(w.state(r.Rev), r.Key, r.End)
	res := &apply.RangeResult{Rev: w.rev(), Count: int64(len(all))}
	if r.CountOnly {
		return res
	}
	filtered := r.MinMod != 0 || r.MaxMod != 0 || r.MinCreate != 0 || r.MaxCreate != 0
	if r.Order == apply.SortNone && !filtered && r.Limit > 0 && int64(len(all)) > r.Limit {
		all = all[:r.Limit+1] // no more are read, whatever they are sorted by
	}
	for _, kv := range all {
		if r.MinMod != 0 && kv.ModRevision < r.MinMod || r.MaxMod != 0 && kv.ModRevision > r.MaxMod ||
			r.MinCreate != 0 && kv.CreateRevision < r.MinCreate || r.MaxCreate != 0 && kv.CreateRevision > r.MaxCreate {
			continue
		}
		res.KVs = append(res.KVs, kv)
	}
	less := map[apply.SortTarget]func(a, b apply.KeyValue) bool{
		apply.SortByKey:     func(a, b apply.KeyValue) bool { return string(a.Key) < string(b.Key) },
		apply.SortByVersion: func(a, b apply.KeyValue) bool { return a.Version < b.Version },
		apply.SortByCreate:  func(a, b apply.KeyValue) bool { return a.CreateRevision < b.CreateRevision },
		apply.SortByMod:     func(a, b apply.KeyValue) bool { return a.ModRevision < b.ModRevision },
		apply.SortByValue:   func(a, b apply.KeyValue) bool { return string(a.Value) < string(b.Value) },
	}[r.Target]
	by := byTarget{res.KVs, less}
	if r.Order == apply.SortDescend {
		sort.Sort(sort.Reverse(by))
	} else {
		sort.Sort(by)
	}
	if r.Limit > 0 && int64(len(res.KVs)) > r.Limit {
		res.KVs, res.More = res.KVs[:r.Limit], true
	}
	for i := range res.KVs {
		if r.KeysOnly {
			res.KVs[i].Value = nil
			if r.Target != apply.SortByValue {
				res.KVs[i].Lease = 0
			}
		}
	}
	return res
}

type byTarget struct {
	kvs  []apply.KeyValue
	less func(a, b apply.KeyValue) bool
}

func (s byTarget) Len() int           { return len(s.kvs) }
func (s byTarget) Swap(i, j int)      { s.kvs[i], s.kvs[j] = s.kvs[j], s.kvs[i] }
func (s byTarget) Less(i, j int) bool { return s.less(s.kvs[i], s.kvs[j]) }

func (w *twin) grant(c *apply.LeaseGrant, refused error) *apply.LeaseGrantResult {
	res := &apply.LeaseGrantResult{Rev: w.rev(), ID: c.ID, Err: refused}
	_, there := w.leases[c.ID]
	switch {
	case refused != nil:
	case c.ID == 0:
		res.Err = apply.ErrLeaseNotFound
	case c.TTL > 9_000_000_000:
		res.Err = apply.ErrTTLTooLarge
	case there:
		res.Err = apply.ErrLeaseExists
	default:
		res.TTL = max(c.TTL, 1)
		w.leases[c.ID] = apply.Lease{ID: c.ID, TTL: res.TTL, Remaining: res.TTL, Grant: uint64(w.at.Index)}
	}
	return res
}

func (w *twin) revoke(c *apply.LeaseRevoke, refused error) error {
	l, there := w.leases[c.ID]
	switch {
	case refused != nil:
		return refused
	case c.Term != 0 && c.Term != uint64(w.at.Term):
		return apply.ErrStale
	case !there || c.Grant != 0 && c.Grant != l.Grant:
		return apply.ErrLeaseNotFound
	}
	delete(w.leases, c.ID)
	for _, key := range w.attached(c.ID) {
		w.delete(w.now[string(key)])
	}
	return nil
}

// attached are the keys of a lease in order.
func (w *twin) attached(id apply.LeaseID) (keys [][]byte) {
	for _, key := range slices.Sorted(maps.Keys(w.now)) {
		if w.now[key].Lease == int64(id) {
			keys = append(keys, []byte(key))
		}
	}
	return keys
}

func (w *twin) checkpoint(c *apply.LeaseCheckpoint) error {
	if c.Term != 0 && c.Term != uint64(w.at.Term) {
		return apply.ErrStale
	}
	for _, r := range c.Leases {
		l, ok := w.leases[r.ID]
		late := c.Term != 0 && (c.Term < l.CheckTerm || c.Term == l.CheckTerm && c.Seq <= l.CheckSeq)
		if !ok || late || r.Grant != 0 && r.Grant != l.Grant {
			continue
		}
		l.Remaining, l.CheckTerm, l.CheckSeq = min(r.Remaining, l.TTL), c.Term, c.Seq
		if l.Remaining <= 0 {
			l.Remaining = l.TTL
		}
		w.leases[r.ID] = l
	}
	return nil
}

func (w *twin) alarm(c *apply.Alarm) *apply.AlarmResult {
	res := &apply.AlarmResult{Rev: w.rev()}
	a := apply.AlarmMember{Member: c.Member, Type: c.Type}
	if a.Type == apply.AlarmNone || c.Clear && !w.alarms[a] {
		return res
	}
	res.Alarms = []apply.AlarmMember{a}
	if w.alarms[a] = true; c.Clear {
		delete(w.alarms, a)
	}
	return res
}

func (w *twin) compact(c *apply.Compact, refused error) error {
	switch now := w.rev(); {
	case refused != nil:
		return refused
	case c.Rev <= w.compacted || c.Rev < 0:
		return apply.ErrCompacted
	case c.Rev > now:
		return apply.ErrFutureRevision
	}
	w.compacted = c.Rev
	return nil
}

// hash is etcd's HashKV up to a revision: of what was compacted only what is there still counts, or, if nothing is
// there at all, what was at the compaction.
func (w *twin) hash(rev int64) uint32 {
	seen := rev
	if len(w.states[seen]) == 0 {
		seen = w.compacted
	}
	newest := map[string]stored{}
	for _, r := range w.records {
		if r.main <= seen {
			newest[string(r.kv.Key)] = r
		}
	}
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	h.Write([]byte("key"))
	for _, r := range w.records {
		if r.main > rev {
			break
		}
		if n := newest[string(r.kv.Key)]; r.main <= w.compacted && (r.deleted || n.main != r.main || n.sub != r.sub) {
			continue
		}
		key := binary.BigEndian.AppendUint64(nil, uint64(r.main))
		key = binary.BigEndian.AppendUint64(append(key, '_'), uint64(r.sub))
		if r.deleted {
			key = append(key, 't')
		}
		value, err := proto.Marshal(&mvccpb.KeyValue{Key: r.kv.Key, Value: r.kv.Value, CreateRevision: r.kv.CreateRevision,
			ModRevision: r.kv.ModRevision, Version: r.kv.Version, Lease: r.kv.Lease})
		if err != nil {
			panic(err)
		}
		h.Write(key)
		h.Write(value)
	}
	return h.Sum32()
}

// leaseList are the leases in order of ID.
func (w *twin) leaseList() []apply.Lease {
	return slices.SortedFunc(maps.Values(w.leases), func(a, b apply.Lease) int { return cmp.Compare(a.ID, b.ID) })
}

// holds tells whether a compare does for one key, or for none with a zero kv.
func holds(c *apply.Compare, kv apply.KeyValue) bool {
	order := map[apply.CompareTarget]int{
		apply.CompareVersion: cmp.Compare(kv.Version, c.Number),
		apply.CompareCreate:  cmp.Compare(kv.CreateRevision, c.Number),
		apply.CompareMod:     cmp.Compare(kv.ModRevision, c.Number),
		apply.CompareLease:   cmp.Compare(kv.Lease, c.Number),
		apply.CompareValue:   bytes.Compare(kv.Value, c.Value),
	}[c.Target]
	return map[apply.CompareResult]bool{apply.Equal: order == 0, apply.Greater: order > 0, apply.Less: order < 0, apply.NotEqual: order != 0}[c.Result]
}
