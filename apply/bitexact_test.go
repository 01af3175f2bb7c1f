package apply_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/internal/seedtest"
	"github.com/etalon-kv/etalon/raft"
)

// history is a random log with the results of a machine that applied it one by one.
type history struct {
	entries []raft.Entry
	results []any
	end     summary
}

// summary is all that can be seen of a machine.
type summary struct {
	Applied   raft.Snapshot
	Digest    uint64
	Hash      string
	Dump      [32]byte
	Leases    []apply.Lease
	LeaseKeys [][][]byte
	Alarms    []apply.AlarmMember
	Members   []apply.Member
	Version   string
}

func summarize(tb testing.TB, m *apply.Machine) summary {
	tb.Helper()
	if err := m.WaitCompacted(tb.Context(), m.Compacted()); err != nil {
		tb.Fatal(err)
	}
	_, digest, ok := m.Digest(0)
	hash, err := m.HashKV(tb.Context(), 0)
	if err != nil || !ok {
		tb.Fatal(err, ok)
	}
	s := summary{
		Applied: m.Applied(), Digest: digest, Hash: fmt.Sprintf("%+v", hash), Dump: dump(tb, m),
		Leases: m.Leases(), Alarms: m.Alarms(apply.AlarmNone), Version: m.ClusterVersion(),
	}
	s.Members, _ = m.Members()
	for _, l := range s.Leases {
		s.LeaseKeys = append(s.LeaseKeys, m.LeaseKeys(l.ID))
	}
	return s
}

