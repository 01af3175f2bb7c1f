package targets

import (
	"context"
	"errors"
	"fmt"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/mvcc"
)

// Watch watches [key, end) through a stream of its own. It ends with the store, too.
func (m *MVCC) Watch(ctx context.Context, key, end []byte) (bench.Watch, error) {
	m.hubOnce.Do(func() { m.hub, m.hubErr = mvcc.NewHub(m.store, mvcc.HubConfig{}) })
	if m.hubErr != nil {
		return nil, m.hubErr
	}
	return watchHub(ctx, m.hub, key, end)
}

// watchHub watches [key, end) through a stream of its own.
func watchHub(ctx context.Context, hub *mvcc.Hub, key, end []byte) (bench.Watch, error) {
	stream, err := hub.Stream()
	if err != nil {
		return nil, err
	}
	w := &mvccWatch{stream: stream}
	if _, err = stream.Watch(mvcc.WatchConfig{Key: key, Range: true, End: end}); err == nil {
		_, err = stream.Next(ctx) // that it was created
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Compact makes rev the oldest revision that can be read, and waits until the records below are gone.
func (m *MVCC) Compact(ctx context.Context, rev int64) error {
	if err := m.store.Compact(rev); err != nil {
		return err
	}
	return m.store.WaitCompacted(ctx, rev)
}

type mvccWatch struct {
	stream *mvcc.Stream
	events []bench.Event
}

func (w *mvccWatch) Next(ctx context.Context) ([]bench.Event, error) {
	r, err := w.stream.Next(ctx)
	if err != nil {
		return nil, err
	}
	if r.Kind == mvcc.CanceledResponse {
		return nil, fmt.Errorf("targets: watch was canceled: %w", &mvcc.CompactedError{CompactRev: r.CompactRev})
	}
	w.events = w.events[:0]
	for i := range r.Events {
		e := &r.Events[i]
		w.events = append(w.events, bench.Event{Key: e.Key, Value: e.Value, Rev: e.ModRevision, Deleted: e.Tombstone})
	}
	return w.events, nil
}

func (w *mvccWatch) Close() error { return w.stream.Close() }

var (
	_ bench.Watchable = (*MVCC)(nil)
	_ bench.Compactor = (*MVCC)(nil)
)
