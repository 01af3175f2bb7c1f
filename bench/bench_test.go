package bench

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// hollow is a target that does nothing, as targets.Null does.
type hollow struct{}

func (hollow) Open(context.Context, int) (Session, error) { return hollow{}, nil }
func (hollow) Close() error                               { return nil }
func (hollow) Do(_ context.Context, op *Op) error {
	op.Items = 1 + len(op.More)
	op.Bytes = int64(len(op.Key) + len(op.Value))
	return nil
}

// BenchmarkGenerator is the whole loop of one closed-loop worker on a target that does nothing:
// choosing kind and key, making key and value, two readings of the clock, the call, recording (all
// folding included) and the bookkeeping of acknowledgements. An operation is one such round.
func BenchmarkGenerator(b *testing.B) {
	for _, name := range []string{"ycsb-a", "ycsb-b", "ycsb-c", "ycsb-d", "ycsb-e", "ycsb-f", "put", "overwrite", "get", "scan", "delete"} {
		for _, size := range []string{"256", "1000"} {
			b.Run("workload="+name+"/value="+size, func(b *testing.B) {
				m := mustWorkload(b, Spec{Workload: name, Records: 1_000_000, ValueSize: size})
				r := &Runner{Source: m, Target: hollow{}, Workers: 1, NoVerify: true, Ops: uint64(b.N), Interval: time.Hour}
				if err := r.Validate(); err != nil {
					b.Fatal(err)
				}
				run := &run{Runner: r, target: hollow{}}
				if err := run.openSessions(b.Context()); err != nil {
					b.Fatal(err)
				}
				p := newPace(r.clock, nil, 0)
				p.quota = uint64(b.N)
				rec := NewRecording(1, 1, false)
				run.workers[0].rec = rec.Worker(0)
				b.ReportAllocs()
				b.ResetTimer()
				p.start = p.clock.now()
				run.workers[0].run(b.Context(), p)
			})
		}
	}
}

// BenchmarkNext is the part of BenchmarkGenerator that makes the operation.
func BenchmarkNext(b *testing.B) {
	for _, name := range []string{"ycsb-a", "get", "overwrite", "put"} {
		b.Run("workload="+name, func(b *testing.B) {
			w := mustWorkload(b, Spec{Workload: name, Records: 1_000_000}).Worker(0)
			r := rand.New(rand.NewPCG(1, 2))
			var op Op
			b.ReportAllocs()
			for b.Loop() {
				w.Next(r, &op)
				w.Acknowledged(&op, nil)
			}
		})
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, name := range Distributions() {
		b.Run("distribution="+name, func(b *testing.B) {
			d, err := parseDistribution(name)
			if err != nil {
				b.Fatal(err)
			}
			c, r := d.chooser(1_000_000, false, new(Sequential)), rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				c.Choose(r, 1_000_000)
			}
		})
	}
}

func BenchmarkValue(b *testing.B) {
	for _, size := range []string{"16", "256", "1000", "lognormal:256,0.8", "65536"} {
		sizes, err := ParseSizes(size)
		if err != nil {
			b.Fatal(err)
		}
		v, err := NewValues(1, sizes, 1)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("do=make/size="+size, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				buf = v.Append(buf[:0], i, Stamp(i))
			}
		})
		b.Run("do=check/size="+size, func(b *testing.B) {
			value := v.Append(nil, 1, 2)
			var scratch []byte
			b.ReportAllocs()
			for b.Loop() {
				if scratch, err = v.Check(scratch, 1, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRecord is one Outcome through ring and histograms.
func BenchmarkRecord(b *testing.B) {
	rec := NewRecording(1, 1, true)
	r, o := rec.Worker(0), Outcome{Kind: Get, Items: 1, Read: 100}
	b.ReportAllocs()
	for i := time.Duration(0); b.Loop(); i++ {
		o.Service, o.Response = 1000+i%5000, 1200+i%5000
		r.Record(&o)
	}
}

// BenchmarkClock is one reading of the clock; an operation takes two.
func BenchmarkClock(b *testing.B) {
	c := newWallClock()
	for b.Loop() {
		c.now()
	}
}

// BenchmarkOpenLoop sends 50,000 operations a second to a target that does nothing, and reports
// which share started more than 1 ms after it was due. Run it with -cpu 1.
func BenchmarkOpenLoop(b *testing.B) {
	m := mustWorkload(b, Spec{Workload: "ycsb-a", Records: 100_000, ValueSize: "256"})
	r := &Runner{Source: m, Target: hollow{}, Workers: 16, NoVerify: true, Schedule: Constant{PerSec: 50_000},
		Ops: uint64(b.N), Interval: time.Second}
	rec, err := r.Run(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var late, done int64
	for _, o := range rec.Ops {
		late += o.Late
		done += o.Count
	}
	b.ReportMetric(float64(late)/float64(done), "late/op")
}
