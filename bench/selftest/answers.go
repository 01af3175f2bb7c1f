package selftest

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/results"
)

// latestIsAcknowledged: with many inserters that finish out of order, nobody asks for a key whose
// insert has not been acknowledged.
func latestIsAcknowledged(ctx context.Context, h *harness) (bool, string, error) {
	s := &store{}
	var n, early atomic.Int64
	target := fake{do: func(ctx context.Context, op *bench.Op) error {
		if op.Kind == bench.Insert {
			for range n.Add(1) * 7919 % 50 { // some take long, and others overtake them
				runtime.Gosched()
			}
		}
		err := s.do(ctx, op)
		if err == bench.ErrNotFound {
			early.Add(1)
		}
		return err
	}}
	rec, err := h.record(ctx, bench.Spec{Workload: "ycsb-d", Records: 100, ValueSize: "32", Mix: map[string]float64{"get": 50, "insert": 50}},
		&bench.Runner{Target: target, Workers: 32, Ops: 30_000})
	if err != nil {
		return false, "", err
	}
	v := verdict(rec, "answers")
	return early.Load() == 0 && v.OK, fmt.Sprintf("%d reads of the latest keys beside %d inserts by 32 workers, %d of a key that was not there yet; %s",
		rec.Ops["get"].Count, rec.Ops["insert"].Count, early.Load(), v.Detail), nil
}

// lostWriteIsFound: a target that acknowledges every write and forgets one in twenty is convicted.
func lostWriteIsFound(ctx context.Context, h *harness) (bool, string, error) {
	var puts atomic.Int64
	return h.convicts(ctx, "a target that forgot one acknowledged write in 20", func(op *bench.Op, value []byte) ([]byte, bool) {
		return value, op.Kind != bench.Put || puts.Add(1)%20 != 0
	})
}

// alteredValueIsFound: so is one that flips one bit of one value in twenty.
func alteredValueIsFound(ctx context.Context, h *harness) (bool, string, error) {
	var puts atomic.Int64
	return h.convicts(ctx, "a target that flipped a bit of one value in 20", func(op *bench.Op, value []byte) ([]byte, bool) {
		if op.Kind == bench.Put && puts.Add(1)%20 == 0 {
			value[len(value)/2] ^= 1
		}
		return value, true
	})
}

// convicts runs a load on an honest store and on one that spoil has spoiled: the first must pass,
// the second not.
func (h *harness) convicts(ctx context.Context, what string, spoil func(*bench.Op, []byte) ([]byte, bool)) (bool, string, error) {
	var verdicts [2]results.Verdict
	for i, sp := range []func(*bench.Op, []byte) ([]byte, bool){nil, spoil} {
		s := &store{spoil: sp}
		rec, err := h.record(ctx, bench.Spec{Workload: "ycsb-a", Records: 2000, ValueSize: "uniform:32-64"},
			&bench.Runner{Target: fake{do: s.do}, Workers: 4, Ops: 20_000, Grace: time.Second})
		if err != nil {
			return false, "", err
		}
		verdicts[i] = verdict(rec, "answers")
	}
	detail := verdicts[1].Detail
	if len(detail) > 160 {
		detail = detail[:160] + " …"
	}
	return verdicts[0].OK && !verdicts[1].OK,
		fmt.Sprintf("honest target: %s; %s: %s", verdicts[0].Detail, what, detail), nil
}

func verdict(rec *results.Record, name string) results.Verdict {
	for _, v := range rec.Verdicts {
		if v.Name == name {
			return v
		}
	}
	return results.Verdict{Name: name, Detail: "no verdict"}
}
