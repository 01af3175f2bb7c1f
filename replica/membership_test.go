package replica_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
)

// small cuts logs early and keeps nothing behind.
func small(c *replica.Config) { c.SnapshotEntries, c.KeepEntries = 20, replica.NoEntries }

func change(kind raft.ChangeType, id raft.NodeID) raft.ConfChange {
	return raft.ConfChange{Changes: []raft.Change{{Type: kind, Node: id}}, Context: fmt.Appendf(nil, "%s %d", kind, id)}
}

// wait looks until what a group needs a moment for has happened, in the time of a synctest bubble: that
// goes on when nobody can do anything, so it makes no difference how fast the machine is.
func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestTheLogIsCutBehindTheDurableState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 1, false, func(c *replica.Config) {
			small(c)
			c.State.(*list).lag = 1000 // before anything is applied: a leader's own entry is, any moment
		})
		g.tune = small
		m := g.leader()
		g.put(m, "a", 100)
		if s := m.Status(); s.First != 2 || s.Durable > 1 {
			t.Fatalf("the log begins at %d while the state is durable up to %d", s.First, s.Durable)
		}
		m.state.mu.Lock()
		m.state.lag = 0
		m.state.mu.Unlock()
		g.put(m, "b", 30)
		wait(t, "the log is cut", func() bool { s := m.Status(); return s.First > 20 && s.First <= s.Durable+1 })
		state := g.stop(1)
		state.lag = 0
		again := g.start(1, state, false)
		g.put(again, "c", 1)
		if n, _ := state.last(); n != 131 {
			t.Fatalf("%d commands after a restart behind a cut log, 131 were acknowledged", n)
		}
		g.stop(1)
		if _, err := replica.Open(replica.Config{ID: 1, Log: again.log, State: newList(1)}); err == nil {
			t.Fatal("a state machine behind the log's beginning was taken")
		}
	})
}

func TestAMemberThatJoinsGetsASnapshotThenVotes(t *testing.T) {
	t.Run("tcp=false", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := joined(t, false)
			wait(t, "the image is removed", func() bool {
				left, err := filepath.Glob(filepath.Join(g.dir, "4", "images", "*"))
				must(t, err)
				return len(left) == 0
			})
		})
	})
	t.Run("tcp=true", func(t *testing.T) { joined(t, true) })
}

// joined is a group of three and a learner that was promoted.
func joined(t *testing.T, tcp bool) *group {
	g := newGroup(t, 3, tcp, small)
	m := g.leader()
	g.put(m, "a", 100)
	g.equal() // the leader has heard everybody
	joiner := raft.NodeID(4)
	n := g.start(joiner, newList(), false)
	result, err := g.members[1].ChangeMembers(ctx(t), change(raft.AddLearner, joiner))
	must(t, err)
	if want := "voters=(1 2 3) learners=(4)"; result != want {
		t.Fatalf("the change answers %v, want %s", result, want)
	}
	for done := false; !done; {
		must(t, retry(n)) // it has what the leader had, and the leader hears of that in a moment
		_, err := g.members[2].ChangeMembers(ctx(t), change(raft.AddVoter, joiner))
		if err != nil && !errors.Is(err, replica.ErrLearnerNotReady) && !errors.Is(err, replica.ErrChangePending) {
			t.Fatal(err)
		}
		done = err == nil
	}
	g.put(n, "b", 10)
	g.equal()
	if count, _ := n.state.last(); count != 110 {
		t.Fatalf("%d commands, 110 were acknowledged", count)
	}
	return g
}

