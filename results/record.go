package results

import "time"

// Schema is the version of Record's JSON form. A store of another schema is refused, not guessed.
const Schema = 1

// Durability says what an acknowledged write has survived; it stands on every figure.
type Durability string

const (
	// DurabilitySync: every acknowledged write was fsynced first, by a sync of its own.
	DurabilitySync Durability = "sync"
	// DurabilityGroup: as sync, but writes that wait at the same time share one fsync.
	DurabilityGroup Durability = "group"
	// DurabilityInterval: a crash may lose the writes of the last interval.
	DurabilityInterval Durability = "interval"
	// DurabilityNone: nothing is promised after a crash.
	DurabilityNone Durability = "none"
	// DurabilityUnknown: it is a matter of servers that were not started for the run.
	DurabilityUnknown Durability = "unknown"
)

// Consistency says what a read may answer.
type Consistency string

const (
	Linearizable Consistency = "linearizable"
	Serializable Consistency = "serializable"
	// Local: the answer of one store that has no replicas.
	Local Consistency = "local"
)

// Record is everything about one run: one measurement of one cell. It is written once, as one
// JSON file, and never changed; every table, plot and comparison is derived from Records.
type Record struct {
	Schema int `json:"schema"`
	// ID names the run within its store: cell, repetition and a hash of what defines the run.
	ID string `json:"id"`
	// Suite, Cell and Rep place the run: Cell is the canonical text of Factors, Rep counts from 1.
	Suite string `json:"suite"`
	Cell  string `json:"cell"`
	Rep   int    `json:"rep"`
	// Order is the place of the run in the randomised order of the suite, from 0.
	Order int `json:"order"`
	// Seed is the run's own seed; SuiteSeed the one that shuffled the order.
	Seed      uint64    `json:"seed"`
	SuiteSeed uint64    `json:"suiteSeed"`
	Start     time.Time `json:"start"`

	// Factors is the cell: target, engine, workload, clients, rate, durability, …; every factor
	// has a value, defaults included.
	Factors map[string]string `json:"factors"`
	// Options are all effective options by component (engine, workload, policy, target, runner),
	// defaults included.
	Options map[string]map[string]string `json:"options"`

	Durability  Durability  `json:"durability"`
	Consistency Consistency `json:"consistency"`

	Env Env `json:"env"`

	Phases []Phase `json:"phases"`
	// Ops holds the measured phase by kind of operation ("get", "put", …).
	Ops map[string]*OpStats `json:"ops"`
	// Stages are what the target timed inside itself in the measured phase, in the order of the way
	// that operations take; nil if it times nothing.
	Stages []Stage `json:"stages,omitempty"`
	// Background holds by kind what no client waited for, as the load generator timed it: an "event" of a watch, from the moment its
	// write was sent (or due) until the watcher had it; a "compaction" that ran beside the load. Its
	// counts are in no throughput and no latency of all operations.
	Background map[string]*OpStats `json:"background,omitempty"`
	// Series is the measured phase by second (or Interval), in order.
	Series []Sample `json:"series"`

	Bytes Bytes `json:"bytes"`
	// Resources are those of the processes that did the work. Generator is the load generator's own, where that is
	// another process; else nil, and part of Resources.
	Resources Resources  `json:"resources"`
	Generator *Resources `json:"generator,omitempty"`

	// Warnings are shown wherever the figures are; Verdicts are the checks of the run. A run with
	// a Verdict that is not OK is invalid: it is listed, and left out of every figure.
	Warnings []string  `json:"warnings"`
	Verdicts []Verdict `json:"verdicts"`
}

// Phase is one stretch of a run: fixture, load, warmup, measure, drain, verify.
type Phase struct {
	Name     string        `json:"name"`
	Start    time.Duration `json:"startNS"` // since Record.Start
	Duration time.Duration `json:"durationNS"`
	Ops      int64         `json:"ops"`
	Errors   int64         `json:"errors"`
}

// OpStats are the operations of one kind in the measured phase.
type OpStats struct {
	// Count is the operations that succeeded; Items the keys they read or wrote (a batch of 100
	// puts is one operation and 100 items).
	Count int64 `json:"count"`
	Items int64 `json:"items"`
	// Errors counts failed operations by class; they are in no success histogram.
	Errors map[string]int64 `json:"errors"`
	// Late is how many operations were sent more than 1 ms after they were due; Dropped those
	// that were due in the phase and never sent. Both 0 in a closed loop.
	Late    int64 `json:"late"`
	Dropped int64 `json:"dropped"`
	// Behind, of a background kind, is how many were still owed when the phase ended. They came
	// later and are in the histograms.
	Behind int64 `json:"behind,omitempty"`
	// Service is sent → done. Response is due → done, and is the headline of an open loop; in a
	// closed loop it is nil. Failed is sent → done of failed operations.
	Service  *Histogram `json:"service"`
	Response *Histogram `json:"response,omitempty"`
	Failed   *Histogram `json:"failed,omitempty"`
}

