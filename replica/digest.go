package replica

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/raft"
)

// callDigest asks for the digest at a revision, 8 bytes. The answer is a revision and the digest at it, 8
// bytes each: of the newest where the one asked for is not there.
const callDigest = 'd'

// compareDigests is a goroutine that compares, while this member leads, its history with the others'.
func (r *Replica) compareDigests() {
	defer r.running.Done()
	if r.cfg.DigestInterval < 0 || r.cfg.Transport == nil {
		return
	}
	ticker := time.NewTicker(r.cfg.DigestInterval)
	defer ticker.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-ticker.C:
		}
		if now, _ := r.Leadership(); now.Leads {
			for _, id := range r.Status().Active {
				r.compareDigest(id)
			}
		}
	}
}

// compareDigest compares with one member, at the newest revision that both have.
func (r *Replica) compareDigest(id raft.NodeID) {
	rev, _, ok := r.cfg.State.Digest(0)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.cfg.DigestInterval)
	defer cancel()
	answer, err := r.call(ctx, id, callDigest, binary.LittleEndian.AppendUint64(nil, rev))
	if err != nil || len(answer) != 16 {
		r.cfg.Logger.Debug("no digest", "member", uint64(id), "error", err)
		return
	}
	at, theirs := binary.LittleEndian.Uint64(answer), binary.LittleEndian.Uint64(answer[8:])
	_, own, ok := r.cfg.State.Digest(at)
	if !ok || own == theirs {
		return
	}
	r.cfg.Logger.Error("members differ", "member", uint64(id), "revision", at, "own", own, "theirs", theirs)
	if r.cfg.Differs != nil {
		r.cfg.Differs(id, at)
	}
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
