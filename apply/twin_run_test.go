package apply_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/raft"
)

// kv makes commands on keys, leases and alarms, of which some are wrong in ways that servers refuse.
func (s *sampler) kv() apply.Command {
	for {
		switch c := s.command().(type) {
		case *apply.Put:
			s.bend(c)
			return c
		case *apply.Txn:
			for _, ops := range [...][]apply.Op{c.Success, c.Failure} {
				for i := range ops {
					if ops[i].Put != nil {
						s.bend(ops[i].Put)
					}
				}
			}
			return c
		case *apply.DeleteRange:
			if s.r.IntN(60) == 0 {
				c.Key = nil
			}
			return c
		case *apply.LeaseGrant:
			if c.ID == 0 && s.r.IntN(8) > 0 { // so that most are there
				c.ID = apply.LeaseID(1 + s.r.IntN(5))
			}
			return c
		case *apply.LeaseRevoke:
			if s.r.IntN(4) > 0 {
				*c = apply.LeaseRevoke{ID: apply.LeaseID(1 + s.r.IntN(5))}
			}
			return c
		case *apply.Alarm:
			if c.Clear || s.r.IntN(4) == 0 { // refuses nearly everything until it is cleared
				return c
			}
		case *apply.SetMember, *apply.ClusterVersion, *apply.MemberChange:
		default:
			return c
		}
	}
}

// bend makes a put wrong, now and then.
func (s *sampler) bend(p *apply.Put) {
	switch s.r.IntN(120) {
	case 0:
		p.Key = nil
	case 1:
		p.IgnoreValue, p.Value = true, []byte("v")
	case 2:
		p.IgnoreLease, p.Lease = true, 1
	}
}

// plain is a result as text, with the bare sentinel of its error.
func plain(result any) string {
	bare := func(err *error) {
		for _, sentinel := range []error{
			apply.ErrMalformed, apply.ErrEmptyKey, apply.ErrCompacted, apply.ErrFutureRevision, apply.ErrKeyNotFound, apply.ErrValueProvided,
			apply.ErrLeaseProvided, apply.ErrTooManyOps, apply.ErrDuplicateKey, apply.ErrSortOption, apply.ErrLeaseNotFound,
			apply.ErrLeaseExists, apply.ErrTTLTooLarge, apply.ErrStale, apply.ErrNoSpace, apply.ErrCorrupt,
		} {
			if errors.Is(*err, sentinel) {
				*err = sentinel
			}
		}
	}
	switch r := result.(type) {
	case *apply.PutResult:
		bare(&r.Err)
	case *apply.DeleteRangeResult:
		bare(&r.Err)
	case *apply.TxnResult:
		bare(&r.Err)
	case *apply.Done:
		bare(&r.Err)
	case *apply.LeaseGrantResult:
		bare(&r.Err)
	}
	return show(result)
}

// twinEntries makes a random log, with the revisions of a twin that is given it meanwhile.
func twinEntries(rng *rand.Rand, n int) []raft.Entry {
	s, w := &sampler{r: rng}, newTwin()
	entries := make([]raft.Entry, n)
	for i := range entries {
		s.rev = w.rev()
		e := raft.Entry{Index: raft.Index(i + 1), Term: raft.Term(1 + 3*i/n)}
		if rng.IntN(50) > 0 {
			e.Data = s.kv().Append(nil)
		}
		w.do(e)
		entries[i] = e
	}
	return entries
}

// TestAMachineIsLikeItsTwin gives machines on every engine the same random commands, in batches of random size,
// and reads in between. What proposers are told, what reads answer, the leases and the hash of the history must
// be those of the twin, and the images those of one another.
func TestAMachineIsLikeItsTwin(t *testing.T) {
	for range rounds(1, 2) {
		rng := seedtest.Rand(t)
		entries := twinEntries(rng, rounds(1200, 3000))
		var images [][32]byte
		for _, c := range combos() {
			t.Run(c.name, func(t *testing.T) { images = append(images, besideTwin(t, rng, c, entries)) })
		}
		if len(slices.Compact(images)) != 1 {
			t.Errorf("images differ: %x", images)
		}
	}
}

func besideTwin(t *testing.T, rng *rand.Rand, c combo, entries []raft.Entry) [32]byte {
	m, w := c.machine(t, t.TempDir()), newTwin()
	defer func() { m.Close() }()
	s := &sampler{r: rng}
	most := 1 << rng.IntN(7)
	for lo := 0; lo < len(entries); {
		hi := min(len(entries), lo+1+rng.IntN(most))
		results := make([]any, hi-lo)
		if err := m.Apply(entries[lo:hi], results); err != nil {
			t.Fatal(err)
		}
		for i := range results {
			e := entries[lo+i]
			if got, want := plain(results[i]), plain(w.do(e)); got != want {
				cmd, _ := apply.Decode(e.Data)
				t.Fatalf("entry %d %T %+v:\n got %s\nwant %s", e.Index, cmd, cmd, got, want)
			}
		}
		w.at, w.changed, w.now = raft.Entry{}, 0, w.states[len(w.states)-1]
		for range rng.IntN(4) {
			readBeside(t, s, m, w)
		}
		compareLeases(t, m, w)
		if rng.IntN(4) == 0 {
			compareHash(t, m, w, max(w.compacted, w.rev()-rng.Int64N(4), 1))
		}
		lo = hi
	}
	compareAll(t, m, w)
	return dump(t, m)
}

