package mem_test

import (
	"testing"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
	"github.com/etalon-kv/etalon/engines/mem"
)

func harness() enginetest.Harness {
	return enginetest.Harness{Open: func(testing.TB, string) (engine.Backend, error) {
		return mem.Open(mem.Options{})
	}}
}

func BenchmarkEngine(b *testing.B) { enginetest.Bench(b, harness()) }

func TestEngine(t *testing.T) { enginetest.Run(t, harness()) }
