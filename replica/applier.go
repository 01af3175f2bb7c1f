package replica

import (
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// applyJob is a batch to be applied.
type applyJob struct {
	batch *Batch
	given time.Time
}

// apply is the applier: it has the state machine apply batches, answers those who wait, and tells the
// loop. When the member has failed it answers no more.
func (r *Replica) apply() {
	defer r.running.Done()
	var jobs []applyJob
	for {
		jobs = r.batches.take(jobs)
		if len(jobs) == 0 {
			return
		}
		for i := range jobs {
			r.stamp.since(StageApply, jobs[i].given, len(jobs[i].batch.Entries))
			if r.in.stopped() == nil {
				if err := r.applyBatch(jobs[i].batch); err != nil {
					r.stop(fmt.Errorf("%w: applying: %w", ErrStopped, err))
				}
			}
			r.reply(jobs[i].batch)
		}
	}
}

// applyBatch applies runs of normal entries at once, and membership changes one by one.
func (r *Replica) applyBatch(b *Batch) error {
	began := r.stamp.now()
	for lo := 0; lo < len(b.Entries); {
		hi := lo
		for hi < len(b.Entries) && b.Entries[hi].Type == raft.EntryNormal {
			hi++
		}
		if hi > lo {
			var results []any
			if b.Results != nil {
				results = b.Results[lo:hi]
			}
			if err := r.cfg.State.Apply(b.Entries[lo:hi], results); err != nil {
				return err
			}
			lo = hi
			continue
		}
		result, err := r.applyChange(b.Entries[lo])
		if err != nil {
			return err
		}
		if b.Results != nil {
			b.Results[lo] = result
		}
		lo++
	}
	r.stamp.since(StageCommit, began, len(b.Entries))
	r.in.appliedTo(b.Entries[len(b.Entries)-1].Index)
	return nil
}

// applyChange lets the state machine decide, and the core, on the loop, carry it out.
func (r *Replica) applyChange(e raft.Entry) (any, error) {
	cc, _, _, _ := OpenChange(e)
	if before := e.Index - 1; before > 0 {
		r.in.appliedTo(before)
	}
	var fatal error
	change := func() (conf raft.ConfState, err error) {
		fatal = r.onLoop(func(m *Member) error {
			conf, err = m.ApplyChange(e)
			return m.Err()
		})
		if fatal != nil {
			return conf, fatal
		}
		return conf, err
	}
	skip := func() error {
		fatal = r.onLoop(func(m *Member) error { return m.SkipChange(e) })
		return fatal
	}
	result, err := r.cfg.State.ApplyChange(e, &cc, change, skip)
	if fatal != nil {
		return nil, fatal
	}
	return result, err
}

// reply answers everybody who waits for the batch.
func (r *Replica) reply(b *Batch) {
	began := r.stamp.now()
	failed := r.in.stopped()
	requests, bytes := 0, 0
	for i, q := range b.Requests {
		if q == nil {
			continue
		}
		requests++
		bytes += len(q.Command)
		if failed != nil {
			q.Err = failed
		} else {
			q.Result = b.Results[i]
		}
		r.pool.answer(q)
	}
	if requests > 0 {
		r.stamp.since(StageReply, began, requests)
	}
	r.in.replied(b, requests, bytes)
}
