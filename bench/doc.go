// Package bench is the load generator of Etalon: workloads, key choosers, schedules, recorders
// and the Runner that puts them together. It sees what it measures only as a Target; it never
// prints, exits, registers signals or keeps globals.
//
// Two clocks run for every operation: service time (sent → done) and response time (due → done).
// In an open loop the response time is the headline, so that a stall of the target is charged to
// every operation that was due while it lasted (coordinated omission is avoided by construction,
// not corrected afterwards).
package bench