func TestALearnerThatLagsIsNotPromotedAndRefusalsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, false, nil)
		m := g.leader()
		wait(t, "everybody is heard", func() bool { return len(m.Status().Active) == 2 })
		_, err := m.ChangeMembers(ctx(t), change(raft.AddLearner, 9)) // nobody runs there
		must(t, err)
		for id := range g.members { // the leader's own, and what comes back from it
			if _, err := g.members[id].ChangeMembers(ctx(t), change(raft.AddVoter, 9)); !errors.Is(err, replica.ErrLearnerNotReady) {
				t.Fatalf("promoting at %d: %v", id, err)
			}
		}
		cc := change(raft.AddLearner, 8)
		cc.Context = []byte("refuse")
		result, err := m.ChangeMembers(ctx(t), cc)
		if must(t, err); result == nil || strings.Contains(m.Status().Conf.String(), "8") {
			t.Fatalf("a change that the state machine refuses: %v, %s", result, m.Status().Conf)
		}
	})
}

func TestChangesThatRiskTheQuorumAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, false, nil)
		m := g.leader()
		wait(t, "everybody is heard", func() bool { return len(m.Status().Active) == 2 })
		var down, other raft.NodeID
		for _, id := range g.ids() {
			if g.members[id] != m {
				down, other = id, down
			}
		}
		g.stop(down)
		wait(t, "its silence is noticed", func() bool { return len(m.Status().Active) == 1 })
		if _, err := m.ChangeMembers(ctx(t), change(raft.AddVoter, 4)); !errors.Is(err, replica.ErrUnhealthy) {
			t.Fatalf("adding a voter while another is down: %v", err)
		}
		if _, err := m.ChangeMembers(ctx(t), change(raft.RemoveNode, other)); !errors.Is(err, replica.ErrUnhealthy) {
			t.Fatalf("removing one of the two that are left: %v", err)
		}
		_, err := m.ChangeMembers(ctx(t), change(raft.RemoveNode, down))
		must(t, err)
		if got := len(m.Status().Conf.Voters); got != 2 {
			t.Fatalf("%d voters", got)
		}
	})
}

func TestARemovedMemberStopsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, false, nil)
		m := g.leader()
		wait(t, "everybody is heard", func() bool { return len(m.Status().Active) == 2 })
		own := m.Status().ID
		_, err := m.ChangeMembers(ctx(t), change(raft.RemoveNode, own))
		must(t, err)
		<-m.Done()
		if err := m.Err(); !errors.Is(err, replica.ErrRemoved) {
			t.Fatalf("the removed leader stopped with %v", err)
		}
		if _, err := m.Propose(ctx(t), []byte("x")); !errors.Is(err, replica.ErrRemoved) {
			t.Fatalf("a proposal there: %v", err)
		}
		g.stop(own)
		g.put(g.leader(), "after", 5)
		g.equal()
	})
}

func TestLeadershipIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, false, nil)
		m := g.leader()
		g.put(m, "a", 3)
		to := m.Status().ID%3 + 1
		if err := g.members[to].TransferLeader(ctx(t), to); !errors.Is(err, replica.ErrNotLeader) {
			t.Fatalf("asked of a follower: %v", err)
		}
		if err := m.TransferLeader(ctx(t), 77); !errors.Is(err, replica.ErrBadTransferee) {
			t.Fatalf("to a stranger: %v", err)
		}
		must(t, m.TransferLeader(ctx(t), to))
		g.put(g.members[to], "b", 3)
		g.equal()
	})
}

func TestWhoDiffersFromTheMajorityIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		members int
		bad     func(leader raft.NodeID) raft.NodeID
		blamed  func(bad raft.NodeID) raft.NodeID
		slow    func(leader raft.NodeID) raft.NodeID // does not answer at first
	}{
		"a follower": {3, func(l raft.NodeID) raft.NodeID { return l%3 + 1 }, func(b raft.NodeID) raft.NodeID { return b }, nil},
		"the leader": {3, func(l raft.NodeID) raft.NodeID { return l }, func(b raft.NodeID) raft.NodeID { return b }, nil},
		"the leader, and the third member is slow to say so": {3, func(l raft.NodeID) raft.NodeID { return l }, func(b raft.NodeID) raft.NodeID { return b },
			func(l raft.NodeID) raft.NodeID { return l%3 + 1 }},
		"of two, nobody knows which one": {2, func(l raft.NodeID) raft.NodeID { return l }, func(raft.NodeID) raft.NodeID { return raft.None }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reports := make(chan raft.NodeID, 100)
				g := newGroup(t, c.members, false, func(c *replica.Config) {
					c.DigestInterval = 20 * time.Millisecond
					c.Differs = func(id raft.NodeID, _ uint64) {
						select {
						case reports <- id:
						default:
						}
					}
				})
				m := g.leader()
				g.put(m, "a", 10)
				g.equal()
				select {
				case id := <-reports:
					t.Fatalf("members are equal, and %d is reported", id)
				default:
				}
				bad := c.bad(m.Status().ID)
				if c.slow != nil {
					slow := g.members[c.slow(bad)].state
					slow.mu.Lock()
					slow.mute = 6 // three answers
					slow.mu.Unlock()
				}
				state := g.members[bad].state
				state.mu.Lock()
				state.chain[state.count] ^= 1
				state.mu.Unlock()
				g.put(m, "b", 10)
				if id := <-reports; id != c.blamed(bad) {
					t.Fatalf("%d is reported, %d differs", id, bad)
				}
			})
		})
	}
}

func TestCallsAreAnsweredByTheOtherMember(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		t.Run(fmt.Sprintf("tcp=%t", tcp), func(t *testing.T) {
			g := newGroup(t, 2, tcp, func(c *replica.Config) {
				id := c.ID
				c.Handle = func(ctx context.Context, from raft.NodeID, payload []byte) ([]byte, error) {
					if string(payload) == "wait" {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					if len(payload) == 0 {
						return nil, errors.New("nothing asked")
					}
					return fmt.Appendf(nil, "%d to %d: %s", id, from, payload), nil
				}
			})
			for to := raft.NodeID(1); to <= 2; to++ {
				b, err := g.members[1].Call(ctx(t), to, []byte("hello"))
				if want := fmt.Sprintf("%d to 1: hello", to); err != nil || string(b) != want {
					t.Fatalf("%q %v, want %q", b, err, want)
				}
			}
			if _, err := g.members[1].Call(ctx(t), 2, nil); err == nil || !strings.Contains(err.Error(), "nothing asked") {
				t.Fatalf("an error of the other side: %v", err)
			}
			short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			if _, err := g.members[1].Call(short, 2, []byte("wait")); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("a call whose time is over: %v", err)
			}
		})
	}
}

func TestASnapshotThatWasHalfInstalledIsFinishedOrForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, false, small)
		m := g.leader()
		g.put(m, "a", 100)
		g.equal()
		img, err := m.state.Save()
		must(t, err)
		at := img.At()
		images := filepath.Join(g.dir, "2", "images")
		name := filepath.Join(images, fmt.Sprintf("%016x-%016x.image", uint64(at.Index), uint64(at.Term)))
		f, err := os.Create(name + "x")
		must(t, err)
		_, err = img.WriteTo(f)
		must(t, err)
		must(t, f.Close())
		// The state machine is restored, the log does not know: as if it had been empty.
		g.stop(2)
		must(t, os.Rename(name+"x", name))
		must(t, os.RemoveAll(filepath.Join(g.dir, "2", "log")))
		f, err = os.Open(name)
		must(t, err)
		state := newList()
		must(t, state.Restore(context.Background(), f))
		must(t, f.Close())
		g.start(2, state, false)
		g.put(g.leader(), "b", 5)
		g.equal()
		// Without the image nobody installed anything: the log was lost.
		state = g.stop(2)
		must(t, os.RemoveAll(filepath.Join(g.dir, "2", "log")))
		log := openLog(t, filepath.Join(g.dir, "2", "log"))
		defer log.Close()
		if _, err := replica.Open(replica.Config{ID: 2, Log: log, State: state}); !errors.Is(err, raft.ErrLogLost) {
			t.Fatalf("a state machine beside an empty log: %v", err)
		}
	})
}
