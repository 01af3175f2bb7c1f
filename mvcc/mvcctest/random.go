package mvcctest

import (
	"context"
	"testing"

	"github.com/etalon-kv/etalon/internal/seedtest"
)

func testRandom(t *testing.T, h Harness) {
	t.Run("random histories give the answers of the twin", func(t *testing.T) {
		r := author{seedtest.Rand(t), 40}
		for range rounds(1, 2) {
			x := h.build(t)
			p := newPlay(r, x)
			p.meet(t)
			for range 2 {
				p.run(t, rounds(60, 120))
				if p.w.compacted > 0 {
					must(t, x.store.WaitCompacted(context.Background(), p.w.compacted))
				}
				p.hearAll(t)
				same(t, p.w, p.chains, p.houses)
				p.reopen(t)
			}
			same(t, p.w, p.chains, p.houses)
		}
	})
}
