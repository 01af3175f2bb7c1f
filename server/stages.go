package server

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/etalon-kv/etalon/replica"
)

// Stages counts how long proposals took in each stage on their way, for /metrics: its Record is a
// replica.Config.Stages. The zero value is ready; all methods may be called by any number of goroutines.
type Stages struct {
	of [replica.Stages]stageCounts
}

type stageCounts struct {
	sumNS  atomic.Int64
	counts [stageBuckets + 1]atomic.Uint64 // the last one is of what took longer
}

// Four buckets an octave, from 1 microsecond (2^10 ns, about) to half a minute (2^35 ns): a bound is at
// most a quarter above what it counts.
const (
	leastStageBits = 10
	mostStageBits  = 35
	stageBuckets   = 4*(mostStageBits-leastStageBits) + 1
)

// stageBucket is the first whose bound is not below took.
func stageBucket(took time.Duration) int {
	if took <= 1<<leastStageBits {
		return 0
	}
	n := uint64(took - 1)
	octave := bits.Len64(n) - 1 // n is in [2^octave, 2^(octave+1))
	return min(4*(octave-leastStageBits)+int(n>>(octave-2)&3)+1, stageBuckets)
}

// stageBound is the greatest duration of a bucket.
func stageBound(bucket int) time.Duration {
	octave, quarter := leastStageBits+bucket/4, bucket%4
	return time.Duration(1)<<octave + time.Duration(quarter)<<(octave-2)
}

// Record counts a batch of so many proposals.
func (s *Stages) Record(stage replica.Stage, took time.Duration, proposals int) {
	if stage >= replica.Stages || proposals <= 0 {
		return
	}
	c := &s.of[stage]
	c.counts[stageBucket(took)].Add(uint64(proposals))
	c.sumNS.Add(int64(took) * int64(proposals))
}

// StageFigures is how long proposals took in one stage.
type StageFigures struct {
	Stage string
	Count uint64
	Sum   time.Duration
	// Bounds are upper ones, rising, and AtMost how many took no longer; Count counts those above, too.
	Bounds []time.Duration
	AtMost []uint64
}

// Figures returns them, in the order of the stages.
func (s *Stages) Figures() []StageFigures {
	all := make([]StageFigures, replica.Stages)
	for i := range all {
		c := &s.of[i]
		f := &all[i]
		f.Stage, f.Sum = replica.Stage(i).String(), time.Duration(c.sumNS.Load())
		f.Bounds, f.AtMost = make([]time.Duration, stageBuckets), make([]uint64, stageBuckets)
		for b := range f.Bounds {
			f.Count += c.counts[b].Load()
			f.Bounds[b], f.AtMost[b] = stageBound(b), f.Count
		}
		f.Count += c.counts[stageBuckets].Load()
	}
	return all
}
