package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/apply"
	"github.com/etalon-kv/etalon/raft"
	"github.com/etalon-kv/etalon/replica"
)

// questionKind says what a member asks the one that leads.
type questionKind byte

const (
	questionRenew      questionKind = 1
	questionTimeToLive questionKind = 2
)

// lessorQuestion is a question that only the leader can answer.
type lessorQuestion struct {
	kind questionKind
	id   apply.LeaseID
	keys bool // of a lease, too
}

// lessorAnswer is its answer. Times are in seconds.
type lessorAnswer struct {
	ttl, granted int64
	keys         [][]byte
}

// How an answer to another member begins.
const (
	answerGood byte = iota
	answerNotFound
	answerNotLeader
	answerFailed
)

var errMalformedCall = errors.New("server: malformed call of another member")

func (q lessorQuestion) append(b []byte) []byte {
	keys := byte(0)
	if q.keys {
		keys = 1
	}
	return binary.BigEndian.AppendUint64(append(b, byte(q.kind), keys), uint64(q.id))
}

// Answer answers a question of another member; see replica.Config.Handle.
func (s *Server) Answer(ctx context.Context, _ raft.NodeID, payload []byte) ([]byte, error) {
	if len(payload) != 10 {
		return nil, errMalformedCall
	}
	q := lessorQuestion{kind: questionKind(payload[0]), keys: payload[1] != 0, id: apply.LeaseID(binary.BigEndian.Uint64(payload[2:]))}
	a, err := s.answerHere(ctx, q)
	switch {
	case errors.Is(err, apply.ErrLeaseNotFound):
		return []byte{answerNotFound}, nil
	case errors.Is(err, replica.ErrNotLeader):
		return []byte{answerNotLeader}, nil
	case err != nil:
		return append([]byte{answerFailed}, err.Error()...), nil
	}
	b := binary.BigEndian.AppendUint64([]byte{answerGood}, uint64(a.ttl))
	b = binary.BigEndian.AppendUint64(b, uint64(a.granted))
	for _, k := range a.keys {
		b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
	}
	return b, nil
}

func decodeAnswer(b []byte) (a lessorAnswer, err error) {
	if len(b) == 0 {
		return a, errMalformedCall
	}
	switch b[0] {
	case answerNotFound:
		return a, apply.ErrLeaseNotFound
	case answerNotLeader:
		return a, replica.ErrNotLeader
	case answerFailed:
		return a, fmt.Errorf("server: the leader answers: %s", b[1:])
	}
	if len(b) < 17 {
		return a, errMalformedCall
	}
	a.ttl = int64(binary.BigEndian.Uint64(b[1:]))
	a.granted = int64(binary.BigEndian.Uint64(b[9:]))
	for b = b[17:]; len(b) > 0; {
		n, m := binary.Uvarint(b)
		if m <= 0 || n > uint64(len(b)-m) {
			return a, errMalformedCall
		}
		a.keys, b = append(a.keys, b[m:m+int(n)]), b[m+int(n):]
	}
	return a, nil
}

// askLessor has a question answered by the leader, which may be another member. It waits for one,
// and asks again when it has changed.
func (s *Server) askLessor(ctx context.Context, q lessorQuestion) (lessorAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.requestTimeout())
	defer cancel()
	for {
		l, changed := s.replica.Leadership()
		var a lessorAnswer
		err := error(replica.ErrNotLeader)
		switch {
		case l.Leads:
			a, err = s.answerHere(ctx, q)
		case l.Leader != raft.None:
			var b []byte
			if b, err = s.replica.Call(ctx, l.Leader, q.append(nil)); err == nil {
				a, err = decodeAnswer(b)
			} else if ctx.Err() == nil {
				err = replica.ErrNotLeader // it cannot be reached: ask again
			}
		}
		if !errors.Is(err, replica.ErrNotLeader) {
			return a, err
		}
		retry := time.NewTimer(leaderRetry)
		select {
		case <-changed:
		case <-retry.C:
		case <-ctx.Done():
		}
		retry.Stop()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return a, errTimeout
		}
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
	}
}

// leaderRetry is the pause before a leader that could not be asked is asked again.
const leaderRetry = 50 * time.Millisecond
