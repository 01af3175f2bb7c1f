package apply_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/mvcc"
	"github.com/etalon-kv/etalon/raft"
)

func TestARefoundStateKeepsKeysAndLeasesAndForgetsItsGroup(t *testing.T) {
	founders := []apply.Member{{ID: 31, Name: "a", PeerURLs: []string{"http://a:1"}}, {ID: 32, Name: "b", PeerURLs: []string{"http://b:1"}}}
	for _, c := range combos()[:4] {
		t.Run(c.name, func(t *testing.T) {
			m, _ := filled(t, c, t.TempDir(), 40, "v")
			l := &log{t, m, m.Applied().Index + 1}
			l.do(&apply.Alarm{Member: 1, Type: apply.AlarmNoSpace})
			l.do(&apply.LeaseCheckpoint{Term: 1, Seq: 3, Leases: []apply.LeaseRemaining{{ID: 7, Remaining: 20}}})
			before, err := m.HashKV(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			image := save(t, m)
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}

			dir := t.TempDir()
			m = c.machine(t, dir)
			if err := m.Refound(apply.Refounding{Members: founders}); !errors.Is(err, apply.ErrState) {
				t.Fatalf("a machine that holds nothing: %v", err)
			}
			if err := m.Restore(t.Context(), bytes.NewReader(image)); err != nil {
				t.Fatal(err)
			}
			if err := m.Refound(apply.Refounding{Members: founders}); err != nil {
				t.Fatal(err)
			}
			check := func() {
				t.Helper()
				at := m.Applied()
				if at.Index != 1 || at.Term != 1 || !at.Conf.Equal(&raft.ConfState{Voters: []raft.NodeID{31, 32}}) {
					t.Errorf("applied is %v", at)
				}
				if list, _ := m.Members(); fmt.Sprint(list) != fmt.Sprint(founders) {
					t.Errorf("members are %v", list)
				}
				if a := m.Alarms(apply.AlarmNone); len(a) != 0 {
					t.Errorf("alarms %v", a)
				}
				lease, ok := m.Lease(7)
				if want := (apply.Lease{ID: 7, TTL: 60, Remaining: 20, Grant: 1}); !ok || lease != want {
					t.Errorf("lease %+v, want %+v", lease, want)
				}
				if n := len(m.LeaseKeys(7)); n != 20 {
					t.Errorf("lease 7 has %d keys, want 20", n)
				}
				if h, err := m.HashKV(t.Context(), 0); err != nil || h != before {
					t.Errorf("hash %+v, %v; want %+v", h, err, before)
				}
			}
			check()
			if c.name != "mem" { // which keeps nothing
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				m = c.machine(t, dir)
				check()
			}
			l = &log{t, m, 2}
			l.do(&apply.LeaseCheckpoint{Term: 1, Seq: 1, Leases: []apply.LeaseRemaining{{ID: 7, Remaining: 10, Grant: 1}}})
			if lease, _ := m.Lease(7); lease.Remaining != 10 {
				t.Errorf("a checkpoint of the new group did nothing: %+v", lease)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestABumpedRevisionIsCompactedAndGoesOn(t *testing.T) {
	const bump = 1_000_000
	for _, c := range combos()[:4] {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			m, _ := filled(t, c, dir, 40, "v")
			rev := m.Rev()
			if err := m.Refound(apply.Refounding{Members: []apply.Member{{ID: 31}}, BumpRevisions: bump}); err != nil {
				t.Fatal(err)
			}
			check := func() {
				t.Helper()
				if m.Rev() != rev+bump || m.Compacted() != rev+bump {
					t.Errorf("revision %d, compacted %d; want %d of both", m.Rev(), m.Compacted(), rev+bump)
				}
				var r apply.RangeResult
				if err := m.Range(&apply.Range{Key: []byte("\x00"), End: []byte("\x00")}, &r); err != nil || len(r.KVs) != 40 {
					t.Errorf("%d keys, %v; want 40", len(r.KVs), err)
				}
				if err := m.Range(&apply.Range{Key: []byte("key000"), Rev: rev}, &r); !errors.Is(err, mvcc.ErrCompacted) {
					t.Errorf("a read at a revision of the old group: %v", err)
				}
			}
			check()
			if err := m.WaitCompacted(t.Context(), rev+bump); err != nil {
				t.Fatal(err)
			}
			l := &log{t, m, 2}
			if p := l.do(&apply.Put{Key: []byte("k"), Value: []byte("v")}).(*apply.PutResult); p.Rev != rev+bump+1 {
				t.Errorf("the first put makes revision %d, want %d", p.Rev, rev+bump+1)
			}
			if c.name == "mem" {
				_ = m.Close()
				return
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			m = c.machine(t, dir)
			if m.Rev() != rev+bump+1 || m.Compacted() != rev+bump {
				t.Errorf("after a restart: revision %d, compacted %d", m.Rev(), m.Compacted())
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
