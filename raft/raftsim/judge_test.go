package raftsim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine" // a second opinion that knows nothing of Raft
)

// linearizable asks porcupine whether a history of registers can be put in one order, in which the writes are in that of
// their revisions. One that it cannot decide in a minute counts as one that cannot; those of correct runs
// take milliseconds.
func linearizable(history []Operation) error {
	parts := map[uint64][]porcupine.Operation{}
	readers := map[[2]uint64]int{} // how many reads found a value in a register
	for i, o := range history {
		if !o.Write {
			readers[[2]uint64{o.Register, o.Value}]++
		}
		parts[o.Register] = append(parts[o.Register], porcupine.Operation{ClientId: i, Input: o, Call: o.Call, Return: o.Return})
	}
	type register struct {
		value, revision uint64
		reads           int // of value, so far
	}
	before := map[uint64]uint64{} // revisions are one order: each follows the one before it
	for _, ops := range parts {
		var revisions []uint64
		for _, o := range ops {
			if r := o.Input.(Operation).Revision; r > 0 {
				revisions = append(revisions, r)
			}
		}
		slices.Sort(revisions)
		for i := 1; i < len(revisions); i++ {
			before[revisions[i]] = revisions[i-1]
		}
	}
	model := porcupine.Model{
		Init: func() any { return register{} },
		Step: func(state, input, _ any) (bool, any) {
			s, o := state.(register), input.(Operation)
			switch {
			case !o.Write:
				return s.value == o.Value, register{s.value, s.revision, s.reads + 1}
			case s.reads < readers[[2]uint64{o.Register, s.value}]:
				return false, s // no value is written twice: whoever has found this one did so before it goes. It spares trying.
			case o.Revision == 0: // only in hand-made histories
				return true, register{o.Value, s.revision, 0}
			}
			return before[o.Revision] == s.revision, register{o.Value, o.Revision, 0}
		},
	}
	for register := range uint64(registers) {
		if verdict := porcupine.CheckOperationsTimeout(model, parts[register], time.Minute); verdict != porcupine.Ok {
			return fmt.Errorf("the history of register %d: %s: %+v", register, verdict, parts[register])
		}
	}
	return nil
}

func TestTheJudgeKnowsAStaleReadAndALostWrite(t *testing.T) {
	w := func(v uint64, call, ret int64) Operation {
		return Operation{Write: true, Value: v, Call: call, Return: ret}
	}
	r := func(v uint64, call, ret int64) Operation { return Operation{Value: v, Call: call, Return: ret} }
	for what, c := range map[string]struct {
		history []Operation
		ok      bool
	}{
		"one after the other":            {[]Operation{w(8, 1, 2), r(8, 3, 4), w(16, 5, 6), r(16, 7, 8)}, true},
		"a read beside a write":          {[]Operation{w(8, 1, 4), r(0, 2, 3), r(8, 5, 6)}, true},
		"a write without an answer":      {[]Operation{w(8, 1, 5), r(0, 2, 3), r(8, 4, 5)}, true},
		"a read of the past":             {[]Operation{w(8, 1, 2), w(16, 3, 4), r(8, 5, 6)}, false},
		"an acknowledged write is lost":  {[]Operation{w(8, 1, 2), r(0, 3, 4)}, false},
		"two readers disagree on orders": {[]Operation{w(8, 1, 9), w(16, 2, 9), r(8, 3, 4), r(16, 5, 6), r(8, 7, 8)}, false},
	} {
		if err := linearizable(c.history); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}
