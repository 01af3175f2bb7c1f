package apply

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/etalon-kv/etalon/mvcc"
)

// alarms are those that are raised.
type alarms struct {
	mu               sync.RWMutex
	raised           map[AlarmMember]bool
	noSpace, corrupt atomic.Bool // one is raised
}

// set raises or clears a, and tells whether it is raised or was.
func (as *alarms) set(a AlarmMember, raise bool) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.raised == nil {
		as.raised = map[AlarmMember]bool{}
	}
	was := as.raised[a]
	if raise {
		as.raised[a] = true
	} else {
		delete(as.raised, a)
	}
	as.noSpace.Store(false)
	as.corrupt.Store(false)
	for r := range as.raised {
		switch r.Type {
		case AlarmNoSpace:
			as.noSpace.Store(true)
		case AlarmCorrupt:
			as.corrupt.Store(true)
		}
	}
	return was || raise
}

// apply does a command and returns what was raised or cleared.
func (as *alarms) apply(t *mvcc.Txn, c *Alarm) ([]AlarmMember, error) {
	a := AlarmMember{Member: c.Member, Type: c.Type}
	if c.Type == AlarmNone || !as.set(a, !c.Clear) {
		return nil, nil
	}
	key := append(metaKey(metaAlarm, a.Member), byte(a.Type))
	if c.Clear {
		return []AlarmMember{a}, t.DeleteMeta(key)
	}
	return []AlarmMember{a}, t.SetMeta(key, nil)
}

// Alarms returns the alarms of a type that are raised, AlarmNone for all, in order of type and member.
func (m *Machine) Alarms(of AlarmType) []AlarmMember {
	s := m.current.Load()
	if s == nil {
		return nil
	}
	s.alarms.mu.RLock()
	defer s.alarms.mu.RUnlock()
	var list []AlarmMember
	for a := range s.alarms.raised {
		if of == AlarmNone || a.Type == of {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b AlarmMember) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Member, b.Member))
	})
	return list
}
