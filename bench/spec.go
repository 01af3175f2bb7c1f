package bench

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/etalon-kv/etalon/internal/nearest"
)

// Defaults of a Spec.
const (
	DefaultRecords   = 100_000
	DefaultKeyBytes  = 24
	DefaultValueSize = "1000" // YCSB's ten fields of 100 bytes
	DefaultScan      = "uniform:1-100"

	DefaultBehind       = 10_000
	DefaultWatchers     = 10
	DefaultCompactEvery = 250 * time.Millisecond

	maxWatchers = 1_000_000
)

// Spec describes a workload. Only Workload must be set: zero values take the defaults that Validate
// fills in.
type Spec struct {
	// Workload is one of Workloads: ycsb-a … ycsb-f, put, overwrite, get, scan, delete, recreate,
	// compare-and-put (where the target cannot compare, its put is unconditional), and those that
	// need revisions: range-at-revision, watch, compaction.
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
	// Behind is how many revisions before the newest a scan reads at, at most: each picks one
	// between. 0 = the workload's own: DefaultBehind for range-at-revision, else all read the newest.
	Behind uint64
	// Watchers is how many watch all keys while the workload runs. 0 = the workload's own:
	// DefaultWatchers for watch, else none.
	Watchers int
	// CompactEvery is the pause between the end of a compaction at the newest revision (less Behind)
	// and the next. 0 = the workload's own: DefaultCompactEvery for compaction, else there is none.
	CompactEvery time.Duration
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
	recreates    bool // deletes are of the chosen key, and each insert brings back what was deleted
	scan         string
	behind       uint64
	watchers     int
	compactEvery time.Duration
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

		"recreate": {mix: [numKinds]float64{Delete: 50, Insert: 50}, distribution: "uniform", recreates: true, summary: "deletes a key and creates it again, uniform"},
		"range-at-revision": {mix: [numKinds]float64{Scan: 90, Put: 10}, distribution: "uniform", scan: "100", behind: DefaultBehind,
			summary: "90 % ranges of 100 keys at one of the last 10,000 revisions, 10 % updates (mvcc)"},
		"watch": {mix: [numKinds]float64{Put: 100}, distribution: "uniform", watchers: DefaultWatchers,
			summary: "updates, and watchers of all keys: how long after its put an event arrives (mvcc)"},
		"compaction": {mix: [numKinds]float64{Put: 100}, distribution: "uniform", compactEvery: DefaultCompactEvery,
			summary: "updates with a compaction behind them, every 250 ms after the last one's end (mvcc)"},

		"compare-and-put": {mix: [numKinds]float64{ReadModifyWrite: 100}, distribution: "zipfian", summary: "reads, and puts if unchanged since, zipfian (mvcc)"},
	}
}

// Workloads are the names that Spec.Workload accepts, sorted.
func Workloads() []string { return slices.Sorted(maps.Keys(presets())) }

// NeedsRevisions reports whether the workload of that name makes sense only on a target that keeps
// old revisions, tells of writes, and compacts.
func NeedsRevisions(name string) bool {
	p := presets()[name]
	return p.behind > 0 || p.watchers > 0 || p.compactEvery > 0
}

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
	// recreates: see preset.
	recreates bool
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
	if s.Records == 0 && (p.mix[Insert] < 1 || own.recreates) {
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
	p.Spec, p.recreates = *s, own.recreates
	return p, p.checkBeside()
}

// checkBeside refuses what cannot be watched, compacted or created again.
func (p *plan) checkBeside() error {
	switch {
	case p.Watchers < 0 || p.Watchers > maxWatchers:
		return fmt.Errorf("%d watchers, accepted: 0 to %d", p.Watchers, maxWatchers)
	case p.Watchers > 0 && p.sizes.Min() < 8:
		return fmt.Errorf("value size %q with watchers, accepted: 8 bytes or more, which tell whose write it is", p.sizes.String())
	case p.Watchers > 0 && p.mix[Delete] > 0:
		return errors.New("deletes with watchers: their events tell not whose they are")
	case p.CompactEvery < 0:
		return fmt.Errorf("compaction every %v, accepted: 0 or more", p.CompactEvery)
	case p.recreates && p.Batch > 1:
		return fmt.Errorf("batch of %d pairs with %s, which deletes one key at a time", p.Batch, p.Workload)
	case p.recreates && (p.mix[Delete] == 0 || p.mix[Insert] == 0):
		return fmt.Errorf("mix: %s needs deletes and inserts", p.Workload)
	}
	return nil
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
	s.ScanLength = or(or(s.ScanLength, own.scan), DefaultScan)
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
	if s.Behind == 0 {
		s.Behind = own.behind
	}
	if s.Watchers == 0 {
		s.Watchers = own.watchers
	}
	if s.CompactEvery == 0 {
		s.CompactEvery = own.compactEvery
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
	if p.Behind > 0 {
		m["behind"] = strconv.FormatUint(p.Behind, 10)
	}
	if p.Watchers > 0 {
		m["watchers"] = strconv.Itoa(p.Watchers)
	}
	if p.CompactEvery > 0 {
		m["compactEvery"] = p.CompactEvery.String()
	}
	for k, share := range p.mix {
		if share > 0 {
			m["mix."+kindNames[k]] = strconv.FormatFloat(share, 'g', 6, 64)
		}
	}
	return m
}
