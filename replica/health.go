package replica

import "github.com/etalon-kv/etalon/raft"

// health knows when each other member was last heard.
type health struct {
	last []lastHeard
}

type lastHeard struct {
	id   raft.NodeID
	tick uint64
	ever bool
}

// member makes conf the members that are listened for.
func (h *health) member(conf *raft.ConfState, self raft.NodeID) {
	var list []lastHeard
	for _, part := range [][]raft.NodeID{conf.Voters, conf.VotersOutgoing, conf.Learners} {
		for _, id := range part {
			if id == self || h.index(list, id) >= 0 {
				continue
			}
			l := lastHeard{id: id}
			if i := h.index(h.last, id); i >= 0 {
				l = h.last[i]
			}
			list = append(list, l)
		}
	}
	h.last = list
}

func (h *health) index(list []lastHeard, id raft.NodeID) int {
	for i := range list {
		if list[i].id == id {
			return i
		}
	}
	return -1
}

func (h *health) heard(id raft.NodeID, now uint64) {
	if i := h.index(h.last, id); i >= 0 {
		h.last[i].tick, h.last[i].ever = now, true
	}
}

// active reports whether id was heard within so many ticks.
func (h *health) active(id raft.NodeID, now, within uint64) bool {
	i := h.index(h.last, id)
	return i >= 0 && h.last[i].ever && now-h.last[i].tick <= within
}
