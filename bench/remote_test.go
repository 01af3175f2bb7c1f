package bench

import (
	"testing"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// elsewhere is a null target that works in another process, and finds fault with itself.
type elsewhere struct {
	*mapTarget
	used    *Used
	verdict results.Verdict
}

func (e elsewhere) Used() Used {
	e.used.UserCPU += time.Millisecond
	return *e.used
}

func (e elsewhere) Verdicts() []results.Verdict { return []results.Verdict{e.verdict} }

func TestWhatWorksElsewhereIsChargedThereAndJudgesItself(t *testing.T) {
	source, err := NewWorkload(Spec{Workload: "put", Records: 10})
	if err != nil {
		t.Fatal(err)
	}
	target := elsewhere{mapTarget: newMapTarget(), used: &Used{SystemCPU: -1, RSSBytes: 77 << 20}, verdict: results.Verdict{Name: "members", Detail: "one has ended"}}
	rec, err := (&Runner{Source: source, Target: target, Ops: 100}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := rec.Resources
	if r.UserCPU < time.Millisecond || r.UserCPU > 10*time.Millisecond || r.SystemCPU != -1 || r.MaxRSSBytes != 77<<20 || r.GCCycles != -1 || r.AllocBytes != -1 {
		t.Errorf("resources %+v are not those that were used elsewhere", r)
	}
	if g := rec.Generator; g == nil || g.AllocObjects < 0 || g.UserCPU < 0 {
		t.Errorf("the generator's own: %+v", g)
	}
	if rec.Valid() || rec.Verdicts[len(rec.Verdicts)-1] != target.verdict {
		t.Errorf("verdicts %+v", rec.Verdicts)
	}
}
