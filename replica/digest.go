package replica

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// callDigest asks for the digest at a revision, 8 bytes. The answer is a revision and the digest at it, 8
// bytes each: of the newest where the one asked for is not there.
const callDigest = 'd'

// digestPatience is in how many comparisons a member that is heard, but does not say what it has, is waited for
// before the others are called undecided.
const digestPatience = 10

// compareDigests is a goroutine that compares, while this member leads, its history with the others'.
func (r *Replica) compareDigests() {
	defer r.running.Done()
	if r.cfg.DigestInterval < 0 || r.cfg.Transport == nil {
		return
	}
	ticker := time.NewTicker(r.cfg.DigestInterval)
	defer ticker.Stop()
	waited := 0
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-ticker.C:
		}
		now, _ := r.Leadership()
		if !now.Leads {
			continue
		}
		status := r.Status()
		rev, differ := r.differAt(status.Active)
		if !differ {
			continue
		}
		conf := status.Conf
		wrong, missing := r.blame(status.Active, len(conf.Voters)+len(conf.Learners), rev)
		if slices.Contains(wrong, raft.None) && missing > 0 && waited < digestPatience {
			waited++ // it may be only slow, and its word decide
			continue
		}
		waited = 0
		for _, id := range wrong {
			r.cfg.Logger.Error("members differ", "member", uint64(id), "revision", rev)
			if r.cfg.Differs != nil {
				r.cfg.Differs(id, rev)
			}
		}
	}
}

// differAt compares with each of the members, at the newest revision that both have. If one differs it
// returns a revision that all who answered have, and at which that one differs.
func (r *Replica) differAt(ids []raft.NodeID) (rev uint64, differ bool) {
	newest, _, ok := r.cfg.State.Digest(0)
	if !ok {
		return 0, false
	}
	first := uint64(0) // at which somebody differs
	rev = newest
	for _, id := range ids {
		at, theirs, ok := r.askDigest(id, newest)
		if !ok {
			continue
		}
		_, own, ok := r.cfg.State.Digest(at)
		if !ok {
			continue
		}
		rev = min(rev, at)
		if own != theirs && (first == 0 || at < first) {
			first = at
		}
	}
	if first > rev { // those that differ may agree where another one is
		rev = first
	}
	return rev, first > 0
}

// blame returns the members whose digest at rev is not that of a majority of all; raft.None alone where
// there is no such majority, and nobody can tell who is right. missing is how many of ids did not answer.
func (r *Replica) blame(ids []raft.NodeID, all int, rev uint64) (wrong []raft.NodeID, missing int) {
	type vote struct {
		id     raft.NodeID
		digest uint64
	}
	var votes []vote
	if _, own, ok := r.cfg.State.Digest(rev); ok {
		votes = append(votes, vote{r.cfg.ID, own})
	}
	for _, id := range ids {
		if at, theirs, ok := r.askDigest(id, rev); ok && at == rev {
			votes = append(votes, vote{id, theirs})
		} else {
			missing++
		}
	}
	count := map[uint64]int{}
	for _, v := range votes {
		count[v.digest]++
	}
	if len(count) < 2 {
		return nil, missing // whoever differed does not answer any more: the next comparison will tell
	}
	for _, v := range votes {
		if 2*count[v.digest] > all {
			for _, w := range votes {
				if w.digest != v.digest {
					wrong = append(wrong, w.id)
				}
			}
			return wrong, missing
		}
	}
	return []raft.NodeID{raft.None}, missing
}

// askDigest asks a member for its digest at rev, or at its newest revision if it has not come so far.
func (r *Replica) askDigest(id raft.NodeID, rev uint64) (at, digest uint64, ok bool) {
	ctx, cancel := context.WithTimeout(r.ctx, max(r.cfg.DigestInterval, r.cfg.TickInterval))
	defer cancel()
	answer, err := r.call(ctx, id, callDigest, binary.LittleEndian.AppendUint64(nil, rev))
	if err != nil || len(answer) != 16 {
		r.cfg.Logger.Debug("no digest", "member", uint64(id), "error", err)
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(answer), binary.LittleEndian.Uint64(answer[8:]), true
}

func (r *Replica) handleDigest(payload []byte) ([]byte, error) {
	if len(payload) != 8 {
		return nil, fmt.Errorf("replica: a digest is asked for with %d bytes", len(payload))
	}
	at, digest, ok := r.cfg.State.Digest(binary.LittleEndian.Uint64(payload))
	if !ok {
		if at, digest, ok = r.cfg.State.Digest(0); !ok {
			return nil, fmt.Errorf("replica: no digest yet")
		}
	}
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, at), digest), nil
}
