package raftsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// action is one thing that the nemesis does: everything it has decided is in it, so that a run can be
// repeated with some of its actions only.
type action struct {
	at   time.Duration
	verb string
	args []int64
}

// String shows an action as a line of a Script.
func (a action) String() string {
	s := a.at.String() + " " + a.verb
	for _, v := range a.args {
		s += " " + strconv.FormatInt(v, 10)
	}
	return s
}

func parseAction(line string) (a action, err error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return a, fmt.Errorf("raftsim: %q, want a time, a verb and numbers", line)
	}
	if a.at, err = time.ParseDuration(words[0]); err != nil {
		return a, fmt.Errorf("raftsim: %q: %w", line, err)
	}
	a.verb = words[1]
	need, known := verbs[a.verb]
	for _, w := range words[2:] {
		v, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return a, fmt.Errorf("raftsim: %q: %w", line, err)
		}
		a.args = append(a.args, v)
	}
	if !known || len(a.args) < need {
		return a, fmt.Errorf("raftsim: %q: no such verb, or less than its %d numbers", line, need)
	}
	return a, nil
}

// verbs are what an action can be, and how many numbers each needs. Times are in microseconds. The first
// number is the member that it happens to, unless said otherwise.
var verbs = map[string]int{
	"crash":       2, // 1: its disk loses power, too
	"dark":        1, // everybody loses power; for how long at least
	"failsync":    1, // the next sync fails
	"slow":        2, // its disk, for so long
	"lose":        1, // its disk
	"roll":        1, // its disk, to an old copy
	"image":       1, // makes that copy
	"pause":       2, // for so long
	"jump":        2, // its wall clock, by so much
	"cut":         1, // for how long; then pairs, from and to
	"change":      2, // it proposes a membership change: the transition, then pairs, what and whom
	"transfer":    2, // it is asked to hand leadership to the second
	"unreachable": 2, // it is told that the second is
	"forget":      1, // its leader
	"campaign":    1,
	"write":       2, // so many clients write there
	"snapshot":    1,
	"dawdle":      2, // its state machine stands still so long
	"hurry":       1, // its state machine does all that it was given
	"forgetlog":   1, // it makes all durable that it has applied, and cuts its log there
	"rejoin":      1, // it is removed, forgets its log, and is added again
	"storm":       1, // for how long everybody but those who lead campaigns all the time
	"stick":       1, // a client reads there for a while, whoever leads
}

// act notes and does what the nemesis has decided.
func (g *group) act(verb string, args ...int64) bool {
	a := action{g.w.Now(), verb, args}
	if g.recorded != nil {
		*g.recorded = append(*g.recorded, a)
	}
	return g.do(a)
}

// do does an action where it makes sense now. For "change" and "transfer" it reports whether the
// member took it.
func (g *group) do(a action) bool {
	if !g.faultsOn {
		return false
	}
	g.actions++
	var m *member
	if a.verb != "cut" && a.verb != "dark" && a.verb != "storm" {
		if a.args[0] < 1 || a.args[0] > int64(len(g.members)) {
			return false
		}
		m = g.members[a.args[0]-1]
		g.w.Note(a.verb, uint64(m.id))
	}
	arg := func(i int) time.Duration { return time.Duration(a.args[i]) * time.Microsecond }
	switch a.verb {
	case "crash":
		if m.node != nil {
			m.crash(a.args[1] == 1, 0)
		}
	case "dark":
		g.blackout(arg(0))
	case "failsync":
		m.disk.FailSync()
	case "slow":
		m.slowTo = g.w.Now() + arg(1)
	case "dawdle":
		m.dawdlesTo = g.w.Now() + arg(1)
	case "lose":
		g.loseDisk(m)
	case "roll":
		g.rollBack(m)
	case "image":
		m.takeImage()
	case "pause":
		m.host.Pause(arg(1))
	case "jump":
		m.host.Jump(arg(1))
	case "cut":
		for i := 1; i+1 < len(a.args); i += 2 {
			g.net.Cut(uint64(a.args[i]), uint64(a.args[i+1]))
		}
		g.w.After(arg(0), g.net.Heal)
	case "storm":
		g.storm(g.w.Now() + arg(0))
	case "stick":
		g.stick(m)
	case "rejoin":
		g.rejoin(m)
	default:
		return g.ask(m, a)
	}
	return false
}

// ask asks a member that runs for something.
func (g *group) ask(m *member, a action) bool {
	if !m.running() {
		return false
	}
	m.catchUp()
	var err error
	switch a.verb {
	case "change":
		cc := raft.ConfChange{Transition: raft.Transition(a.args[1])}
		for i := 2; i+1 < len(a.args); i += 2 {
			cc.Changes = append(cc.Changes, raft.Change{Type: raft.ChangeType(a.args[i]), Node: raft.NodeID(a.args[i+1])})
		}
		err = m.node.ProposeConfChange(cc)
	case "transfer":
		m.watch.asked = true
		err = m.node.TransferLeader(raft.NodeID(a.args[1]))
	case "unreachable":
		m.node.ReportUnreachable(raft.NodeID(a.args[1]))
	case "forget":
		err = m.node.ForgetLeader()
	case "campaign":
		err = m.node.Campaign()
	case "write":
		for range min(a.args[1], 16) {
			_ = g.write(m) // refused: nothing happens
		}
	case "snapshot":
		m.snapshot(m.rng.IntN(g.plan.keep))
	case "hurry":
		m.hurry()
	case "forgetlog":
		m.checkpoint()
		m.snapshot(0)
	}
	m.event()
	return err == nil
}