// Sample is one interval of the measured phase.
type Sample struct {
	At       time.Duration `json:"atNS"`       // end of the interval, since the start of the phase
	Duration time.Duration `json:"durationNS"` // its length
	Ops      int64         `json:"ops"`
	Items    int64         `json:"items"`
	Errors   int64         `json:"errors"`
	// Latency is what the headline counts: response time in an open loop, service time in a
	// closed one.
	P50  time.Duration `json:"p50NS"`
	P99  time.Duration `json:"p99NS"`
	P999 time.Duration `json:"p999NS"`
	Max  time.Duration `json:"maxNS"`
	// CPU is cores busy (user + system); RSSBytes the resident memory; GCPause what the collector
	// stopped the process for in the interval, -1 if unknown; all of the processes of Record.Resources.
	CPU      float64       `json:"cpu"`
	RSSBytes int64         `json:"rssBytes"`
	GCPause  time.Duration `json:"gcPauseNS"`
	// DiskBytes is the space the data directory takes; EngineBytes what the engine had written
	// since the phase began; DeviceBytes what the block device below it had
	// been sent since then, by whomever. -1
	// is unknown.
	DiskBytes   int64 `json:"diskBytes"`
	EngineBytes int64 `json:"engineBytes"`
	DeviceBytes int64 `json:"deviceBytes"`
}

// Bytes is the amplification ledger of measure and drain together. -1 is unknown.
type Bytes struct {
	ClientWritten int64 `json:"clientWritten"` // keys and values of acknowledged writes
	ClientRead    int64 `json:"clientRead"`
	EngineWritten int64 `json:"engineWritten"` // engine.Stats.WrittenBytes
	DeviceWritten int64 `json:"deviceWritten"` // sectors written to the block device, by whomever
	Syncs         int64 `json:"syncs"`
	// Dataset is the keys and values of the loaded content; Disk and DiskPeak what the directory
	// takes at the end and at most; Live and Log as in engine.Stats, after drain.
	Dataset  int64 `json:"dataset"`
	Disk     int64 `json:"disk"`
	DiskPeak int64 `json:"diskPeak"`
	Live     int64 `json:"live"`
	Log      int64 `json:"log"`
}

// Resources are those of some processes together over the measured phase. -1 is unknown.
type Resources struct {
	UserCPU      time.Duration `json:"userCPUNS"`
	SystemCPU    time.Duration `json:"systemCPUNS"`
	MaxRSSBytes  int64         `json:"maxRSSBytes"`
	GCCycles     int64         `json:"gcCycles"`
	GCPause      time.Duration `json:"gcPauseNS"`
	AllocBytes   int64         `json:"allocBytes"`
	AllocObjects int64         `json:"allocObjects"`
}

// Verdict is the outcome of one check of a run, such as reading back a sample.
type Verdict struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Valid reports whether every verdict is OK.
func (r *Record) Valid() bool {
	for _, v := range r.Verdicts {
		if !v.OK {
			return false
		}
	}
	return true
}

// Measured returns the phase that the figures come from, and whether the record has one.
func (r *Record) Measured() (Phase, bool) {
	for _, p := range r.Phases {
		if p.Name == "measure" {
			return p, true
		}
	}
	return Phase{}, false
}

// Env is the machine and the software of a run.
type Env struct {
	Host       string `json:"host"` // a hash, never the name
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Kernel     string `json:"kernel"`
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	MemBytes   int64  `json:"memBytes"`
	CgroupCPU  string `json:"cgroupCPU"`
	CgroupMem  string `json:"cgroupMem"`
	Governor   string `json:"governor"`
	FileSystem string `json:"fileSystem"` // of the data directory, with mount options
	Device     string `json:"device"`
	// DiskSync is the latency of one 4 KiB append and fdatasync in the data directory, measured
	// at the start of the suite: median, p99 and how many were taken.
	DiskSyncP50 time.Duration `json:"diskSyncP50NS"`
	DiskSyncP99 time.Duration `json:"diskSyncP99NS"`
	DiskSyncN   int           `json:"diskSyncN"`
	// TimerCost is what one reading of the clock costs.
	TimerCost time.Duration     `json:"timerCostNS"`
	GoVersion string            `json:"goVersion"`
	GOGC      string            `json:"gogc"`
	GOMEMLIM  string            `json:"gomemlimit"`
	Commit    string            `json:"commit"` // of the build, "+dirty" appended; "unknown" if not stamped
	Modules   map[string]string `json:"modules"`
	LoadAvg   float64           `json:"loadAvg"` // of one minute, at the start of the suite
}
