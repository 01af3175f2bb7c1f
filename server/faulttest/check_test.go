package faulttest

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// honest is what right clients and watches see of a store: random operations one after the other.
func honest(seed uint64) (ops []op, watches []*watcher) {
	r := rand.New(rand.NewPCG(seed, 1))
	var events []event
	state := map[int]event{}
	rev := int64(1)
	for n := range 400 {
		o := op{client: n % 5, kind: kind(r.IntN(4)), key: r.IntN(keys), value: strconv.Itoa(n), call: int64(10 * n), ret: int64(10*n + 5)}
		now, ok := state[o.key]
		exists := ok && !now.delete
		o.old = now.value
		if r.IntN(3) == 0 {
			o.old = "other"
		}
		switch o.kind {
		case read:
			if o.found = exists; exists {
				o.got, o.mod = now.value, now.rev
			}
		case put:
			o.found = true
		case remove:
			o.found = exists
		case swap:
			o.found = exists && now.value == o.old
		}
		if o.changes() {
			rev++
			e := event{key: keyName(o.key), value: o.value, rev: rev}
			if o.kind == remove {
				e.value, e.delete = "", true
			}
			state[o.key] = e
			events = append(events, e)
		}
		o.rev = rev
		ops = append(ops, o)
	}
	return ops, []*watcher{{events: events}, {member: 1, events: slices.Clone(events)}}
}

func judge(ops []op, watches []*watcher) error {
	h, err := newHistory(watches)
	if err != nil {
		return err
	}
	if err := h.check(ops); err != nil {
		return err
	}
	return h.linearizable(ops, 1<<40)
}

// last is the place of the last operation that fits.
func last(ops []op, fits func(o *op) bool) *op {
	for i := len(ops) - 1; i >= 0; i-- {
		if fits(&ops[i]) {
			return &ops[i]
		}
	}
	return nil
}

func TestEveryLieIsFound(t *testing.T) {
	aRead := func(o *op) bool { return o.kind == read && o.found }
	aPut := func(o *op) bool { return o.kind == put }
	for name, lie := range map[string]func(ops []op, w []*watcher){
		"an acknowledged write is lost": func(ops []op, w []*watcher) {
			p := last(ops, aPut)
			for _, v := range w {
				v.events = slices.DeleteFunc(v.events, func(e event) bool { return e.rev == p.rev })
			}
		},
		"a read shows an old value":  func(ops []op, w []*watcher) { last(ops, aRead).got = "ancient" },
		"a read does not find a key": func(ops []op, w []*watcher) { o := last(ops, aRead); o.found, o.got = false, "" },
		"a read is answered at an earlier revision": func(ops []op, w []*watcher) {
			last(ops, func(o *op) bool { return o.kind == read && o.rev > 50 }).rev -= 40
		},
		"two writes are told the same revision": func(ops []op, w []*watcher) { last(ops, aPut).rev-- },
		"a swap that failed is told to have worked": func(ops []op, w []*watcher) {
			last(ops, func(o *op) bool { return o.kind == swap && !o.found }).found = true
		},
		"a watch misses an event":                    func(ops []op, w []*watcher) { w[1].events = slices.Delete(w[1].events, 20, 21) },
		"a watch is told an event twice":             func(ops []op, w []*watcher) { w[0].events = slices.Insert(w[0].events, 20, w[0].events[20]) },
		"a watch is told of revisions out of order":  func(ops []op, w []*watcher) { w[0].events[20], w[0].events[21] = w[0].events[21], w[0].events[20] },
		"a watch is told another value than another": func(ops []op, w []*watcher) { w[1].events[20].value = "forged" },
	} {
		t.Run(name, func(t *testing.T) {
			ops, watches := honest(7)
			if err := judge(ops, watches); err != nil {
				t.Fatalf("an honest history is refused: %v", err)
			}
			lie(ops, watches)
			if judge(ops, watches) == nil {
				t.Error("not found")
			}
		})
	}
}

func TestPorcupineFindsWhatRevisionsHide(t *testing.T) {
	ops := []op{
		{kind: put, value: "a", found: true, call: 0, ret: 1},
		{kind: put, value: "b", found: true, call: 2, ret: 3},
		{kind: read, found: true, got: "a", call: 4, ret: 5},
	}
	h := &history{}
	if h.linearizable(ops[:2], 10) != nil || h.linearizable(ops, 10) == nil {
		t.Error("a stale read is not told from a right one")
	}
	ops[1].unknown = true // it may not have happened, or not yet
	h.events = []event{{value: "b"}}
	if err := h.linearizable(ops, 10); err != nil {
		t.Errorf("a read beside an unanswered write: %v", err)
	}
}
