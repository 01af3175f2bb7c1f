package targets

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/etalon-kv/etalon/bench"
	"github.com/etalon-kv/etalon/raft"
)

// raftKind is what a request asks for.
type raftKind uint8

const (
	raftWritten raftKind = iota // answered when data is committed
	raftRead                    // answered when a linearizable read could begin
	raftBarrier                 // answered when the member has applied index; 0 = what it has, which is put there
)

// raftRequest is one thing asked of a member. It belongs to the member until done has the answer.
type raftRequest struct {
	kind  raftKind
	data  []byte
	asked time.Duration
	index raft.Index // of its entry; 0 = not in the log yet
	done  chan error // capacity 1
}

func newRaftRequest(kind raftKind) *raftRequest {
	return &raftRequest{kind: kind, done: make(chan error, 1)}
}

// Open starts a session.
func (g *Raft) Open(context.Context, int) (bench.Session, error) {
	return &raftSession{g: g, request: newRaftRequest(raftWritten)}, nil
}

type raftSession struct {
	g       *Raft
	request *raftRequest
}

func (s *raftSession) Do(ctx context.Context, op *bench.Op) error {
	switch op.Kind {
	case bench.Get, bench.Scan:
		op.Value = nil
		return s.read(ctx, op)
	case bench.ReadModifyWrite:
		if err := s.read(ctx, op); err != nil {
			return err
		}
		return s.write(ctx, op)
	case bench.Put, bench.Insert, bench.Delete:
		return s.write(ctx, op)
	default:
		return fmt.Errorf("targets: operation %v is not for a raft group", op.Kind)
	}
}

func (s *raftSession) read(ctx context.Context, op *bench.Op) error {
	op.Items, op.Bytes = 0, 0
	if err := s.ask(ctx, raftRead, nil); err != nil {
		return err
	}
	op.Items = 1
	return nil
}

func (s *raftSession) write(ctx context.Context, op *bench.Op) error {
	op.Items, op.Bytes = 0, 0
	if err := s.ask(ctx, raftWritten, entryData(op)); err != nil {
		return err
	}
	op.Items, op.Bytes = 1+len(op.More), dataBytes(op)
	return nil
}

// ask has the leader answer, reusing the session's request unless one is still under way.
func (s *raftSession) ask(ctx context.Context, kind raftKind, data []byte) error {
	r := s.request
	r.kind, r.data, r.index = kind, data, 0
	err := s.g.ask(ctx, r, s.g.members[s.g.leader.Load()])
	if ctx.Err() != nil {
		s.request = newRaftRequest(kind)
	}
	return err
}

// ask puts r into m's inbox and waits for the answer.
func (g *Raft) ask(ctx context.Context, r *raftRequest, m *raftMember) error {
	r.asked = g.now()
	if !m.inbox.ask(r) {
		return g.end()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *raftSession) Close() error { return nil }

// entryData is what a write puts into the log: its kind, then each key and value with its length. It
// is new memory, which the log and the core keep.
func entryData(op *bench.Op) []byte {
	size := 1 + 2*binary.MaxVarintLen32*(1+len(op.More)) + int(dataBytes(op))
	b := append(make([]byte, 0, size), byte(op.Kind))
	b = appendPair(b, op.Kind, op.Key, op.Value)
	for i := range op.More {
		b = appendPair(b, op.Kind, op.More[i].Key, op.More[i].Value)
	}
	return b
}

func appendPair(b []byte, kind bench.Kind, key, value []byte) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
	if kind == bench.Delete {
		return b
	}
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}
