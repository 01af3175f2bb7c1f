package raftsim

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/etalon-kv/etalon/sim"
)

// Script is a run written down: its seed, its plan and what the nemesis does. It can be shrunk, kept as text,
// and run again after the program, or the way plans are drawn, has changed.
type Script struct {
	Seed    uint64
	plan    plan
	actions []action
}

// Actions returns how many things the nemesis does.
func (s *Script) Actions() int { return len(s.actions) }

// Faults returns the faults that go on all the time, and those that actions may still cause.
func (s *Script) Faults() Faults { return s.plan.faults }

// String returns the text, which ParseScript reads.
func (s *Script) String() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "seed %d\n", s.Seed)
	for _, f := range s.plan.fields() {
		fmt.Fprintf(b, "%s %v\n", f.name, f.value())
	}
	for _, a := range s.actions {
		fmt.Fprintln(b, a)
	}
	return b.String()
}

// Run runs it.
func (s *Script) Run(o Options) Result { return run(sim.New(s.Seed), s.plan, s, o) }

// field is one line of a plan.
type field struct {
	name string
	at   any // a pointer
}

func (f field) value() any { return reflect.ValueOf(f.at).Elem().Interface() }

// set reads what value has shown.
func (f field) set(s string) error {
	if d, ok := f.at.(*time.Duration); ok {
		v, err := time.ParseDuration(s)
		*d = v
		return err
	}
	_, err := fmt.Sscan(s, f.at)
	return err
}

// fields lists all of a plan. Faults and read modes are shown as numbers.
func (p *plan) fields() []field {
	c := &p.cfg
	return []field{{"faults", (*uint32)(&p.faults)}, {"voters", &p.voters}, {"spares", &p.spares}, {"election", &c.ElectionTicks},
		{"heartbeat", &c.HeartbeatTicks}, {"prevote", &c.PreVote}, {"checkquorum", &c.CheckQuorum}, {"noforward", &c.NoForward},
		{"readmode", (*uint8)(&c.ReadMode)}, {"lease", &c.LeaseTicks}, {"snapshotticks", &c.SnapshotTicks}, {"cache", &c.CacheBytes},
		{"message", &c.MaxMessageBytes}, {"inflight", &c.MaxInflightMessages}, {"inflightbytes", &c.MaxInflightBytes},
		{"committed", &c.MaxCommittedBytes}, {"uncommitted", &c.MaxUncommittedBytes}, {"reads", &c.MaxPendingReads},
		{"mindelay", &p.link.MinDelay}, {"maxdelay", &p.link.MaxDelay}, {"loss", &p.link.Loss}, {"duplicate", &p.link.Duplicate},
		{"late", &p.link.Late}, {"lateby", &p.link.LateBy}, {"tick", &p.tick}, {"disk", &p.disk}, {"apply", &p.apply}, {"think", &p.think},
		{"snapshots", &p.snapshots}, {"keep", &p.keep}, {"segment", &p.segment}, {"logcache", &p.cache}, {"slow", &p.slow}, {"slowby", &p.slowBy},
		{"weekat", &p.weekAt}, {"dark", &p.dark}}
}

// ParseScript reads what Script.String has written. Lines that begin with # are passed over; what is not
// said is zero.
func ParseScript(text string) (*Script, error) {
	s := &Script{plan: plan{tick: 20 * time.Millisecond}}
	fields := append(s.plan.fields(), field{"seed", &s.Seed})
	for _, line := range strings.Split(text, "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		switch {
		case name == "" || name[0] == '#':
		case i >= 0:
			if err := fields[i].set(value); err != nil {
				return nil, fmt.Errorf("raftsim: %q: %w", line, err)
			}
		default:
			a, err := parseAction(line)
			if err != nil {
				return nil, err
			}
			s.actions = append(s.actions, a)
		}
	}
	if s.plan.voters < 1 || s.plan.voters+s.plan.spares > maxMembers || s.plan.spares < 0 {
		return nil, fmt.Errorf("raftsim: %d voters and %d spares, want 1 to %d together", s.plan.voters, s.plan.spares, maxMembers)
	}
	return s, nil
}

// Shrink leaves out, as long as the run still fails in whatever way, actions by halves, quarters and so
// on down to single ones, and then faults of the plan.
func (s *Script) Shrink(o Options) *Script {
	return s.shrink(func(c *Script) bool { return c.Run(o).Failure != "" })
}

func (s *Script) shrink(fails func(*Script) bool) *Script {
	for before := -1; before != len(s.actions); { // what one action needs may go when that is gone
		before = len(s.actions)
		for size := (len(s.actions) + 1) / 2; size > 0; size /= 2 {
			for from := 0; from < len(s.actions); {
				c := *s
				c.actions = slices.Delete(slices.Clone(s.actions), from, min(from+size, len(s.actions)))
				if fails(&c) {
					s = &c
				} else {
					from += size
				}
			}
		}
	}
	for f := Faults(1); f < allFaults; f <<= 1 {
		c := *s
		c.plan.drop(f)
		if c.plan.faults != s.plan.faults && fails(&c) {
			s = &c
		}
	}
	return s
}

// drop takes a fault out of a plan, with what it means for the rest.
func (p *plan) drop(f Faults) {
	p.faults &^= f
	switch f {
	case Loss:
		p.link.Loss = 0
	case Duplicates:
		p.link.Duplicate = 0
	case LateMessages:
		p.link.Late = 0
	case SlowTypes:
		p.slow = 0
	case SlowApplies:
		p.apply = min(p.apply, 3*time.Millisecond)
	}
}