// readBeside makes a random read, and a transaction of reads.
func readBeside(t *testing.T, s *sampler, m *apply.Machine, w *twin) {
	s.rev = w.rev()
	r := s.rangeOp()
	if s.r.IntN(20) == 0 {
		r.Rev = -1 - s.r.Int64N(3)
	}
	var got apply.RangeResult
	err := m.Range(r, &got)
	want := w.refusesRange(r, false)
	if want != nil || err != nil {
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Fatalf("%+v: %v, want %v", r, err, want)
		}
	} else if got, want := show(&got), show(w.rangeOf(r)); got != want {
		t.Fatalf("%+v:\n got %s\nwant %s", r, got, want)
	}
	tx := s.txn(0)
	for _, ops := range []*[]apply.Op{&tx.Success, &tx.Failure} {
		*ops = slices.DeleteFunc(*ops, func(o apply.Op) bool { return o.Range == nil })
	}
	res, err := m.Txn(tx)
	if want := w.refusesTxn(tx); want != nil || err != nil {
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Fatalf("%+v: %v, want %v", tx, err, want)
		}
		return
	}
	wanted := w.txn(tx)
	wanted.Rev = w.rev()
	if got, want := show(res), show(wanted); got != want {
		t.Fatalf("%+v:\n got %s\nwant %s", tx, got, want)
	}
}

// compareAll compares all that is left in the end: every revision, alarms, and the hash.
func compareAll(t *testing.T, m *apply.Machine, w *twin) {
	for rev := max(w.compacted, 1); rev <= w.rev(); rev++ {
		r := &apply.Range{Key: []byte{0}, End: []byte{0}, Rev: rev}
		var got apply.RangeResult
		if err := m.Range(r, &got); err != nil {
			t.Fatal(err)
		}
		if got, want := show(&got), show(w.rangeOf(r)); got != want {
			t.Fatalf("at revision %d:\n got %s\nwant %s", rev, got, want)
		}
	}
	if got := m.Alarms(apply.AlarmNone); len(got) != len(w.alarms) || slices.ContainsFunc(got, func(a apply.AlarmMember) bool { return !w.alarms[a] }) {
		t.Errorf("alarms are %v, want %v", got, w.alarms)
	}
	compareHash(t, m, w, w.rev())
}

// compareHash compares the hash up to a revision. Until what was compacted is gone, it may count still.
func compareHash(t *testing.T, m *apply.Machine, w *twin, rev int64) {
	if err := m.WaitCompacted(t.Context(), m.Compacted()); err != nil {
		t.Fatal(err)
	}
	h, err := m.HashKV(t.Context(), rev)
	if err != nil || h.Hash != w.hash(rev) || h.CompactRev != w.compacted || h.Rev != rev {
		t.Fatalf("hash %+v, %v, want %08x at %d, compacted %d", h, err, w.hash(rev), rev, w.compacted)
	}
}

// compareLeases compares leases and their keys.
func compareLeases(t *testing.T, m *apply.Machine, w *twin) {
	if got, want := fmt.Sprintf("%+v", m.Leases()), fmt.Sprintf("%+v", w.leaseList()); got != want {
		t.Fatalf("leases:\n got %s\nwant %s", got, want)
	}
	for _, l := range w.leaseList() {
		if got, want := fmt.Sprintf("%q", m.LeaseKeys(l.ID)), fmt.Sprintf("%q", w.attached(l.ID)); got != want {
			t.Fatalf("keys of lease %d:\n got %s\nwant %s", l.ID, got, want)
		}
	}
}

// TestATxnIsRefusedLikeItsTwin holds the checks that need no state against those of the twin: operations that
// are too many here or there, keys that are written twice.
func TestATxnIsRefusedLikeItsTwin(t *testing.T) {
	s := &sampler{r: seedtest.Rand(t)}
	met := map[error]int{}
	for range rounds(5_000, 50_000) {
		tx, most := s.txn(3), 1+s.r.IntN(8)
		if s.r.IntN(3) == 0 { // about 128 of them
			most = 128
			for len(tx.Success) < 120+s.r.IntN(12) {
				tx.Success = append(tx.Success, apply.Op{Range: s.rangeOp()})
			}
			if s.r.IntN(2) == 0 {
				tx.Success = append(tx.Success[:8], apply.Op{Txn: &apply.Txn{Failure: tx.Success[8:]}})
			}
		}
		for i := range tx.Success {
			if tx.Success[i].Put != nil {
				s.bend(tx.Success[i].Put)
			}
		}
		got, want := tx.Check(most), checkTxn(tx, most)
		if got != want {
			t.Fatalf("with %d operations: %v, want %v\n%s", most, got, want, showTxn(tx))
		}
		met[want]++
	}
	t.Log(met)
	for _, err := range []error{nil, apply.ErrTooManyOps, apply.ErrDuplicateKey, apply.ErrEmptyKey, apply.ErrValueProvided, apply.ErrLeaseProvided} {
		if met[err] == 0 {
			t.Errorf("never met: %v", err)
		}
	}
}

// showTxn is what a transaction writes.
func showTxn(t *apply.Txn) (text string) {
	for i, ops := range [...][]apply.Op{t.Success, t.Failure} {
		text += []string{"then(", "else("}[i]
		for _, o := range ops {
			switch {
			case o.Put != nil:
				text += fmt.Sprintf("put %s ", o.Put.Key)
			case o.Delete != nil:
				text += fmt.Sprintf("delete %s-%q ", o.Delete.Key, o.Delete.End)
			case o.Txn != nil:
				text += showTxn(o.Txn)
			}
		}
		text += ") "
	}
	return text
}
