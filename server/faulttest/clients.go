package faulttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// kind of an operation on one key.
type kind uint8

const (
	read kind = iota
	put
	remove
	swap // put if the value is old
)

// op is one operation of a client and what it was told. Times are nanoseconds since the test began.
type op struct {
	client     int
	kind       kind
	key        int
	value, old string // written; expected by a swap
	call, ret  int64
	unknown    bool   // no answer: it may have happened, or happen later
	found      bool   // a read's answer, or that a swap was done, or a removal removed something
	got        string // a read's value
	rev        int64  // of the answer's header
	mod        int64  // a read's mod revision
}

// workload are clients that work on few keys until they are told to stop.
type workload struct {
	c     *cluster
	start time.Time
	mu    sync.Mutex
	ops   []op
}

const (
	keys      = 8
	opTimeout = 2 * time.Second
)

func keyName(k int) string { return fmt.Sprintf("key/%d", k) }

func (w *workload) now() int64 { return int64(time.Since(w.start)) }

// run is one client; it talks to one member at a time, so that each member is asked.
func (w *workload) run(ctx context.Context, id int, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, uint64(id)))
	cl, err := dial(w.c.members[id%len(w.c.members)].client)
	if err != nil {
		return err
	}
	defer cl.Close()
	last := make([]string, keys) // what it saw last, so that swaps have a chance
	for n := 0; ctx.Err() == nil; n++ {
		o := op{client: id, kind: kind(r.IntN(4)), key: r.IntN(keys), value: strconv.Itoa(id) + "." + strconv.Itoa(n)}
		if r.IntN(3) == 0 {
			o.kind = read
		}
		o.old = last[o.key]
		// Not ctx: an operation that was begun gets its answer.
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
		o.call = w.now()
		err := o.do(one, cl)
		o.ret = w.now()
		cancel()
		o.unknown = err != nil
		if o.kind == read && !o.unknown {
			last[o.key] = o.got
		} else if o.kind == put {
			last[o.key] = o.value
		}
		if o.kind == read && o.unknown { // says nothing
			pause(ctx, 20*time.Millisecond)
			continue
		}
		w.mu.Lock()
		w.ops = append(w.ops, o)
		w.mu.Unlock()
		if o.unknown {
			pause(ctx, 20*time.Millisecond)
		}
		pause(ctx, time.Duration(r.IntN(10))*time.Millisecond)
	}
	return nil
}

// do asks the server.
func (o *op) do(ctx context.Context, cl *clientv3.Client) error {
	key := keyName(o.key)
	switch o.kind {
	case read:
		resp, err := cl.Get(ctx, key)
		if err != nil {
			return err
		}
		o.rev = resp.Header.Revision
		if len(resp.Kvs) > 0 {
			o.found, o.got, o.mod = true, string(resp.Kvs[0].Value), resp.Kvs[0].ModRevision
		}
	case put:
		resp, err := cl.Put(ctx, key, o.value)
		if err != nil {
			return err
		}
		o.rev, o.found = resp.Header.Revision, true
	case remove:
		resp, err := cl.Delete(ctx, key)
		if err != nil {
			return err
		}
		o.rev, o.found = resp.Header.Revision, resp.Deleted > 0
	case swap:
		resp, err := cl.Txn(ctx).If(clientv3.Compare(clientv3.Value(key), "=", o.old)).Then(clientv3.OpPut(key, o.value)).Commit()
		if err != nil {
			return err
		}
		o.rev, o.found = resp.Header.Revision, resp.Succeeded
	}
	return nil
}

// compactor compacts now and then, well behind what every watch has seen.
func (w *workload) compactor(ctx context.Context, seen func() int64) error {
	cl, err := dial(w.c.endpoints()...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for pause(ctx, 700*time.Millisecond) {
		if rev := seen() - 50; rev > 0 {
			one, cancel := context.WithTimeout(ctx, opTimeout)
			cl.Compact(one, rev) // refused, late, done twice: all the same here
			cancel()
		}
	}
	return nil
}
