package faulttest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what happened, by revision, as every watch was told it.
type history struct {
	events []event
	at     map[int64]event
}

// newHistory demands that all watches were told the same, in order, each revision once.
func newHistory(watchers []*watcher) (*history, error) {
	h := &history{events: watchers[0].events, at: map[int64]event{}}
	for i, e := range h.events {
		if i > 0 && e.rev <= h.events[i-1].rev {
			return nil, fmt.Errorf("watch at member %d was told revision %d after %d", watchers[0].member, e.rev, h.events[i-1].rev)
		}
		h.at[e.rev] = e
	}
	for _, w := range watchers[1:] {
		for i := range max(len(w.events), len(h.events)) {
			if i >= len(w.events) || i >= len(h.events) || w.events[i] != h.events[i] {
				return nil, fmt.Errorf("watches differ at event %d: member %d was told %v, member %d %v",
					i, watchers[0].member, eventAt(h.events, i), w.member, eventAt(w.events, i))
			}
		}
	}
	return h, nil
}

func eventAt(list []event, i int) string {
	if i >= len(list) {
		return "nothing"
	}
	return fmt.Sprintf("%+v", list[i])
}

// check holds every operation to the history.
func (h *history) check(ops []op) error {
	for i := range ops {
		if err := h.checkWrite(&ops[i]); err != nil {
			return err
		}
	}
	if err := h.checkReads(ops); err != nil {
		return err
	}
	return checkRealTime(ops)
}

// changes tells whether the operation was acknowledged to have made a revision.
func (o *op) changes() bool { return !o.unknown && o.kind != read && o.found }

// checkWrite: an acknowledged write is in the history at its revision, and what was acknowledged to
// change nothing is nowhere.
func (h *history) checkWrite(o *op) error {
	if !o.changes() {
		return nil
	}
	want := event{key: keyName(o.key), value: o.value, rev: o.rev}
	if o.kind == remove {
		want.value, want.delete = "", true
	}
	if got, ok := h.at[o.rev]; !ok || got != want {
		return fmt.Errorf("client %d was told that %+v happened, the history has %+v there (present: %v)", o.client, want, got, ok)
	}
	return nil
}

// checkReads: a read shows the state at the revision of its answer. Writes are walked beside them.
func (h *history) checkReads(ops []op) error {
	reads := slices.DeleteFunc(slices.Clone(ops), func(o op) bool { return o.kind != read || o.unknown })
	slices.SortFunc(reads, func(a, b op) int { return cmp.Compare(a.rev, b.rev) })
	state := map[string]event{}
	next := 0
	for i := range reads {
		o := &reads[i]
		for ; next < len(h.events) && h.events[next].rev <= o.rev; next++ {
			state[h.events[next].key] = h.events[next]
		}
		e, ok := state[keyName(o.key)]
		exists := ok && !e.delete
		if o.found != exists || exists && (o.got != e.value || o.mod != e.rev) {
			return fmt.Errorf("client %d read %s at revision %d: found %v, value %q of revision %d; the history has %+v (present: %v)",
				o.client, keyName(o.key), o.rev, o.found, o.got, o.mod, e, exists)
		}
	}
	return nil
}

// checkRealTime: what was asked after something was answered has no lower revision, and a later
// write a higher one.
func checkRealTime(ops []op) error {
	known := slices.DeleteFunc(slices.Clone(ops), func(o op) bool { return o.unknown })
	byCall := slices.Clone(known)
	slices.SortFunc(byCall, func(a, b op) int { return cmp.Compare(a.call, b.call) })
	slices.SortFunc(known, func(a, b op) int { return cmp.Compare(a.ret, b.ret) })
	var newest op // of those answered before the call
	next := 0
	for i := range byCall {
		o := &byCall[i]
		for ; next < len(known) && known[next].ret < o.call; next++ {
			if known[next].rev > newest.rev {
				newest = known[next]
			}
		}
		if o.rev < newest.rev || o.changes() && o.rev == newest.rev {
			return fmt.Errorf("stale: client %d was answered at revision %d (%+v), though revision %d was known before it asked (%+v)", o.client, o.rev, *o, newest.rev, newest)
		}
	}
	return nil
}

// porcupineTimeout bounds the search over one key. Running out of it is a failure.
const porcupineTimeout = 30 * time.Second

type state struct {
	exists bool
	value  string
}

// register is the model of one key, without revisions.
var register = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, input, output any) (bool, any) {
		now, o := s.(state), output.(op)
		switch o.kind {
		case read:
			return now.exists == o.found && now.value == o.got, now
		case put:
			return true, state{true, o.value}
		case remove:
			return o.unknown || o.found == now.exists, state{}
		}
		same := now.exists && now.value == o.old
		if same {
			return o.unknown || o.found, state{true, o.value}
		}
		return o.unknown || !o.found, now
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v", output) },
}

// linearizable asks porcupine about each key. Unanswered writes of values that nobody was ever told of
// did not happen: they are left out, for each that stays doubles the search.
func (h *history) linearizable(ops []op, end int64) error {
	written := map[string]bool{}
	for _, e := range h.events {
		written[e.value] = true
	}
	byKey := make([][]porcupine.Operation, keys)
	for _, o := range ops {
		ret := o.ret
		if o.unknown {
			if o.kind != remove && !written[o.value] {
				continue
			}
			ret = end // it may happen at any time after it was asked
		}
		byKey[o.key] = append(byKey[o.key], porcupine.Operation{ClientId: o.client, Input: o, Output: o, Call: o.call, Return: ret})
	}
	for k, history := range byKey {
		if r := porcupine.CheckOperationsTimeout(register, history, porcupineTimeout); r != porcupine.Ok {
			return fmt.Errorf("porcupine says %q of the %d operations on %s", r, len(history), keyName(k))
		}
	}
	return nil
}
