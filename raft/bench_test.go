package raft

import (
	"fmt"
	"testing"
)

// BenchmarkCommit is what one committed entry costs in a group of members in one process, on memory,
// with messages handed over by call: the work of all members together. One iteration is one entry.
func BenchmarkCommit(b *testing.B) {
	for _, voters := range []int{1, 3, 5} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("voters=%d/batch=%d", voters, batch), func(b *testing.B) { benchCommit(b, voters, batch) })
		}
	}
}

func benchCommit(b *testing.B, voters, batch int) {
	c := newCluster(b, voters, nil)
	c.elect(1)
	lead := c.node(1)
	data := make([]byte, 256)
	applied := make([]int, voters)
	pump := func() {
		for busy := true; busy; {
			busy = false
			for i, n := range c.nodes {
				if n.HasReady() {
					busy = true
					applied[i] += benchServe(b, c, n)
				}
			}
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for k := 0; k < b.N; k += batch {
		for range min(batch, b.N-k) {
			if err := lead.Propose(data); err != nil {
				b.Fatal(err)
			}
		}
		pump()
	}
	b.StopTimer()
	if applied[voters-1] < b.N {
		b.Fatalf("applied %d of %d", applied[voters-1], b.N)
	}
}

// benchServe is cluster.serve without what only tests need; it cuts the log now and then.
func benchServe(b *testing.B, c *cluster, n *testNode) int {
	rd := n.Ready()
	n.write(b, &rd)
	for _, m := range rd.Messages {
		if err := c.node(m.To).Step(m); err != nil {
			b.Fatal(err)
		}
	}
	for _, m := range rd.AfterPersist {
		if err := c.node(m.To).Step(m); err != nil {
			b.Fatal(err)
		}
	}
	k := len(rd.Committed)
	if err := n.Advance(rd); err != nil {
		b.Fatal(err)
	}
	if k > 0 {
		if i := rd.Committed[k-1].Index; i%10_000 < Index(k) && i > 200 {
			if _, err := n.st.CreateSnapshot(i-100, n.Conf(), nil); err != nil {
				b.Fatal(err)
			}
			if err := n.st.Compact(i - 100); err != nil {
				b.Fatal(err)
			}
		}
	}
	return k
}

// BenchmarkCodec is what an append of 64 entries of 256 bytes costs on its way, an iteration being one
// message.
func BenchmarkCodec(b *testing.B) {
	m := Message{Type: MsgApp, To: 1, From: 2, Term: 9, LogTerm: 9, Index: 1_000_000, Commit: 1_000_000}
	for i := range 64 {
		m.Entries = append(m.Entries, Entry{Term: 9, Index: m.Index + 1 + Index(i), Data: make([]byte, 256)})
	}
	buf := m.Append(nil)
	b.Run("op=append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for range b.N {
			buf = m.Append(buf[:0])
		}
	})
	b.Run("op=decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(buf)))
		for range b.N {
			var got Message
			if err := got.Decode(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
