package server

import (
	"testing"
	"time"

	"github.com/etalon-kv/etalon/replica"
)

func TestABucketHoldsWhatItsBoundSays(t *testing.T) {
	for b := range stageBuckets {
		if got := stageBucket(stageBound(b)); got != b {
			t.Errorf("%v is in bucket %d, want %d", stageBound(b), got, b)
		}
		if got := stageBucket(stageBound(b) + 1); got != b+1 {
			t.Errorf("%v is in bucket %d, want %d", stageBound(b)+1, got, b+1)
		}
	}
}

func TestStagesCountEveryProposal(t *testing.T) {
	var s Stages
	s.Record(replica.StageSync, time.Millisecond, 10)
	s.Record(replica.StageSync, time.Hour, 1)
	s.Record(replica.Stages, time.Hour, 1)
	f := s.Figures()[replica.StageSync]
	if f.Stage != "sync" || f.Count != 11 || f.Sum != time.Hour+10*time.Millisecond {
		t.Errorf("%s: %d in %v", f.Stage, f.Count, f.Sum)
	}
	for i, bound := range f.Bounds {
		if want := map[bool]uint64{true: 10}[bound >= time.Millisecond]; f.AtMost[i] != want {
			t.Errorf("%d took at most %v, want %d", f.AtMost[i], bound, want)
		}
	}
}
