package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Mix is the Source of this package: the workload that a Spec describes. What its workers share is
// which records are there, and what verification has seen.
type Mix struct {
	plan       *plan
	values     *Values
	frontier   *Frontier
	deleted    atomic.Uint64 // records below have been deleted, or their deletion is under way
	sequential *Sequential
	tracker    *tracker
	revs       revisions
	away       away
	wrong      wrongAnswers
}

// NewWorkload returns the workload of spec, after Validate has filled it in.
func NewWorkload(spec Spec) (*Mix, error) {
	p, err := spec.plan()
	if err != nil {
		return nil, err
	}
	values, err := NewValues(p.Seed, p.sizes, p.Compressibility)
	if err != nil {
		return nil, err
	}
	return &Mix{
		plan:       p,
		values:     values,
		frontier:   NewFrontier(p.Records),
		sequential: new(Sequential),
		tracker:    newTracker(p.Seed, p.Records),
	}, nil
}

// Spec is the workload's description, defaults filled in.
func (m *Mix) Spec() Spec { return m.plan.Spec }

// Records implements Source.
func (m *Mix) Records() uint64 { return m.plan.Records }

// Options implements Source.
func (m *Mix) Options() map[string]string { return m.plan.options() }

// Load implements Source.
func (m *Mix) Load(op *Op, first uint64, n int) {
	op.Kind, op.Index, op.End = Insert, first, nil
	op.Key = m.plan.keys.Append(op.Key[:0], first)
	op.Value = m.values.Append(op.Value[:0], first, MakeStamp(loader, first))
	op.More = slices.Grow(op.More[:0], n-1)[:n-1]
	for i := range op.More {
		p, index := &op.More[i], first+1+uint64(i)
		p.Key = m.plan.keys.Append(p.Key[:0], index)
		p.Value = m.values.Append(p.Value[:0], index, MakeStamp(loader, index))
	}
}

// DatasetBytes implements Source. Sizes of loaded records are exact, those of records inserted
// since are the mean of their distribution.
func (m *Mix) DatasetBytes() int64 {
	gone, there := m.deleted.Load(), m.frontier.Acked()
	loaded := m.plan.Records - min(gone, m.plan.Records)
	inserted := there - min(max(gone, m.plan.Records), there)
	bytes := int64(loaded+inserted)*int64(m.plan.KeyBytes) + int64(float64(inserted)*m.plan.sizes.Mean())
	if m.plan.sizes.Min() == m.plan.sizes.Max() {
		return bytes + int64(loaded)*int64(m.plan.sizes.Max())
	}
	for i := gone; i < m.plan.Records; i++ {
		bytes += int64(m.values.Size(i, MakeStamp(loader, i)))
	}
	return bytes
}

// Worker implements Source.
func (m *Mix) Worker(i int) Workload {
	n := m.plan.Batch
	w := &mixWorker{
		Mix:     m,
		worker:  i,
		chooser: m.plan.choose.chooser(m.plan.Records, m.plan.mix[Insert] > 0, m.sequential),
		pairs:   make([]Pair, n),
		written: make([]written, n),
		only:    -1,
	}
	sum := 0.0
	for k, share := range m.plan.mix {
		sum += share
		w.upTo[k] = uint64(min(sum*0x1p64, 0x1.fffffffffffffp63))
		if share == 1 {
			w.only = k
		}
	}
	w.deletes = m.plan.mix[Delete] > 0
	return w
}

// mixWorker is one worker's share of a Mix.
type mixWorker struct {
	*Mix
	worker  int
	chooser Chooser
	count   uint64 // values made so far
	only    int    // the one kind of the mix, or -1
	upTo    [numKinds]uint64
	deletes bool
	pairs   []Pair // memory of keys and values
	written []written
	lost    bool // recreate: written[0] was deleted, and is to be created again
	reads   int  // since the last that was checked
	scratch []byte
}

// written is what the operation under way writes.
type written struct {
	index uint64
	stamp Stamp
}

// Next implements Workload.
func (w *mixWorker) Next(r *rand.Rand, op *Op) {
	kind := Kind(w.only)
	if w.only < 0 {
		kind = w.kind(r.Uint64())
	}
	op.End, op.More, op.Limit, op.Rev = nil, nil, 0, 0
	switch kind {
	case Get, Scan, Put, ReadModifyWrite:
		if w.frontier.Acked() <= w.deleted.Load() {
			w.insert(op) // nothing is there yet
			return
		}
	}
	if w.plan.recreates && (kind == Insert || kind == Delete) {
		w.recreate(r, op)
		return
	}
	switch kind {
	case Insert:
		w.insert(op)
	case Put, ReadModifyWrite:
		n := len(w.pairs)
		if kind == ReadModifyWrite {
			n = 1
		}
		for i := range n {
			w.fill(i, w.choose(r))
		}
		w.write(op, kind, n)
	case Delete:
		w.delete(op)
	case Scan:
		op.Limit = w.plan.scan.At(r.Uint64())
		if w.plan.Behind > 0 {
			op.Rev = w.revs.within(w.plan.Behind, r.Uint64())
		}
		fallthrough
	default:
		op.Kind, op.Index = kind, w.choose(r)
		w.pairs[0].Key = w.plan.keys.Append(w.pairs[0].Key[:0], op.Index)
		op.Key, op.Value = w.pairs[0].Key, nil
	}
}

