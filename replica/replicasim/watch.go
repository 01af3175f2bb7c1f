package replicasim

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/etalon-kv/etalon/mvcc"
)

// watcher is a client that wants to hear of every change from revision 2 on, and goes from member to
// member: when one crashes, when its state is replaced, and when it feels like it.
type watcher struct {
	g    *group
	name int
	rng  *rand.Rand
	// next is the first revision that it has not heard of.
	next int64
	m    *member
	life uint64
	w    *mvcc.Watcher
}

// step hears what there is, and comes back.
func (w *watcher) step() {
	w.g.w.After(time.Duration(w.rng.Int64N(int64(60*time.Millisecond))), w.step)
	if w.w != nil && (w.m.state == nil || w.m.lives != w.life || w.rng.IntN(40) == 0 || !w.g.faultsOn && !w.g.counts(w.m)) {
		_ = w.w.Close()
		w.w = nil
	}
	if w.w == nil && !w.begin() {
		return
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for idle := 0; idle < 8; {
		r, err := w.w.Next(over)
		var compacted *mvcc.CompactedError
		switch {
		case err == nil:
			idle = 0
			w.hear(&r)
		case errors.Is(err, context.Canceled):
			idle++ // perhaps it has more to do
		case errors.As(err, &compacted):
			w.skip(compacted.CompactRev)
			return
		default: // the state was replaced
			w.g.w.Sometimes("watch moves to a replaced state")
			_ = w.w.Close()
			w.w = nil
			return
		}
	}
}

// begin watches at some member from next on.
func (w *watcher) begin() bool {
	m := w.g.members[w.rng.IntN(len(w.g.members))]
	if !m.running() || !w.g.faultsOn && !w.g.counts(m) { // one outside of the group may never hear of anything again
		return false
	}
	view, err := m.state.View()
	m.must(err)
	got, err := view.Hub.Watch(mvcc.WatchConfig{Range: true, StartRev: w.next})
	var compacted *mvcc.CompactedError
	if errors.As(err, &compacted) {
		w.skip(compacted.CompactRev)
		return false
	}
	m.must(err)
	w.m, w.life, w.w = m, m.lives, got
	return true
}

// skip goes on behind a compaction, if there was one.
func (w *watcher) skip(to int64) {
	if to > w.g.model.compacted || to < w.next {
		w.g.fail("watcher %d at %d is told to go on at %d, compacted is %d", w.name, w.next, to, w.g.model.compacted)
	}
	w.g.w.Sometimes("watch meets a compaction")
	w.next = to
	if w.w != nil {
		_ = w.w.Close()
		w.w = nil
	}
}

// hear checks that events are those that come next, all of them, in order.
func (w *watcher) hear(r *mvcc.Response) {
	want := w.g.model.after(w.next)
	for i := range r.Events {
		e := &r.Events[i]
		if i >= len(want) || string(e.Key) != want[i].key || e.ModRevision != want[i].rev || e.Tombstone != want[i].deleted || string(e.Value) != want[i].value {
			w.g.fail("watcher %d on %d, waiting for %d, hears %d %s=%s deleted=%t; the history goes on with %+v", w.name, w.m.id, w.next,
				e.ModRevision, e.Key, e.Value, e.Tombstone, want[min(i, len(want)):min(i+1, len(want))])
		}
	}
	if n := len(r.Events); n > 0 {
		if n < len(want) && want[n].rev == r.Events[n-1].ModRevision {
			w.g.fail("watcher %d hears a part of revision %d", w.name, want[n].rev)
		}
		w.next = r.Events[n-1].ModRevision + 1
	}
}
