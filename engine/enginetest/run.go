package enginetest

import "testing"

// group is one file of the suite.
type group struct {
	name string
	run  func(t *testing.T, h Harness)
}

// Run checks every rule of the contract that can be seen from outside. See the package comment
// for where it must be called.
func Run(t *testing.T, h Harness) {
	if isChild(t, h) {
		return
	}
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) { g.run(t, h) })
	}
}

func groups() []group {
	return []group{
		{"Reads", testReads},
		{"Many", testMany},
		{"Order", testOrder},
		{"Batches", testBatches},
		{"BatchLimits", testBatchLimits},
		{"Snapshots", testSnapshots},
		{"Lifetimes", testLifetimes},
		{"Misuse", testMisuse},
		{"AfterClose", testAfterClose},
		{"Concurrency", testConcurrency},
		{"Random", testRandom},
		{"Copy", testCopy},
		{"Reopen", testReopen},
		{"Directory", testDirectory},
		{"FirstStart", testFirstStart},
		{"Crash", testCrash},
		{"SyncFailure", testSyncFailure},
		{"FullDisk", testFullDisk},
	}
}
