package badger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	lib "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/etalon-kv/etalon/engine"
)

// prepare looks for damage in a directory that badger is about to open, where badger would take it
// for something else or crash, clears away what badger left when it was killed and cannot open
// again, and makes every log durable. It returns the open witness.
func prepare(opts lib.Options, skipTables bool) (*witness, error) {
	if err := checkManifest(filepath.Join(opts.Dir, lib.ManifestFilename)); err != nil {
		return nil, err
	}
	if err := dropVoid(opts.Dir); err != nil {
		return nil, err
	}
	if !skipTables {
		if _, err := checkTables(opts, options.OnTableAndBlockRead); err != nil {
			return nil, err
		}
	}
	synced, err := readWitness(opts.Dir)
	if err != nil {
		return nil, err
	}
	if err := clearEmpty(opts, synced); err != nil {
		return nil, err
	}
	whole, err := checkLogs(opts.Dir, synced)
	if err != nil {
		return nil, err
	}
	return newWitness(opts.Dir, whole)
}

// checkLogs compares every log with the witness and syncs it, so that all that badger is about to
// replay is durable. It returns how far each is whole.
func checkLogs(dir string, synced map[uint32]mark) (map[uint32]mark, error) {
	files, err := listFiles(dir)
	if err != nil {
		return nil, err
	}
	whole := make(map[uint32]mark)
	for _, f := range files {
		fid, ok := f.memLog()
		if !ok {
			continue
		}
		path := filepath.Join(dir, f.name)
		m, err := wholeEnd(path)
		if err != nil {
			return nil, err
		}
		if want := synced[fid]; m.end < want.end {
			return nil, fmt.Errorf("%w: %s is whole up to %d of %d bytes that were synced", engine.ErrCorrupt, path, m.end, want.end)
		}
		whole[fid] = m
	}
	return whole, nil
}

// wholeEnd syncs a log and returns the end of its last whole transaction. A log is 20 bytes and
// records of meta byte, user meta byte, varint lengths of key and value, varint expiry, key,
// value, CRC-32C; a key ends with the inverse of its version in 8 bytes, and the records of a
// transaction are followed by one that ends it.
func wholeEnd(path string) (mark, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return mark{}, err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return mark{}, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return mark{}, err
	}
	return lastWhole(data), nil
}

const (
	logHeader  = 20
	metaTxn    = 1 << 6 // record of a transaction
	metaFinTxn = 1 << 7 // record that ends one
)

// lastWhole is wholeEnd of a log's content.
func lastWhole(data []byte) mark {
	whole := mark{end: logHeader}
	var version uint64 // of the transaction that is being read
	inside := false
	for at := logHeader; ; {
		n, key, ok := record(data, at)
		if !ok {
			return whole
		}
		meta := data[at]
		at += n
		if len(key) >= 8 {
			version = max(version, ^binary.BigEndian.Uint64(key[len(key)-8:]))
		}
		switch {
		case meta&metaTxn != 0:
			inside = true
			continue
		case meta&metaFinTxn != 0:
			inside = false
		case inside:
			return whole
		}
		whole = mark{end: uint32(at), version: version}
	}
}

// record returns the length and key of the whole record at data[at:].
func record(data []byte, at int) (n int, key []byte, ok bool) {
	if at+2 > len(data) {
		return 0, nil, false
	}
	rest := data[at:]
	h := 2
	var field [3]uint64
	for i := range field {
		v, w := binary.Uvarint(rest[h:])
		if w <= 0 {
			return 0, nil, false
		}
		field[i] = v
		h += w
	}
	if field[0] == 0 || field[0] > 1<<16 || field[1] > 1<<32 || uint64(h)+field[0]+field[1]+4 > uint64(len(rest)) {
		return 0, nil, false
	}
	body := h + int(field[0]+field[1])
	if crc32.Checksum(rest[:body], castagnoli) != binary.BigEndian.Uint32(rest[body:]) {
		return 0, nil, false
	}
	return body + 4, rest[h : h+int(field[0])], true
}

// checkManifest cuts the end of a MANIFEST off that is part of a record: badger does it too, but
// refuses the file if that record is longer than the file. A record is length, CRC-32C and data,
// after 8 bytes. What looks like a torn end and is damage, which badger does not tell apart, is a
// wrong length that reaches behind the end: then there is a length that fits the sum.
func checkManifest(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for at := 8; at+8 <= len(data); {
		length := binary.BigEndian.Uint32(data[at:])
		sum := binary.BigEndian.Uint32(data[at+4:])
		rest := data[at+8:]
		if uint64(length) <= uint64(len(rest)) {
			at += 8 + int(length) // a wrong sum is badger's to find
			continue
		}
		found := uint32(0)
		for i := range len(rest) + 1 {
			if found == sum {
				return fmt.Errorf("%w: %s: bad length at %d", engine.ErrCorrupt, path, at)
			}
			if i < len(rest) {
				found = crc32.Update(found, castagnoli, rest[i:i+1])
			}
		}
		return cut(path, int64(at))
	}
	return nil
}

// cut makes a file that short, durably.
func cut(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// checkTables verifies, as mode says, every table that the MANIFEST lists, and returns the newest
// version in them.
func checkTables(opts lib.Options, mode options.ChecksumVerificationMode) (newest uint64, err error) {
	f, err := os.Open(filepath.Join(opts.Dir, lib.ManifestFilename))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	manifest, _, err := lib.ReplayManifestFile(f, 0, opts)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", engine.ErrCorrupt, f.Name(), err)
	}
	for id, t := range manifest.Tables {
		path := table.NewFilename(id, opts.Dir)
		version, err := checkTable(path, table.Options{
			ChkMode: mode, Compression: t.Compression, BlockSize: opts.BlockSize,
		})
		if err != nil {
			return 0, fmt.Errorf("%w: %s: %w", engine.ErrCorrupt, path, err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}

// checkTable opens a table as badger would, but where its panics can be caught, and returns the
// newest version in it.
func checkTable(path string, opts table.Options) (newest uint64, err error) {
	mf, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	open := true
	defer func() {
		if p := recover(); p != nil {
			text, _, _ := bytes.Cut(fmt.Append(nil, p), []byte("\n"))
			err = fmt.Errorf("panic: %s", text)
		}
		if open {
			mf.Close(-1)
		}
	}()
	t, err := table.OpenTable(mf, opts)
	open = false // closed, or about to be
	if err != nil {
		return 0, err
	}
	return t.MaxVersion(), t.Close(-1)
}
