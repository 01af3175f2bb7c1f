// Package selftest lets the load generator prove itself before anyone believes its figures: what it
// costs, whether a known latency is read as it is, whether a stall is charged to every operation
// that was due, whether keys, sizes, arrivals and proportions have the distributions they are said
// to have, whether histograms merge without loss, whether a lying target is found out.
//
// Each check is a small experiment with an answer that is known beforehand. Random ones have fixed
// seeds, so they give the same result each time. Those that depend on the machine being able to keep
// time are tried up to three times, because a busy moment is not a broken harness.
package selftest
