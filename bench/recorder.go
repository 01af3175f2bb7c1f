package bench

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// LateAfter is how long after its due time an operation counts as late.
const LateAfter = time.Millisecond

// Outcome is one finished operation as a Recorder takes it.
type Outcome struct {
	Kind Kind
	// Service is sent → done; Response due → done, in an open loop.
	Service, Response time.Duration
	// Items, Read and Written are the keys moved and the bytes of keys and values read and written.
	Items         int
	Read, Written int64
	// Class is the class of its error, from Recording.Class; 0 = it succeeded.
	Class uint8
	// Late: it was sent more than LateAfter after it was due. Idle: although a worker was free then,
	// so that the generator is to blame and not the target.
	Late, Idle bool
	// Compacting: a compaction ran during some part of it.
	Compacting bool
}

// ringLen outcomes wait in a Recorder; they take 14 KiB. Together with one set of histograms a CPU
// that is all the memory a recording takes, whatever the number of workers.
const ringLen = 256

// Recorder takes the outcomes of one worker. Record takes no lock and allocates nothing: it writes
// into a ring of ringLen outcomes. Whoever finds the ring full, and whoever cuts an interval, folds
// the ring into histograms, which many Recorders share, under a lock: once in ringLen operations.
type Recorder struct {
	ring  [ringLen]Outcome
	head  atomic.Uint64 // written by the worker: outcomes up to here are complete
	tail  atomic.Uint64 // written under shard.mu: outcomes up to here are folded
	own   uint64        // the worker's copy of head
	free  uint64        // the worker's own head at which the ring may be full
	shard *shard
}

// Record counts one operation. One goroutine may call it.
func (r *Recorder) Record(o *Outcome) {
	if r.own == r.free {
		r.makeRoom()
	}
	r.ring[r.own%ringLen] = *o
	r.own++
	r.head.Store(r.own)
}

//go:noinline
func (r *Recorder) makeRoom() {
	if r.own-r.tail.Load() == ringLen {
		r.shard.mu.Lock()
		r.shard.fold(r)
		r.shard.mu.Unlock()
	}
	r.free = r.tail.Load() + ringLen
}

// Recording is what all workers of a phase record.
type Recording struct {
	recorders []*Recorder
	shards    []*shard
	classes   classes
	// split tells operations during a compaction from the others, as kinds of their own.
	split bool
}

// NewRecording makes a Recording for a number of workers, spread over a number of shards that each
// have histograms of their own (the number of CPUs is a good one). open says whether Response
// counts.
func NewRecording(workers, shards int, open bool) *Recording {
	rec := &Recording{shards: make([]*shard, max(1, min(workers, shards)))}
	for i := range rec.shards {
		rec.shards[i] = &shard{open: open}
	}
	for i := range workers {
		s := rec.shards[i%len(rec.shards)]
		r := &Recorder{shard: s}
		s.recorders = append(s.recorders, r)
		rec.recorders = append(rec.recorders, r)
	}
	return rec
}

// Worker is worker i's Recorder.
func (rec *Recording) Worker(i int) *Recorder { return rec.recorders[i] }

// Class returns the number of an error class, up to 255 of them; those beyond are all "other".
func (rec *Recording) Class(name string) uint8 { return rec.classes.number(name) }

// Totals are the counts of a Recording or of an interval of it.
type Totals struct {
	Ops, Items, Errors int64
	Read, Written      int64
	Late, Idle         int64
	Latency            results.Histogram // of successes: Response if there is one, else Service
}

// Cut folds everything recorded so far and returns what came since the last Cut. One goroutine may
// call it, beside the workers.
func (rec *Recording) Cut(into *Totals) {
	*into = Totals{}
	for _, s := range rec.shards {
		for _, r := range s.recorders {
			s.mu.Lock()
			s.fold(r)
			s.mu.Unlock()
		}
		s.mu.Lock()
		s.interval.addTo(into)
		s.interval.Latency.Reset()
		s.interval = Totals{Latency: s.interval.Latency}
		s.mu.Unlock()
	}
}

