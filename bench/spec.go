package bench

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/etalon-kv/etalon/internal/nearest"
)

// Defaults of a Spec.
const (
	DefaultRecords   = 100_000
	DefaultKeyBytes  = 24
	DefaultValueSize = "1000" // YCSB's ten fields of 100 bytes
	DefaultScan      = "uniform:1-100"
)

// Spec describes a workload. Only Workload must be set: zero values take the defaults that Validate
// fills in.
type Spec struct {
	// Workload is one of Workloads: ycsb-a … ycsb-f, put, overwrite, get, scan, delete,
	// compare-and-put (where the target cannot compare, its put is unconditional).
	Workload string
	// Records are loaded before the run. 0 = DefaultRecords, except for put: none.
	Records uint64
	// KeyBytes is the width of every key. 0 = DefaultKeyBytes.
	KeyBytes int
	// KeyOrder is the order in which records are inserted: "hashed" (default; all over the key range)
	// or "ordered" (ascending).
	KeyOrder string
	// ValueSize is in bytes, in the notation of ParseSizes. "" = DefaultValueSize.
	ValueSize string
	// Compressibility is the share of its size that a compressor leaves of a value, in (0, 1].
	// 0 = 1: incompressible.
	Compressibility float64
	// Distribution says which keys are asked for, in the notation of ParseDistribution. "" = the
	// workload's own.
	Distribution string
	// ScanLength is keys a scan, in the notation of ParseSizes. "" = DefaultScan, YCSB's.
	ScanLength string
	// Batch is how many pairs a write takes. 0 = 1.
	Batch int
	// Mix overrides the workload's proportions: weights by kind (get, put, insert, scan, delete,
	// rmw), of any sum. nil = the workload's own.
	Mix map[string]float64
	// Seed decides the content of values and which records verification follows. Loaded data can be
	// used by another run only if it has the same Seed. The order of operations comes from the
	// Runner's seed.
	Seed uint64
	// CheckEvery is how many reads one whose content is checked stands for, 1 = all. 0 = 16.
	// Whether a key is there is looked at in every read.
	CheckEvery int
}

// preset is a workload's own choice.
type preset struct {
	mix          [numKinds]float64
	distribution string
	empty        bool // needs no loaded records
	summary      string
}

// presets are all workloads. YCSB's are those of its workloads/ folder (Cooper et al., SoCC 2010,
// table 2): their "zipfian" is scrambled, with theta 0.99.
func presets() map[string]preset {
	return map[string]preset{
		"ycsb-a": {mix: [numKinds]float64{Get: 50, Put: 50}, distribution: "zipfian", summary: "50 % reads, 50 % updates, zipfian"},
		"ycsb-b": {mix: [numKinds]float64{Get: 95, Put: 5}, distribution: "zipfian", summary: "95 % reads, 5 % updates, zipfian"},
		"ycsb-c": {mix: [numKinds]float64{Get: 100}, distribution: "zipfian", summary: "reads, zipfian"},
		"ycsb-d": {mix: [numKinds]float64{Get: 95, Insert: 5}, distribution: "latest", summary: "95 % reads of the latest, 5 % inserts"},
		"ycsb-e": {mix: [numKinds]float64{Scan: 95, Insert: 5}, distribution: "zipfian", summary: "95 % scans of 1 to 100 keys from a zipfian start, 5 % inserts"},
		"ycsb-f": {mix: [numKinds]float64{Get: 50, ReadModifyWrite: 50}, distribution: "zipfian", summary: "50 % reads, 50 % read-modify-writes, zipfian"},

		"put":       {mix: [numKinds]float64{Insert: 100}, distribution: "uniform", empty: true, summary: "inserts of new keys"},
		"overwrite": {mix: [numKinds]float64{Put: 100}, distribution: "uniform", summary: "updates of loaded keys, uniform"},
		"get":       {mix: [numKinds]float64{Get: 100}, distribution: "uniform", summary: "reads of loaded keys, uniform"},
		"scan":      {mix: [numKinds]float64{Scan: 100}, distribution: "uniform", summary: "scans from a uniform start"},
		"delete":    {mix: [numKinds]float64{Delete: 50, Insert: 50}, distribution: "uniform", summary: "50 % deletes of the oldest key, 50 % inserts: the size stays"},

		"compare-and-put": {mix: [numKinds]float64{ReadModifyWrite: 100}, distribution: "zipfian", summary: "reads, and puts if unchanged since, zipfian (mvcc)"},
	}
}

// Workloads are the names that Spec.Workload accepts, sorted.
func Workloads() []string { return slices.Sorted(maps.Keys(presets())) }

// WorkloadSummary says in a few words what the workload of that name does; "" if there is none.
func WorkloadSummary(name string) string { return presets()[name].summary }

// Validate fills in the defaults and refuses what makes no sense. It names the first field that is
// wrong, what was given and what is accepted.
func (s *Spec) Validate() error {
	_, err := s.plan()
	return err
}

// plan is a Spec with everything parsed.
type plan struct {
	Spec
	mix    [numKinds]float64 // sums to 1
	sizes  Sizes
	scan   Sizes
	choose distribution
	keys   Keys
}

