// Package resultstest makes synthetic records that look like measured ones, for the tests of
// results, its plots and its report. Equal options give equal records; nothing in them was measured.
package resultstest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/etalon-kv/etalon/results"
)

// Options choose the records. Zero fields take the defaults that are named.
type Options struct {
	Seed       uint64             // any value, 0 too
	Engines    []string           // mem, bolt, pebble, badger
	Workloads  []string           // put, get, ycsb-a
	Reps       int                // 3
	Rate       int                // operations a second of an open loop; 0 = closed loop
	Durability results.Durability // sync; mem is none whatever is asked
	Speed      float64            // 1; 0.9 makes every engine a tenth slower
	Duration   time.Duration      // 5 s measured
}

func (o *Options) fill() {
	if o.Engines == nil {
		o.Engines = []string{"mem", "bolt", "pebble", "badger"}
	}
	if o.Workloads == nil {
		o.Workloads = []string{"put", "get", "ycsb-a"}
	}
	if o.Reps == 0 {
		o.Reps = 3
	}
	if o.Durability == "" {
		o.Durability = results.DurabilitySync
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.Duration == 0 {
		o.Duration = 5 * time.Second
	}
}

// Records returns every engine × workload × repetition, in a shuffled order as a suite runs them.
func Records(o Options) []*results.Record {
	o.fill()
	rng := rand.New(rand.NewPCG(o.Seed, 0xe7a10))
	var recs []*results.Record
	for rep := 1; rep <= o.Reps; rep++ {
		block := len(recs)
		for _, w := range o.Workloads {
			for _, e := range o.Engines {
				recs = append(recs, o.record(rng, e, w, rep))
			}
		}
		b := recs[block:]
		rng.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, r := range recs {
		r.Order = i
		r.Start = start.Add(time.Duration(i) * 8 * time.Second)
	}
	return recs
}

// engineModel is what the synthetic engines differ in.
type engineModel struct {
	read, write time.Duration // typical service time of one operation at 4 clients
	tail        float64       // spread of the logarithm of a latency
	writeAmp    float64
	spaceAmp    float64
	stall       time.Duration // every other second one of these
}

func model(engine string) engineModel {
	switch engine {
	case "mem":
		return engineModel{read: 2 * time.Microsecond, write: 4 * time.Microsecond, tail: 0.3, writeAmp: 0, spaceAmp: 1.2}
	case "bolt":
		return engineModel{read: 6 * time.Microsecond, write: 900 * time.Microsecond, tail: 0.35, writeAmp: 38, spaceAmp: 1.9}
	case "pebble":
		return engineModel{read: 11 * time.Microsecond, write: 420 * time.Microsecond, tail: 0.5, writeAmp: 6, spaceAmp: 1.15, stall: 25 * time.Millisecond}
	case "badger":
		return engineModel{read: 14 * time.Microsecond, write: 510 * time.Microsecond, tail: 0.6, writeAmp: 4.5, spaceAmp: 2.6, stall: 60 * time.Millisecond}
	}
	return engineModel{read: 20 * time.Microsecond, write: 700 * time.Microsecond, tail: 0.5, writeAmp: 10, spaceAmp: 2}
}

const clients, keyBytes, valueBytes, loadedKeys = 4, 16, 256, 100_000

func (o *Options) record(rng *rand.Rand, engine, workload string, rep int) *results.Record {
	m := model(engine)
	dur := o.Durability
	if engine == "mem" {
		dur = results.DurabilityNone
	}
	loop := "closed"
	if o.Rate > 0 {
		loop = strconv.Itoa(o.Rate)
	}
	factors := map[string]string{
		"target": "engine", "engine": engine, "workload": workload, "clients": strconv.Itoa(clients),
		"rate": loop, "keys": strconv.Itoa(loadedKeys), "value": strconv.Itoa(valueBytes),
		"durability": string(dur), "policy": "none",
	}
	r := &results.Record{
		Schema: results.Schema, ID: results.RunID(factors, rep, fmt.Sprint(o.Seed, o.Speed)),
		Suite: "quick", Cell: results.CellText(factors), Rep: rep,
		Seed: rng.Uint64(), SuiteSeed: o.Seed,
		Factors: factors, Durability: dur, Consistency: results.Local,
		Options: map[string]map[string]string{
			"engine":   {"cacheBytes": "67108864", "implementation": engine},
			"workload": {"distribution": "zipfian", "compressibility": "0.50"},
			"runner":   {"warmup": "1s", "duration": o.Duration.String()},
		},
		Env: env(), Ops: map[string]*results.OpStats{},
		Warnings: []string{},
		Verdicts: []results.Verdict{{Name: "read back", OK: true, Detail: "1000 of 1000 keys as written"}},
	}
	// A run as a whole is a few percent faster or slower than its neighbours.
	speed := o.Speed * math.Exp(rng.NormFloat64()*0.02)
	o.fillOps(rng, r, m, speed)
	o.fillSeries(rng, r, m)
	return r
}

// fillOps draws latencies of each kind and scales the histograms to the operations that clients
// busy all the time get done, so that Little's law holds.
func (o *Options) fillOps(rng *rand.Rand, r *results.Record, m engineModel, speed float64) {
	mix := map[string]float64{"get": 1}
	switch r.Factors["workload"] {
	case "put", "overwrite", "ycsb-load":
		mix = map[string]float64{"put": 1}
	case "ycsb-a":
		mix = map[string]float64{"get": 0.5, "put": 0.5}
	}
	kinds := []string{"get", "put"}
	base := map[string]time.Duration{"get": m.read, "put": m.write}
	var perOp float64 // mean service time over the mix
	for _, k := range kinds {
		perOp += mix[k] * float64(base[k]) / speed * math.Exp(m.tail*m.tail/2)
	}
	total := clients / perOp * float64(o.Duration)
	if o.Rate > 0 {
		total = min(total, float64(o.Rate)*o.Duration.Seconds())
	}
	for _, k := range kinds {
		if mix[k] == 0 {
			continue
		}
		const draws = 5000
		service := results.NewHistogram()
		var response *results.Histogram
		if o.Rate > 0 {
			response = results.NewHistogram()
		}
		for range draws {
			d := time.Duration(float64(base[k]) / speed * math.Exp(rng.NormFloat64()*m.tail))
			if m.stall > 0 && rng.Float64() < 0.0008 {
				d += time.Duration(rng.Float64() * float64(m.stall))
			}
			service.Record(d)
			if response != nil {
				response.Record(d + time.Duration(rng.ExpFloat64()*float64(d)))
			}
		}
		times := max(int(total*mix[k]/draws), 1)
		s := &results.OpStats{
			Count: int64(times * draws), Items: int64(times * draws),
			Errors: map[string]int64{}, Service: repeat(service, times),
		}
		if response != nil {
			s.Response, s.Late = repeat(response, times), int64(times)
		}
		r.Ops[k] = s
	}
}

// repeat is h recorded n times over.
func repeat(h *results.Histogram, n int) *results.Histogram {
	out, double := results.NewHistogram(), h.Clone()
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			out.Merge(double)
		}
		double.Merge(double.Clone())
	}
	return out
}

func env() results.Env {
	return results.Env{
		Host: "4f1c2a9b", OS: "linux", Arch: "amd64", Kernel: "6.12.0", CPU: "Synthetic CPU 3.0 GHz", Cores: 2,
		GOMAXPROCS: 2, MemBytes: 8 << 30, CgroupCPU: "no limit", CgroupMem: "no limit", Governor: "unknown",
		FileSystem: "ext4 rw,relatime", Device: "virtio disk, not rotational",
		DiskSyncP50: 180 * time.Microsecond, DiskSyncP99: 900 * time.Microsecond, DiskSyncN: 300,
		TimerCost: 40 * time.Nanosecond, GoVersion: "go1.26.0", GOGC: "100", GOMEMLIM: "off", Commit: "unknown",
		Modules: map[string]string{"go.etcd.io/bbolt": "v1.5.0", "github.com/cockroachdb/pebble/v2": "v2.1.7"},
		LoadAvg: 0.25,
	}
}
