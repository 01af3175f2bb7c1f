package raftsim

import "math"

// Operation is one request of a client, for a checker that knows nothing of Raft: a write of Value to a
// register or a read that found Value there (0: nothing yet). A write also has its place in the
// order of all writes. Call and Return are places in one order of all calls
// and returns.
type Operation struct {
	Register     uint64
	Write        bool
	Value        uint64
	Revision     uint64
	Call, Return int64
}

// history gathers operations; nil gathers nothing.
type history struct {
	clock int64
	ops   []Operation
	// places are those of the writes that were carried out, answered or not. With only the answered ones in their
	// order a checker would have to try every place for each of the others, which takes for ever.
	places map[uint64]uint64
}

// never is when an operation returns that does not.
const never = math.MaxInt64

func (h *history) call(write bool, register, id uint64) int {
	if h == nil {
		return 0
	}
	h.clock++
	h.ops = append(h.ops, Operation{Register: register, Write: write, Value: id, Call: h.clock, Return: never})
	return len(h.ops) - 1
}

// refused: the operation did not and will not happen.
func (h *history) refused(op int) {
	if h != nil {
		h.ops[op].Return = 0
	}
}

// placed: somebody has carried out the write of this value.
func (h *history) placed(value, revision uint64) {
	if h == nil {
		return
	}
	if h.places == nil {
		h.places = map[uint64]uint64{}
	}
	if _, ok := h.places[value]; !ok {
		h.places[value] = revision
	}
}

// wrote and read: it was answered.
func (h *history) wrote(op int, revision uint64) {
	if h != nil {
		h.clock++
		h.ops[op].Return, h.ops[op].Revision = h.clock, revision
	}
}

func (h *history) read(op int, found uint64) {
	if h == nil {
		return
	}
	h.clock++
	h.ops[op].Return, h.ops[op].Value = h.clock, found
}

// operations returns all that say something. Those that were refused and reads without an answer do not,
// nor does a write without an answer that nobody saw: it may come last. One that somebody saw returns at the
// latest when that reader does.
func (h *history) operations() []Operation {
	if h == nil {
		return nil
	}
	seen := map[uint64]int64{}
	for _, o := range h.ops {
		if t, ok := seen[o.Value]; !o.Write && o.Return != never && (!ok || o.Return < t) {
			seen[o.Value] = o.Return
		}
	}
	var ops []Operation
	for _, o := range h.ops {
		if t, ok := seen[o.Value]; ok && o.Write && o.Return == never {
			o.Return = t
		}
		if o.Write && o.Revision == 0 {
			o.Revision = h.places[o.Value]
		}
		if o.Return != 0 && o.Return != never {
			ops = append(ops, o)
		}
	}
	return ops
}
