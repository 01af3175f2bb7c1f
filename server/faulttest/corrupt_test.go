package faulttest

import (
	"context"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// TestCorruptMember lets one member store another value than the others.
func TestCorruptMember(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts processes; the full run has it")
	}
	etalon := build(t)
	altered := build(t, edit{"apply/kv.go", "	value, lease := p.Value, p.Lease\n", "	value, lease := p.Value, p.Lease\n\tif string(value) == \"the truth\" {\n\t\tvalue = []byte(\"a lie\")\n\t}\n"})
	c := gather(t, 3, func(i int) []string {
		if i == 1 {
			return []string{altered, "serve", "--engine", "pebble"}
		}
		return []string{etalon, "serve", "--engine", "bolt"}
	})
	c.put("key", "value")
	must(t, agree(c.ctx, c.cluster))
	status, err := c.client.Status(c.ctx, c.members[1].client)
	must(t, err)
	bad := status.Header.MemberId
	c.put("key", "the truth")
	c.insist("the alarm", func(ctx context.Context) error {
		list, err := c.client.AlarmList(ctx)
		if err != nil {
			return err
		}
		for _, a := range list.Alarms {
			if a.Alarm == etcdserverpb.AlarmType_CORRUPT && a.MemberID == bad {
				return nil
			}
		}
		return fmt.Errorf("the alarms are %v, want CORRUPT of %x", list.Alarms, bad)
	})
	for _, m := range c.members {
		cl, err := dial(m.client)
		must(t, err)
		t.Cleanup(func() { cl.Close() })
		c.insist("a refusal", func(ctx context.Context) error { // not before there is a leader
			_, err := cl.Put(ctx, "key", "more")
			switch err {
			case rpctypes.ErrCorrupt:
				return nil
			case nil:
				t.Errorf("a put at %s is done", m.name)
			}
			return err
		})
	}
	must(t, c.died())
}
