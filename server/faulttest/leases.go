package faulttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// leaseTTL is the time to live that is asked for; servers may give more.
const leaseTTL = 2 * time.Second

// leaseHolder takes leases, keeps some of them alive for a while, and checks that the key of a lease
// is there as long as the lease must live. The promise counts from when the grant or the last
// acknowledged renewal was sent, which is before the server began to count.
func leaseHolder(ctx context.Context, c *cluster, id int, seed uint64) (checked int, err error) {
	r := rand.New(rand.NewPCG(seed, 0x1ea5e+uint64(id)))
	cl, err := dial(c.members[id%len(c.members)].client)
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("lease/%d/%d", id, n)
		sent := time.Now()
		one, cancel := context.WithTimeout(ctx, opTimeout)
		grant, gerr := cl.Grant(one, int64(leaseTTL/time.Second))
		cancel()
		if gerr != nil {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		one, cancel = context.WithTimeout(ctx, opTimeout)
		_, perr := cl.Put(one, key, "held", clientv3.WithLease(grant.ID))
		cancel()
		if perr != nil {
			continue
		}
		until := sent.Add(time.Duration(grant.TTL) * time.Second)
		renewals := r.IntN(4)
		for ctx.Err() == nil {
			one, cancel = context.WithTimeout(ctx, opTimeout)
			resp, gerr := cl.Get(one, key)
			cancel()
			// The answer was made before now: had the lease to live until now, the key must be there.
			if gerr == nil && time.Now().Before(until) && len(resp.Kvs) == 0 {
				return checked, fmt.Errorf("lease %x of %d s ended at least %v early", grant.ID, grant.TTL, time.Until(until))
			}
			if gerr == nil && len(resp.Kvs) == 0 {
				checked++
				break
			}
			if renewals > 0 {
				renewals--
				sent := time.Now()
				one, cancel = context.WithTimeout(ctx, opTimeout)
				alive, kerr := cl.KeepAliveOnce(one, grant.ID)
				cancel()
				if kerr == nil && alive.TTL > 0 {
					until = sent.Add(time.Duration(alive.TTL) * time.Second)
				}
			}
			pause(ctx, time.Duration(50+r.IntN(400))*time.Millisecond)
		}
	}
	return checked, nil
}

// leasesEnd waits until every lease that is left has ended by itself, with its keys.
func leasesEnd(ctx context.Context, c *cluster) error {
	cl, err := dial(c.endpoints()...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		leases, err := cl.Leases(ctx)
		if err == nil && len(leases.Leases) == 0 {
			break
		}
		if !pause(ctx, 200*time.Millisecond) {
			return fmt.Errorf("leases that nobody keeps alive do not end: %v, %v", leases, err)
		}
	}
	resp, err := cl.Get(ctx, "lease/", clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("reading the keys of ended leases: %w", err)
	}
	if len(resp.Kvs) > 0 {
		return fmt.Errorf("%d keys are left of leases that have ended, the first %q", len(resp.Kvs), resp.Kvs[0].Key)
	}
	return nil
}