func (w *mixWorker) kind(u uint64) Kind {
	for k := range w.upTo {
		if u < w.upTo[k] {
			return Kind(k)
		}
	}
	return w.last()
}

// last is the last kind of the mix, for the sliver that rounding leaves.
func (w *mixWorker) last() Kind {
	k := numKinds - 1
	for w.plan.mix[k] == 0 {
		k--
	}
	return k
}

// choose picks a record that is there: acknowledged, and not given to a Delete. If deletes overtake
// it meanwhile, the newest.
func (w *mixWorker) choose(r *rand.Rand) uint64 {
	low, high := uint64(0), w.frontier.Acked()
	if w.deletes {
		low = min(w.deleted.Load(), high-1)
	}
	return low + w.chooser.Choose(r, high-low)
}

// fill makes the i-th pair a new value for record index.
func (w *mixWorker) fill(i int, index uint64) {
	p, stamp := &w.pairs[i], MakeStamp(w.worker, w.count)
	w.count++
	w.written[i] = written{index: index, stamp: stamp}
	p.Key = w.plan.keys.Append(p.Key[:0], index)
	p.Value = w.values.Append(p.Value[:0], index, stamp)
}

// write makes op the writing of the first n pairs.
func (w *mixWorker) write(op *Op, kind Kind, n int) {
	op.Kind, op.Index = kind, w.written[0].index
	op.Key, op.Value, op.More = w.pairs[0].Key, w.pairs[0].Value, w.pairs[1:n]
}

func (w *mixWorker) insert(op *Op) {
	first := w.frontier.Take(len(w.pairs))
	for i := range w.pairs {
		w.fill(i, first+uint64(i))
	}
	w.write(op, Insert, len(w.pairs))
}

// delete makes op the deletion of the oldest record, or an insertion if there is none.
func (w *mixWorker) delete(op *Op) {
	for {
		oldest := w.deleted.Load()
		if oldest >= w.frontier.Acked() {
			w.insert(op)
			return
		}
		if w.deleted.CompareAndSwap(oldest, oldest+1) {
			w.remove(op, oldest)
			return
		}
	}
}

// Acknowledged implements Workload.
func (w *mixWorker) Acknowledged(op *Op, err error) {
	if err == nil && op.Rev > 0 && w.plan.followsRevisions() {
		w.revs.see(op.Rev)
	}
	switch op.Kind {
	case Get:
		w.judgeGet(op, err)
		return
	case Scan:
		if err == nil && (op.Items < 1 || op.Items > op.Limit) && w.mustFind(op) {
			w.wrong.add("scan from %q: %d keys, want 1 to %d", op.Key, op.Items, op.Limit)
		}
		return
	case ReadModifyWrite:
		if err != nil && errors.Is(err, ErrNotFound) && w.mustFind(op) {
			w.wrong.add("read-modify-write of %q: not found, was acknowledged", op.Key)
		}
	}
	n := 1 + len(op.More)
	switch {
	case w.plan.recreates && op.Kind == Insert:
		w.away.settle(op.Index, err == nil)
	case op.Kind == Insert:
		w.frontier.Settle(op.Index, n, err == nil)
	}
	for _, x := range w.written[:n] {
		if w.tracker.follows(x.index) {
			w.tracker.note(x.index, write{
				stamp: x.stamp, deletes: op.Kind == Delete,
				start: op.Sent, end: op.Done, acked: err == nil,
			})
		}
	}
}

// present reports whether record index must be there: its insert was acknowledged and nobody has
// begun to delete it, or all who did have created it again.
func (m *Mix) present(index uint64) bool {
	there := index >= m.deleted.Load() && index < m.frontier.Acked() && !m.frontier.Hole(index)
	return there && (!m.plan.recreates || !m.away.has(index))
}

// mustFind reports whether a read that op was had to find something at its key. Where keys go and
// come back it may have fallen between; at an old revision the key may not have been there yet.
func (m *Mix) mustFind(op *Op) bool {
	young := m.plan.Behind > 0 && m.plan.mix[Insert]+m.plan.mix[Delete] > 0
	return !m.plan.recreates && !young && m.present(op.Index)
}

func (w *mixWorker) judgeGet(op *Op, err error) {
	if err != nil {
		if errors.Is(err, ErrNotFound) && w.mustFind(op) {
			w.wrong.add("get %q: not found, want the value of an acknowledged write", op.Key)
		}
		return
	}
	w.reads++
	if w.reads < w.plan.CheckEvery || w.wrong.hopeless() {
		return
	}
	w.reads = 0
	w.wrong.checked.Add(1)
	w.scratch, err = w.values.Check(w.scratch, op.Index, op.Value)
	if err != nil {
		w.wrong.add("get %q: %v", op.Key, err)
	}
}

// wrongAnswers counts answers that are wrong and keeps an account of the first few.
type wrongAnswers struct {
	checked atomic.Int64
	count   atomic.Int64
	mu      sync.Mutex
	first   []string
}

const (
	maxWrong  = 5    // wrong answers that are described
	enoughBad = 1000 // wrong answers after which values are not looked at any more
)

func (a *wrongAnswers) hopeless() bool { return a.count.Load() > enoughBad }

func (a *wrongAnswers) add(format string, args ...any) {
	if a.count.Add(1) > maxWrong {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.first = append(a.first, fmt.Sprintf(format, args...))
}

// text is the account of the first few.
func (a *wrongAnswers) text() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.first, "; ")
}
