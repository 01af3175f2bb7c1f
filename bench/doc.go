// Package bench is the load generator of Etalon: workloads, key choosers, schedules, recorders
// and the Runner that puts them together. It sees what it measures only as a Target; it never
// prints, exits, registers signals or keeps globals.
//
// # Two clocks
//
// Service time is sent → done, response time due → done. In an open loop the response time is the
// headline, so that a stall of the target is charged to every operation that was due while it
// lasted: coordinated omission is avoided by construction, not corrected afterwards. A closed loop
// (a nil Schedule) has service times only, and says what the target can do, not what a user waits.
//
// # The life of an operation
//
// A worker owns an Op, a Session, a random source and a Recorder. In a closed loop it lets its
// Workload fill the Op, reads the clock, calls Session.Do, reads the clock, records, and tells the
// Workload the outcome: only Do is between the two readings. In an open loop it first waits for the
// token. Whoever holds the token takes the number of the next operation, asks the Schedule when it
// is due, fills the Op, waits, passes the token on and sends; so one worker at most watches the
// clock, the others are parked, and an operation that finds all workers busy is sent late, its
// response time counted from when it was due. What is still unsent at the end of a phase is dropped
// and counted; the next phase starts a new schedule, without backlog.
//
// The Recorder writes the outcome into a ring in memory of its own. The ring is folded into
// histograms (one set a CPU, not a worker) when it is full and when an interval of the time series
// ends: once in 256 operations a lock is taken, and a thousand workers take 20 MB, not gigabytes.
//
// # What is checked
//
// Every value proves what it is (see Values): reads are checked after the clock was read, one in
// CheckEvery for content and all for presence; and at the end a sample of records is read back,
// those whose writes were followed for being the last ones. The Runner's verdicts are
//
//	errors        the share of failed operations is small; failures are in no success histogram
//	littles-law   what the histograms hold is what the workers' own clocks say
//	answers       no answer was wrong
//
// and its warnings begin with saturated (the target did not keep up: the latencies are no
// headline), generator-limited (the generator did not keep up), headroom (the rate is near what the
// generator can do at all) or cpu-bound (clients waited for cores).
//
// Package selftest proves the generator with targets whose answers are known beforehand.
package bench
