package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// A snapshot's stream is the image of the state (engine.Dump), zeros up to a multiple of snapshotPage,
// and the SHA-256 of all that: etcd's clients look for that length and that sum.
const (
	snapshotPage  = 512
	snapshotChunk = 64 << 10
)

// Snapshot streams the whole state as of one revision.
func (m *maintenanceServer) Snapshot(_ *pb.SnapshotRequest, stream grpc.ServerStreamingServer[pb.SnapshotResponse]) error {
	image, err := m.s.state.Save()
	if err != nil {
		return err
	}
	defer image.Close()
	// Clients are told how much is left, so the image is made twice: once to be measured.
	size, err := image.WriteTo(io.Discard)
	if err != nil {
		return err
	}
	padding := (snapshotPage - size%snapshotPage) % snapshotPage
	w := &snapshotWriter{send: stream.Send, left: size + padding, buf: make([]byte, 0, snapshotChunk)}
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	written, err := image.WriteTo(both)
	if err == nil && written != size {
		err = fmt.Errorf("server: the image of a snapshot had %d bytes, and %d when it was sent", size, written)
	}
	if err == nil {
		_, err = both.Write(make([]byte, padding))
	}
	if err == nil {
		err = w.flush()
	}
	if err != nil {
		return err
	}
	return stream.Send(&pb.SnapshotResponse{Blob: sum.Sum(nil), Version: StorageVersion})
}

// snapshotWriter sends what is written in chunks.
type snapshotWriter struct {
	send func(*pb.SnapshotResponse) error
	left int64
	buf  []byte
}

// Write implements io.Writer.
func (w *snapshotWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		k := min(len(b), snapshotChunk-len(w.buf))
		w.buf, b = append(w.buf, b[:k]...), b[k:]
		if len(w.buf) == snapshotChunk {
			if err := w.flush(); err != nil {
				return n - len(b), err
			}
		}
	}
	return n, nil
}

func (w *snapshotWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	w.left -= int64(len(w.buf))
	err := w.send(&pb.SnapshotResponse{RemainingBytes: uint64(w.left), Blob: w.buf, Version: StorageVersion})
	w.buf = make([]byte, 0, snapshotChunk) // gRPC may still read the old one
	return err
}

// Defragment writes the state anew, so that its files have no holes. Writes wait meanwhile. As with
// etcd the answer has no header.
func (m *maintenanceServer) Defragment(ctx context.Context, _ *pb.DefragmentRequest) (*pb.DefragmentResponse, error) {
	if err := m.s.state.Defragment(ctx); err != nil {
		return nil, err
	}
	return &pb.DefragmentResponse{}, nil
}
