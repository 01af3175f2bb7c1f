package targets

import (
	"context"
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/results"
)

// backend is what targets that stand on one engine.Backend tell the runner about themselves.
type backend struct {
	engine.Backend
	label  results.Durability
	device func() int64 // see deviceCounter
}

func newBackend(b engine.Backend, d results.Durability, dir string) backend {
	return backend{Backend: b, label: Label(d, b.Caps()), device: deviceCounter(dir)}
}

// commitHow turns a durability into the way to commit: by itself or in a group, synced or not.
func commitHow(d results.Durability) (group, sync bool, err error) {
	switch d {
	case results.DurabilitySync:
		return false, true, nil
	case results.DurabilityGroup:
		return true, true, nil
	case results.DurabilityInterval, results.DurabilityNone:
		return false, false, nil
	}
	return false, false, fmt.Errorf("targets: durability %q, accepted: sync, group, interval, none", d)
}

// Label is the durability that a backend really gives when d is asked of it: nothing survives in
// memory, and an engine that always syncs does so unasked.
func Label(d results.Durability, c engine.Caps) results.Durability {
	switch {
	case !c.Persistent:
		return results.DurabilityNone
	case d == results.DurabilityNone && c.AlwaysSync:
		return results.DurabilitySync
	default:
		return d
	}
}

// full reports whether a batch of so many operations and bytes has reached half of what the
// backend takes at once: the next writer's share may be as large as all that is in it.
func (b *backend) full(ops, bytes int) bool {
	caps := b.Caps()
	return caps.MaxBatchBytes > 0 && int64(bytes) >= caps.MaxBatchBytes/2 ||
		caps.MaxBatchOps > 0 && int64(ops) >= caps.MaxBatchOps/2
}

// options are the backend's effective options.
func (b *backend) options() map[string]map[string]string {
	d, ok := b.Backend.(engine.Described)
	if !ok {
		return nil
	}
	return map[string]map[string]string{"engine": d.Options()}
}

// gauges are the backend's statistics, and the device's.
func (b *backend) gauges() bench.Gauges {
	s := b.Stats()
	return bench.Gauges{
		DiskBytes: s.DiskBytes, LiveBytes: s.LiveBytes, LogBytes: s.LogBytes,
		WrittenBytes: s.WrittenBytes, Syncs: s.Syncs, DeviceBytes: b.device(),
	}
}

// drain waits for the backend's background work, if it has any.
func (b *backend) drain(ctx context.Context) error {
	if d, ok := b.Backend.(engine.Drainer); ok && b.Caps().Drain {
		return d.Drain(ctx)
	}
	return nil
}

// errorClass is the name of the class of err, which is that of a sentinel it wraps.
type errorClass struct {
	err  error
	name string
}

func engineClasses() []errorClass {
	return []errorClass{
		{engine.ErrFailed, "failed"},
		{engine.ErrClosed, "closed"},
		{engine.ErrBatchTooBig, "batch-too-big"},
		{engine.ErrKeySize, "key-size"},
		{engine.ErrCorrupt, "corrupt"},
	}
}

// classOf is the first class that fits, "" if none does.
func classOf(err error, classes []errorClass) string {
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return ""
}

// dataBytes are the keys and values that a write moves.
func dataBytes(op *bench.Op) int64 {
	n := int64(len(op.Key))
	if op.Kind != bench.Delete {
		n += int64(len(op.Value))
	}
	for i := range op.More {
		n += int64(len(op.More[i].Key) + len(op.More[i].Value))
	}
	return n
}
