// Package indextest is the suite that every index.Index passes, and the benchmark set they are
// compared by. An implementation's test is three lines:
//
//	func TestIndex(t *testing.T)  { indextest.Run(t, packed.New) }
//	func FuzzIndex(f *testing.F)  { indextest.Fuzz(f, packed.New) }
//
// Random tests print their seed; ETALON_SEED=n repeats one, and ETALON_ROUNDS=n makes them n
// times as long.
package indextest
