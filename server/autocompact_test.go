package server

import (
	"testing"
	"time"
)

func TestCompactorKeepsAPeriod(t *testing.T) {
	c := compactor{keep: Retention{Period: time.Hour}}
	if c.interval() != 6*time.Minute {
		t.Errorf("looks every %v", c.interval())
	}
	start := time.Unix(0, 0)
	for i := range 10 { // revision 100 at minute 0, 101 at minute 6, …
		if rev := c.next(start.Add(time.Duration(i)*6*time.Minute), 100+int64(i)); rev != 0 {
			t.Fatalf("compacts at %d after %d minutes", rev, 6*i)
		}
	}
	for i := 10; i < 15; i++ {
		rev := c.next(start.Add(time.Duration(i)*6*time.Minute), 100+int64(i))
		if want := 100 + int64(i) - 10; rev != want {
			t.Errorf("compacts at %d after %d minutes, want %d", rev, 6*i, want)
		}
		c.done = rev
	}
}

func TestCompactorKeepsRevisions(t *testing.T) {
	c := compactor{keep: Retention{Revisions: 1000}}
	for _, s := range []struct{ rev, want int64 }{{500, 0}, {1000, 0}, {1500, 500}, {1500, 0}, {1700, 700}} {
		got := c.next(time.Time{}, s.rev)
		if got != s.want {
			t.Errorf("at %d compacts at %d, want %d", s.rev, got, s.want)
		}
		c.done = max(c.done, got)
	}
}
