package faulttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// replace kills a member, has the others remove it and add it again, and starts it with an empty disk. When
// ctx ends in the middle it is finished all the same: a cluster that lacks a member cannot recover by
// itself.
func (c *cluster) replace(ctx context.Context, m *member) error {
	m.kill()
	var others []string
	for _, o := range c.members {
		if o != m {
			others = append(others, o.client)
		}
	}
	cl, err := dial(others...)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	url := "http://" + m.proxy.addr()
	if err := insist(ctx, func(ctx context.Context) error { return removeMember(ctx, cl, url) }); err != nil {
		return fmt.Errorf("removing %s: %w", m.name, err)
	}
	if err := insist(ctx, func(ctx context.Context) error {
		_, err := cl.MemberAdd(ctx, []string{url})
		if errors.Is(err, rpctypes.ErrPeerURLExist) { // an answer was lost
			return nil
		}
		return err
	}); err != nil {
		return fmt.Errorf("adding %s again: %w", m.name, err)
	}
	if err := os.RemoveAll(filepath.Join(c.dir, m.name)); err != nil {
		return err
	}
	m.argv[slices.Index(m.argv, "--initial-cluster-state")+1] = "existing"
	return m.start()
}

// removeMember removes whoever has the peer URL.
func removeMember(ctx context.Context, cl *clientv3.Client, url string) error {
	list, err := cl.MemberList(ctx)
	if err != nil {
		return err
	}
	for _, m := range list.Members {
		if slices.Contains(m.PeerURLs, url) {
			if _, err := cl.MemberRemove(ctx, m.ID); err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
				return err
			}
		}
	}
	return nil
}

// insist asks until there is no error, or ctx ends.
func insist(ctx context.Context, f func(context.Context) error) error {
	for {
		one, cancel := context.WithTimeout(ctx, opTimeout)
		err := f(one)
		cancel()
		if err == nil || !pause(ctx, 50*time.Millisecond) {
			return err
		}
	}
}