// dump is the SHA-256 of the image.
func dump(tb testing.TB, m *apply.Machine) (sum [32]byte) {
	tb.Helper()
	i, err := m.Save()
	if err != nil {
		tb.Fatal(err)
	}
	h := sha256.New()
	if _, err := i.WriteTo(h); err != nil {
		tb.Fatal(err)
	}
	if err := i.Close(); err != nil {
		tb.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// change is the membership change of an entry; its core accepts what the state accepts.
func change(e raft.Entry) (*raft.ConfChange, bool) {
	if e.Type != raft.EntryConfChange {
		return nil, false
	}
	cc := &raft.ConfChange{}
	if err := cc.Decode(e.Data); err != nil {
		panic(err)
	}
	return cc, true
}

// applyTo applies entries in batches of at most size, with results or without.
func applyTo(tb testing.TB, m *apply.Machine, entries []raft.Entry, size func() int, wanted func() bool) []any {
	tb.Helper()
	var all []any
	for len(entries) > 0 {
		if cc, ok := change(entries[0]); ok {
			conf := m.Applied().Conf
			res, err := m.ApplyChange(entries[0], cc, func() (raft.ConfState, error) { return joined(conf, cc), nil }, func() error { return nil })
			if err != nil {
				tb.Fatal(err)
			}
			all, entries = append(all, res), entries[1:]
			continue
		}
		n := 1
		for most := size(); n < most && n < len(entries) && entries[n].Type == raft.EntryNormal; n++ {
		}
		results := make([]any, n)
		given := results
		if !wanted() {
			given = nil
		}
		if err := m.Apply(entries[:n], given); err != nil {
			tb.Fatal(err)
		}
		if given == nil {
			for i := range results {
				results[i] = unknown{}
			}
		}
		all, entries = append(all, results...), entries[n:]
	}
	return all
}

// unknown stands for a result that nobody wanted.
type unknown struct{}

// joined is what a core would make of conf.
func joined(conf raft.ConfState, cc *raft.ConfChange) raft.ConfState {
	conf = conf.Clone()
	id := cc.Changes[0].Node
	without := func(ids []raft.NodeID) []raft.NodeID {
		return slices.DeleteFunc(ids, func(o raft.NodeID) bool { return o == id })
	}
	conf.Voters, conf.Learners = without(conf.Voters), without(conf.Learners)
	switch cc.Changes[0].Type {
	case raft.AddVoter:
		conf.Voters = append(conf.Voters, id)
	case raft.AddLearner:
		conf.Learners = append(conf.Learners, id)
	}
	slices.Sort(conf.Voters)
	slices.Sort(conf.Learners)
	return conf
}

func founders() []apply.Member {
	return []apply.Member{
		{ID: 1, Name: "one", PeerURLs: []string{"http://127.0.0.1:1"}},
		{ID: 2, Name: "two", PeerURLs: []string{"http://127.0.0.1:2"}},
	}
}

// record makes a history of n entries.
func record(t *testing.T, rng *rand.Rand, n int) *history {
	m := combos()[0].machine(t, "")
	defer m.Close()
	if err := m.Found(founders()); err != nil {
		t.Fatal(err)
	}
	h := &history{}
	s := &sampler{r: rng}
	for i := range n {
		s.rev = m.Rev()
		e := raft.Entry{Index: raft.Index(i + 2), Term: raft.Term(1 + 3*i/n)}
		switch k := rng.IntN(50); {
		case k == 0: // a leader's first
		case k == 1:
			e.Data = []byte{99, 1, 2}
		case k == 2:
			mc := &apply.MemberChange{Promote: s.bool(), MaxLearners: 1, Member: s.member()}
			cc := &raft.ConfChange{Changes: []raft.Change{{
				Type: []raft.ChangeType{raft.AddVoter, raft.AddLearner, raft.RemoveNode}[rng.IntN(3)], Node: raft.NodeID(mc.Member.ID),
			}}, Context: mc.Append(nil)}
			if mc.Member.ID > 2 {
				e.Type, e.Data = raft.EntryConfChange, cc.Append(nil)
			}
		default:
			e.Data = s.command().Append(nil)
		}
		h.entries = append(h.entries, e)
		h.results = append(h.results, applyTo(t, m, h.entries[i:], func() int { return 1 }, func() bool { return true })...)
	}
	h.end = summarize(t, m)
	return h
}

func TestTheSameEntriesMakeTheSameBytes(t *testing.T) {
	for range rounds(1, 4) {
		rng := seedtest.Rand(t)
		h := record(t, rng, rounds(400, 1500))
		t.Logf("revision %s, %d leases, %d alarms, %d members", h.end.Hash, len(h.end.Leases), len(h.end.Alarms), len(h.end.Members))
		for _, c := range combos() {
			t.Run(c.name, func(t *testing.T) { replay(t, rng, c, h) })
		}
	}
}

// replay applies h in pieces of random length, with restarts where the engine keeps anything.
func replay(t *testing.T, rng *rand.Rand, c combo, h *history) {
	dir := t.TempDir()
	m := c.machine(t, dir)
	defer func() { m.Close() }()
	if err := m.Found(founders()); err != nil {
		t.Fatal(err)
	}
	most := 1 << rng.IntN(8)
	size := func() int { return 1 + rng.IntN(most) }
	for at := 0; at < len(h.entries); {
		next := min(len(h.entries), at+1+rng.IntN(len(h.entries)/2))
		again := max(0, at-rng.IntN(5)) // entries that are there already
		results := applyTo(t, m, h.entries[again:next], size, func() bool { return rng.IntN(4) > 0 })
		for i, got := range results[at-again:] {
			if _, ok := got.(unknown); !ok && !sameResult(got, h.results[at+i]) {
				t.Fatalf("entry %d %x in batches of up to %d:\n got %s\nwant %s", at+i+2, h.entries[at+i].Data, most, show(got), show(h.results[at+i]))
			}
		}
		at = next
		if c.name == "mem" {
			continue
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		m = c.machine(t, dir)
		if got := m.Applied().Index; got != raft.Index(at+1) {
			t.Fatalf("applied is %d after a restart at %d", got, at+1)
		}
	}
	if got, want := fmt.Sprintf("%+v", summarize(t, m)), fmt.Sprintf("%+v", h.end); got != want {
		t.Errorf("in batches of up to %d:\n got %s\nwant %s", most, got, want)
	}
}