func (t *Totals) addTo(sum *Totals) {
	sum.Ops += t.Ops
	sum.Items += t.Items
	sum.Errors += t.Errors
	sum.Read += t.Read
	sum.Written += t.Written
	sum.Late += t.Late
	sum.Idle += t.Idle
	sum.Latency.Merge(&t.Latency)
}

// shard is the histograms of some Recorders.
type shard struct {
	open      bool
	recorders []*Recorder
	mu        sync.Mutex
	kinds     [2][numKinds]*kindTotals // [1]: those during a compaction
	interval  Totals
}

// kindTotals are the operations of one kind.
type kindTotals struct {
	service, response, failed results.Histogram
	items, read, written      int64
	late, idle                int64
	errors                    [256]int64
}

// fold takes all complete outcomes out of r's ring; mu is held.
func (s *shard) fold(r *Recorder) {
	head := r.head.Load()
	for tail := r.tail.Load(); tail != head; tail++ {
		s.take(&r.ring[tail%ringLen])
	}
	r.tail.Store(head)
}

func (s *shard) take(o *Outcome) {
	kinds := &s.kinds[0]
	if o.Compacting {
		kinds = &s.kinds[1]
	}
	k := kinds[o.Kind]
	if k == nil {
		k = new(kindTotals)
		kinds[o.Kind] = k
	}
	if o.Late {
		k.late++
		s.interval.Late++
	}
	if o.Idle {
		k.idle++
		s.interval.Idle++
	}
	if o.Class != 0 {
		k.failed.Record(o.Service)
		k.errors[o.Class]++
		s.interval.Errors++
		return
	}
	headline := o.Service
	k.service.Record(o.Service)
	if s.open {
		k.response.Record(o.Response)
		headline = o.Response
	}
	k.items += int64(o.Items)
	k.read += o.Read
	k.written += o.Written
	s.interval.Ops++
	s.interval.Items += int64(o.Items)
	s.interval.Read += o.Read
	s.interval.Written += o.Written
	s.interval.Latency.Record(headline)
}

// Stats merges everything recorded, by kind of operation. Call it when the workers have stopped.
func (rec *Recording) Stats() map[string]*results.OpStats {
	all := make(map[string]*results.OpStats)
	for _, s := range rec.shards {
		s.mu.Lock()
		for _, r := range s.recorders {
			s.fold(r)
		}
		for during, kinds := range s.kinds {
			for kind, k := range kinds {
				if k == nil {
					continue
				}
				name := rec.kindName(Kind(kind), during == 1)
				if all[name] == nil {
					all[name] = &results.OpStats{Errors: map[string]int64{}, Service: results.NewHistogram()}
				}
				k.addTo(all[name], &rec.classes)
			}
		}
		s.mu.Unlock()
	}
	return all
}

func (rec *Recording) kindName(k Kind, compacting bool) string {
	switch {
	case !rec.split:
		return k.String()
	case compacting:
		return k.String() + suffixCompacting
	}
	return k.String() + suffixQuiet
}

func (k *kindTotals) addTo(op *results.OpStats, names *classes) {
	op.Count += k.service.Count()
	op.Items += k.items
	op.Late += k.late
	op.Service.Merge(&k.service)
	op.Response = merged(op.Response, &k.response)
	op.Failed = merged(op.Failed, &k.failed)
	for class, n := range k.errors {
		if n > 0 {
			op.Errors[names.name(uint8(class))] += n
		}
	}
}

// merged adds from to h, which stays nil as long as there is nothing.
func merged(h, from *results.Histogram) *results.Histogram {
	if from.Count() == 0 {
		return h
	}
	if h == nil {
		h = results.NewHistogram()
	}
	h.Merge(from)
	return h
}
