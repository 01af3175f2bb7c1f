// Package mvcctest holds what every combination of engine and index must do under package mvcc:
// Run is one suite for one combination, Differential drives many with one random history and
// demands the same answers of all. A dumb twin, the list of all changes ever made, says what the
// right answers are.
//
// Random tests print their seed; ETALON_SEED=n repeats one. ETALON_LONG=1 makes them ten times as
// long.
package mvcctest
