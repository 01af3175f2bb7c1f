package targets

import (
	"context"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/results"
)

// Null is the target that does nothing: what is measured on it is the generator itself, the
// ceiling of every figure on this machine.
type Null struct{}

// Open starts a session.
func (Null) Open(context.Context, int) (bench.Session, error) { return nullSession{}, nil }

// Durability is none: there is nothing to keep.
func (Null) Durability() results.Durability { return results.DurabilityNone }

// Consistency is local: there is nothing to agree on.
func (Null) Consistency() results.Consistency { return results.Local }

type nullSession struct{}

func (nullSession) Do(_ context.Context, op *bench.Op) error {
	op.Items = 1 + len(op.More)
	if op.Kind == bench.Get || op.Kind == bench.Scan {
		op.Value = nil
	}
	op.Bytes = int64(len(op.Key) + len(op.Value))
	return nil
}

func (nullSession) Close() error { return nil }
