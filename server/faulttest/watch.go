package faulttest

import (
	"context"
	"fmt"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// event is one change of a key, as a watch was told of it.
type event struct {
	key    string
	value  string
	delete bool
	rev    int64
}

// watcher takes all events under "key/" from one member, from the first revision on.
type watcher struct {
	member int
	events []event
	seen   atomic.Int64 // the revision up to which it was told everything
}

// run watches until every event up to the revision until was told; until is asked when ctx has ended.
func (v *watcher) run(ctx context.Context, endpoint string, last func() int64) error {
	cl, err := dial(endpoint)
	if err != nil {
		return err
	}
	defer cl.Close()
	bg, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	responses := cl.Watch(clientv3.WithRequireLeader(bg), "key/", clientv3.WithPrefix(), clientv3.WithRev(1))
	next := int64(1)
	deadline := ctx.Done()
	for {
		select {
		case <-deadline:
			deadline = nil
			if last() <= v.seen.Load() {
				return nil
			}
		case resp, ok := <-responses:
			if err := resp.Err(); !ok || err != nil {
				if resp.CompactRevision > 0 {
					return fmt.Errorf("watch at member %d: compacted at %d, behind revision %d that it was told last", v.member, resp.CompactRevision, next-1)
				}
				// No leader for a while: a new watch goes on where this one was.
				responses = cl.Watch(clientv3.WithRequireLeader(bg), "key/", clientv3.WithPrefix(), clientv3.WithRev(next))
				continue
			}
			for _, e := range resp.Events {
				v.events = append(v.events, event{
					key: string(e.Kv.Key), value: string(e.Kv.Value), delete: e.Type == clientv3.EventTypeDelete, rev: e.Kv.ModRevision,
				})
			}
			if n := len(resp.Events); n > 0 {
				next = resp.Events[n-1].Kv.ModRevision + 1
				v.seen.Store(next - 1)
			}
			if deadline == nil && v.seen.Load() >= last() {
				return nil
			}
		}
	}
}
