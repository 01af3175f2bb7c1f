// Package enginetest is the one suite that every engine passes: rules of the contract, crashes,
// faults of the disk, and benchmarks with names that benchstat can group. An engine's whole test
// file is
//
//	func open(tb testing.TB, dir string) (engine.Backend, error) { return bolt.Open(dir, bolt.Options{}) }
//
//	func TestEngine(t *testing.T)      { enginetest.Run(t, enginetest.Harness{Open: open}) }
//	func BenchmarkEngine(b *testing.B) { enginetest.Bench(b, enginetest.Harness{Open: open}) }
//
// Run must be the first thing that its test (or subtest) does, once: the crash groups start the
// test binary again with -test.run set to the test's name, and that child finds its work in Run.
//
// Random tests print their seed; ETALON_SEED=n repeats one. With -short there are fewer cycles of
// everything random.
//
// What Run cannot see: whether a sync reaches the platter (kill a machine's power for that), and
// rot in stored bytes (an engine that has checksums shows its own test).
package enginetest
