// Package logtest is the suite that every log store passes: raft/wal and raft/kvlog over each engine.
//
// Log is the contract beyond raft.Storage. Run tries one rule after the other, then random operations
// against a model (twin.go), closing, reopening and, where the store can, cutting the power in between.
// The seed of a failure is printed; ETALON_SEED=… repeats it.
package logtest
