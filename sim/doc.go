// Package sim is a deterministic world for distributed programs: virtual time, hosts that crash and
// pause and whose clocks drift, a network that loses, repeats, delays and cuts, and disks that forget
// what was not synced. It knows nothing of what runs in it.
//
// Everything happens on one goroutine, in events ordered by time and then by when they were scheduled.
// All chance comes from the seed of the World, in streams apart for each purpose, so that more draws
// for one thing do not change another. The same seed and the same program give the same events; the
// trace, a hash over all of them, shows it.
//
// # The life of an event
//
// Whoever wants something to happen later schedules a function: on the World, or on a Host, where
// it is forgotten when the host crashes and waits while it is paused. World.Step takes the earliest,
// moves the time to it, mixes it into the trace, and calls it. What the function notes (World.Note) goes into
// the trace as well; what it reports to World.Sometimes is counted, so that a test can demand that rare
// situations were met.
//
// # What it is not
//
// It runs no goroutines of the program and intercepts no system calls: a program takes its time,
// randomness, network and disk as arguments, or it cannot be simulated. Calls on a Disk take no
// virtual time by themselves; who drives the program decides when they happen, and what a crash in
// the middle of a call leaves (Disk.CutAfter).
package sim
