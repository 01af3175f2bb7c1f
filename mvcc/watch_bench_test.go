package mvcc

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

// watchBench is a store with n watches, each on a key of its own ("own") or all on one ("shared"),
// in as many streams as told, and a goroutine a stream that reads it.
type watchBench struct {
	s    *Store
	told chan Response // of every response with events, if not nil
	stop func()
}

func newWatchBench(b *testing.B, watches, streams int, shared bool, told chan Response) *watchBench {
	s, h := openWatched(b, HubConfig{})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for n := range streams {
		st, err := h.Stream()
		if err != nil {
			b.Fatal(err)
		}
		for i := n; i < watches; i += streams {
			key := benchKey(i)
			if shared {
				key = benchKey(0)
			}
			if _, err := st.Watch(WatchConfig{Key: key}); err != nil {
				b.Fatal(err)
			}
		}
		for i := n; i < watches; i += streams { // so that this is not part of what is measured
			if r := next(b, st); r.Kind != CreatedResponse {
				b.Fatalf("%+v", r)
			}
		}
		wg.Go(func() {
			defer st.Close()
			for {
				r, err := st.Next(ctx)
				if err != nil {
					return
				}
				if told != nil && r.Kind == EventsResponse {
					told <- r
				}
			}
		})
	}
	runtime.GC()
	return &watchBench{s: s, told: told, stop: func() { cancel(); wg.Wait() }}
}

func benchKey(i int) []byte { return fmt.Appendf(nil, "/registry/pods/default/pod-%012d", i) }

func (w *watchBench) put(b *testing.B, key, value []byte) {
	t, err := w.s.Begin()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := t.Put(key, value, 0); err != nil {
		b.Fatal(err)
	}
	if _, err := t.Commit(false); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPutWatched is the cost of a put beside watches on single keys, which one stream
// carries: puts to keys that are watched, each by one watch, and to keys that are not. ns/op of
// watches=100000 is to be at most twice that of watches=0.
func BenchmarkPutWatched(b *testing.B) {
	const keys = 100_000
	names := make([][]byte, 2*keys)
	for i := range names {
		names[i] = benchKey(i)
	}
	for _, hit := range []bool{true, false} {
		for _, watches := range []int{0, 1, keys} {
			b.Run(fmt.Sprintf("hit=%v/watches=%d", hit, watches), func(b *testing.B) {
				w := newWatchBench(b, watches, 1, false, nil)
				defer w.stop()
				first, n := 0, max(1, watches)
				if watches == 0 {
					n = keys
				}
				if !hit {
					first, n = keys, keys
				}
				value := make([]byte, 256)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					w.put(b, names[first+i*7919%n], value)
				}
				b.StopTimer()
			})
		}
	}
}

// BenchmarkPutWatchedRatio is what a put beside 100,000 watches costs in puts beside none, each of
// which hits one of them (hit=true) or none. Two stores take turns, a few puts each, so that what
// else the machine does falls on both; the reader of the events is part of what is measured when
// the processors are fewer than what is running. The ratio is to be at most 2.
func BenchmarkPutWatchedRatio(b *testing.B) {
	const keys, turn = 100_000, 200
	names := make([][]byte, 2*keys)
	for i := range names {
		names[i] = benchKey(i)
	}
	for _, hit := range []bool{true, false} {
		b.Run(fmt.Sprintf("hit=%v/watches=%d", hit, keys), func(b *testing.B) {
			none := newWatchBench(b, 0, 1, false, nil)
			defer none.stop()
			watched := newWatchBench(b, keys, 1, false, nil)
			defer watched.stop()
			first := 0
			if !hit {
				first = keys
			}
			value := make([]byte, 256)
			var spent [2]time.Duration
			b.ResetTimer()
			for i := 0; i < b.N; i += turn {
				for k, w := range [2]*watchBench{none, watched} {
					start := time.Now()
					for j := i; j < i+turn; j++ {
						w.put(b, names[first+j*7919%keys], value)
					}
					spent[k] += time.Since(start)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(spent[0].Nanoseconds())/float64(b.N), "ns/put-none")
			b.ReportMetric(float64(spent[1].Nanoseconds())/float64(b.N), "ns/put-watched")
			b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio")
		})
	}
}

// BenchmarkWatchFanOut is one put and the delivery of its event to all watches of the key, in one
// stream or in one each. ns/op is from the moment the put is issued until the last has it.
func BenchmarkWatchFanOut(b *testing.B) {
	for _, watches := range []int{1, 100, 10_000} {
		for _, each := range []bool{false, true} {
			streams, name := 1, "one"
			if each {
				streams, name = watches, "each"
			}
			b.Run(fmt.Sprintf("watches=%d/streams=%s", watches, name), func(b *testing.B) {
				told := make(chan Response, watches)
				w := newWatchBench(b, watches, streams, true, told)
				defer w.stop()
				key, value := benchKey(0), make([]byte, 256)
				b.ReportAllocs()
				b.ResetTimer()
				var commit time.Duration
				for range b.N {
					start := time.Now()
					w.put(b, key, value)
					commit += time.Since(start)
					for range watches {
						<-told
					}
				}
				b.StopTimer()
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(watches), "ns/event")
				b.ReportMetric(float64(commit.Nanoseconds())/float64(b.N), "ns/put")
			})
		}
	}
}

// BenchmarkWatchCatchUp reads a history of a million bytes or so from its beginning; ns/op is one
// event.
func BenchmarkWatchCatchUp(b *testing.B) {
	s, h := openWatched(b, HubConfig{})
	w := &watchBench{s: s}
	const revisions = 4000
	for i := range revisions {
		w.put(b, benchKey(i), make([]byte, 256))
	}
	b.ReportAllocs()
	for done := 0; done < b.N; {
		one, err := h.Watch(WatchConfig{Range: true, StartRev: 2})
		if err != nil {
			b.Fatal(err)
		}
		for n := 0; n < revisions; {
			r, err := one.Next(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			n += len(r.Events)
			done += len(r.Events)
		}
		one.Close()
	}
}
