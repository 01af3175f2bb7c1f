package main

import (
	"fmt"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/bench/suite"
	"github.com/etalon-kv/etalon/results/plot"
)

// mostWriteBytes is what the writes of all workers of a cell may hold at a time: they are in memory.
const mostWriteBytes = 4 << 30

// checkWrites refuses writes that the load generator could not hold.
func checkWrites(spec bench.Spec, clients int64) error {
	sizes, err := bench.ParseSizes(spec.ValueSize)
	if err != nil {
		return err
	}
	each := float64(spec.Batch) * float64(spec.KeyBytes+sizes.Max())
	if total := each * float64(clients); total > mostWriteBytes {
		return fmt.Errorf("clients=%d batch=%d value=%s: writes of up to %s, %s of all clients at a time, accepted: up to %s",
			clients, spec.Batch, spec.ValueSize, plot.FormatBytes(each), plot.FormatBytes(total), plot.FormatBytes(mostWriteBytes))
	}
	return nil
}

// loadedBytes is the least that the loaded records of a cell take, compressed as far as they can be.
func loadedBytes(spec bench.Spec) (float64, error) {
	sizes, err := bench.ParseSizes(spec.ValueSize)
	if err != nil {
		return 0, err
	}
	return float64(spec.Records) * (float64(spec.KeyBytes) + sizes.Mean()*spec.Compressibility), nil
}

// checkRoom refuses runs whose fixtures, which stay until the last run, cannot all fit into free bytes.
// It says nothing of runs that load into memory.
func (c *campaign) checkRoom(runs []suite.Run, free int64) error {
	fixtures := make(map[string]bool)
	var total, most float64
	var biggest suite.Run
	for _, r := range runs {
		j := job{Run: r, Options: c.suite.Options}
		if !j.usesFixture() {
			continue
		}
		key, err := fixtureKey(j)
		if err != nil {
			return err
		}
		if fixtures[key] {
			continue
		}
		fixtures[key] = true
		spec, err := cellSpec(r.Factors, contentSeed)
		if err != nil {
			return err
		}
		bytes, err := loadedBytes(spec)
		if err != nil {
			return err
		}
		if total += bytes; bytes > most {
			most, biggest = bytes, r
		}
	}
	if total <= float64(free) {
		return nil
	}
	return fmt.Errorf("the loaded records take %s or more (records=%s of value=%s take %s), and %s has %s free: fewer records, or a larger disk by --data",
		plot.FormatBytes(total), biggest.Factors["records"], biggest.Factors["value"], plot.FormatBytes(most), c.dataDir, plot.FormatBytes(float64(free)))
}
