package server

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/etalon-kv/etalon/engine"
)

// ErrSnapshotFile: a file is no whole and unaltered snapshot.
var ErrSnapshotFile = errors.New("server: not a snapshot")

// SnapshotFile is an open file with what Maintenance.Snapshot streams: the image of a state, zeros up to
// a multiple of 512 bytes, and the SHA-256 of all that.
type SnapshotFile struct {
	f      *os.File
	image  int64 // bytes of image and zeros
	padded *bufio.Reader
	Bytes  int64 // of the file
}

// OpenSnapshotFile opens a file and checks its sum; its image is checked by whoever reads it. With
// skipSum the sum may be missing or wrong. ErrSnapshotFile tells what is wrong.
func OpenSnapshotFile(path string, skipSum bool) (s *SnapshotFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s = &SnapshotFile{f: f}
	if err := s.check(skipSum); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return s, nil
}

func (s *SnapshotFile) check(skipSum bool) error {
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	s.Bytes = info.Size()
	switch sum := s.Bytes % snapshotPage; {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: no regular file", ErrSnapshotFile)
	case s.Bytes == 0:
		return fmt.Errorf("%w: it is empty", ErrSnapshotFile)
	case sum == 0 && skipSum:
		s.image = s.Bytes
	case sum != sha256.Size:
		return fmt.Errorf("%w: %d bytes are no multiple of %d and a sum of %d: it is torn, or no snapshot", ErrSnapshotFile, s.Bytes, snapshotPage, sha256.Size)
	default:
		s.image = s.Bytes - sha256.Size
	}
	if s.image < s.Bytes && !skipSum {
		if err := s.checkSum(); err != nil {
			return err
		}
	}
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.padded = bufio.NewReaderSize(io.LimitReader(s.f, s.image), snapshotChunk)
	if begins, err := s.padded.Peek(len(snapshotMagic)); err != nil || string(begins) != snapshotMagic {
		if page, _ := s.padded.Peek(20); len(page) == 20 && bytes.Equal(page[16:], bboltMagic) {
			return fmt.Errorf("%w of Etalon: it is a bbolt file, as etcd makes them", ErrSnapshotFile)
		}
		return fmt.Errorf("%w: it does not begin like one", ErrSnapshotFile)
	}
	return nil
}

// snapshotMagic is how a stream of engine.Dump begins.
const snapshotMagic = "ETALDUMP"

// bboltMagic is at the 16th byte of a bbolt file on most machines.
var bboltMagic = []byte{0xed, 0xda, 0x0c, 0xed}

func (s *SnapshotFile) checkSum() error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(s.f, s.image)); err != nil {
		return err
	}
	var want [sha256.Size]byte
	if _, err := io.ReadFull(s.f, want[:]); err != nil {
		return err
	}
	if !bytes.Equal(want[:], sum.Sum(nil)) {
		return fmt.Errorf("%w: its sum does not fit: it is altered, or torn", ErrSnapshotFile)
	}
	return nil
}

// Image is the stream for apply.Machine.Restore. It can be read once.
func (s *SnapshotFile) Image() io.Reader { return engine.Leading(s.padded) }

// CheckEnd checks, once Image was read to its end, that only the zeros are left.
func (s *SnapshotFile) CheckEnd() error {
	rest, err := io.ReadAll(io.LimitReader(s.padded, snapshotPage))
	if err != nil {
		return err
	}
	if len(rest) >= snapshotPage || len(bytes.Trim(rest, "\x00")) > 0 {
		return fmt.Errorf("%s: %w: something follows its image", s.f.Name(), ErrSnapshotFile)
	}
	return nil
}

// Close closes the file.
func (s *SnapshotFile) Close() error { return s.f.Close() }