func (s *Spec) plan() (*plan, error) {
	p, err := s.parse()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return p, nil
}

func (s *Spec) parse() (*plan, error) {
	own, ok := presets()[s.Workload]
	if !ok {
		return nil, nearest.Error("workload", s.Workload, Workloads())
	}
	s.fill(own)
	p := &plan{}
	var err error
	if p.mix, err = s.proportions(own); err != nil {
		return nil, err
	}
	if s.Records > 1<<stampBits {
		return nil, fmt.Errorf("records: %d, accepted: up to %d", s.Records, uint64(1)<<stampBits)
	}
	if s.Records == 0 && p.mix[Insert] < 1 {
		return nil, fmt.Errorf("records: 0, but %s needs loaded records", s.Workload)
	}
	switch s.KeyOrder {
	case "hashed", "ordered":
	default:
		return nil, nearest.Error("key order", s.KeyOrder, []string{"hashed", "ordered"})
	}
	if s.KeyBytes < MinKeyBytes || s.KeyBytes > MaxKeyBytes {
		return nil, fmt.Errorf("key of %d bytes, accepted: %d to %d", s.KeyBytes, MinKeyBytes, MaxKeyBytes)
	}
	if p.keys, err = NewKeys(s.KeyBytes, s.KeyOrder == "hashed"); err != nil {
		return nil, err
	}
	if p.sizes, err = parseSizes(s.ValueSize); err != nil {
		return nil, fmt.Errorf("value size %q: %w", s.ValueSize, err)
	}
	if p.scan, err = parseSizes(s.ScanLength); err != nil {
		return nil, fmt.Errorf("scan length %q: %w", s.ScanLength, err)
	}
	if p.scan.Min() < 1 {
		return nil, fmt.Errorf("scan length: %q, accepted: 1 key or more", s.ScanLength)
	}
	if !(s.Compressibility > 0 && s.Compressibility <= 1) {
		return nil, fmt.Errorf("compressibility: %v, accepted: above 0 up to 1 (incompressible)", s.Compressibility)
	}
	if p.choose, err = parseDistribution(s.Distribution); err != nil {
		return nil, err
	}
	if s.Batch < 1 || s.Batch > 1<<20 {
		return nil, fmt.Errorf("batch of %d pairs, accepted: 1 to %d", s.Batch, 1<<20)
	}
	if s.CheckEvery < 1 {
		return nil, fmt.Errorf("check every %d reads, accepted: 1 or more", s.CheckEvery)
	}
	p.Spec = *s
	return p, nil
}

// fill puts the defaults in.
func (s *Spec) fill(own preset) {
	if s.Records == 0 && !own.empty {
		s.Records = DefaultRecords
	}
	if s.KeyBytes == 0 {
		s.KeyBytes = DefaultKeyBytes
	}
	s.KeyOrder = or(s.KeyOrder, "hashed")
	s.ValueSize = or(s.ValueSize, DefaultValueSize)
	s.ScanLength = or(s.ScanLength, DefaultScan)
	s.Distribution = or(s.Distribution, own.distribution)
	if s.Compressibility == 0 {
		s.Compressibility = 1
	}
	if s.Batch == 0 {
		s.Batch = 1
	}
	if s.CheckEvery == 0 {
		s.CheckEvery = 16
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// proportions are the shares of the kinds, which sum to 1.
func (s *Spec) proportions(own preset) ([numKinds]float64, error) {
	mix := own.mix
	if s.Mix != nil {
		mix = [numKinds]float64{}
		for _, name := range slices.Sorted(maps.Keys(s.Mix)) {
			k := slices.Index(kindNames[:], name)
			if k < 0 {
				return mix, nearest.Error("kind of operation", name, kindNames[:])
			}
			if w := s.Mix[name]; !(w >= 0 && w <= math.MaxInt32) {
				return mix, fmt.Errorf("mix: %s: %v, accepted: 0 or more", name, w)
			}
			mix[k] = s.Mix[name]
		}
	}
	sum := 0.0
	for _, w := range mix {
		sum += w
	}
	if sum == 0 {
		return mix, fmt.Errorf("mix: all proportions are 0")
	}
	for k := range mix {
		mix[k] /= sum
	}
	return mix, nil
}

// options are the settings as they go into the record.
func (p *plan) options() map[string]string {
	m := map[string]string{
		"workload":        p.Workload,
		"records":         strconv.FormatUint(p.Records, 10),
		"keyBytes":        strconv.Itoa(p.KeyBytes),
		"keyOrder":        p.KeyOrder,
		"valueSize":       p.sizes.String(),
		"compressibility": strconv.FormatFloat(p.Compressibility, 'g', -1, 64),
		"distribution":    p.choose.String(),
		"scanLength":      p.scan.String(),
		"batch":           strconv.Itoa(p.Batch),
		"contentSeed":     strconv.FormatUint(p.Seed, 10),
		"checkEvery":      strconv.Itoa(p.CheckEvery),
	}
	for k, share := range p.mix {
		if share > 0 {
			m["mix."+kindNames[k]] = strconv.FormatFloat(share, 'g', 6, 64)
		}
	}
	return m
}
