package badger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	lib "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/etalon-kv/etalon/engine"
)

// prepare looks for damage in a directory that badger is about to open, where badger would take it
// for something else or crash, and makes every log durable. It returns the open witness.
func prepare(opts lib.Options, skipTables bool) (*witness, error) {
	if err := checkManifest(filepath.Join(opts.Dir, lib.ManifestFilename)); err != nil {
		return nil, err
	}
	ends, err := checkLogs(opts.Dir)
	if err != nil {
		return nil, err
	}
	if !skipTables {
		if err := checkTables(opts); err != nil {
			return nil, err
		}
	}
	return newWitness(opts.Dir, ends)
}

// checkLogs compares every log with the witness and syncs it, so that all that badger is about to
// replay is durable. It returns how far each is whole. A log of no length is one that badger was
// killed over making; badger refuses to open it, so it goes.
func checkLogs(dir string) (map[uint32]uint32, error) {
	synced, err := readWitness(dir)
	if err != nil {
		return nil, err
	}
	files, err := listFiles(dir)
	if err != nil {
		return nil, err
	}
	ends := make(map[uint32]uint32)
	for _, f := range files {
		fid, err := strconv.ParseUint(strings.TrimSuffix(f.name, ".mem"), 10, 32)
		if f.ext != "mem" || err != nil {
			continue
		}
		path := filepath.Join(dir, f.name)
		if f.size == 0 && synced[uint32(fid)] == 0 {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		end, err := wholeEnd(path)
		if err != nil {
			return nil, err
		}
		if want := synced[uint32(fid)]; end < want {
			return nil, fmt.Errorf("%w: %s is whole up to %d of %d bytes that were synced", engine.ErrCorrupt, path, end, want)
		}
		ends[uint32(fid)] = end
	}
	return ends, nil
}

// wholeEnd syncs a log and returns the end of its last whole transaction. A log is 20 bytes and
// records of meta byte, user meta byte, varint lengths of key and value, varint expiry, key,
// value, CRC-32C; the records of a transaction are followed by one that ends it.
func wholeEnd(path string) (uint32, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return 0, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return lastWhole(data), nil
}

const (
	logHeader  = 20
	metaTxn    = 1 << 6 // record of a transaction
	metaFinTxn = 1 << 7 // record that ends one
)

// lastWhole is wholeEnd of a log's content.
func lastWhole(data []byte) uint32 {
	end := logHeader
	inside := false
	for at := logHeader; ; {
		n, meta, ok := record(data, at)
		if !ok {
			return uint32(end)
		}
		at += n
		switch {
		case meta&metaTxn != 0:
			inside = true
			continue
		case meta&metaFinTxn != 0:
			inside = false
		case inside:
			return uint32(end)
		}
		end = at
	}
}

// record returns the length and meta byte of the whole record at data[at:].
func record(data []byte, at int) (n int, meta byte, ok bool) {
	if at+2 > len(data) {
		return 0, 0, false
	}
	rest := data[at:]
	h := 2
	var field [3]uint64
	for i := range field {
		v, w := binary.Uvarint(rest[h:])
		if w <= 0 {
			return 0, 0, false
		}
		field[i] = v
		h += w
	}
	if field[0] == 0 || field[0] > 1<<16 || field[1] > 1<<32 || uint64(h)+field[0]+field[1]+4 > uint64(len(rest)) {
		return 0, 0, false
	}
	body := h + int(field[0]+field[1])
	if crc32.Checksum(rest[:body], castagnoli) != binary.BigEndian.Uint32(rest[body:]) {
		return 0, 0, false
	}
	return body + 4, rest[0], true
}

// checkManifest finds the one damage that badger takes for a torn end: a wrong length that reaches
// behind the end of the file. A record is length, CRC-32C and data, after 8 bytes. The last record
// may be torn; a record that is whole once one bit of its length is turned is not.
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
		for bit := range 32 {
			l := length ^ 1<<bit
			if uint64(l) <= uint64(len(rest)) && crc32.Checksum(rest[:l], castagnoli) == sum {
				return fmt.Errorf("%w: %s: bad length at %d", engine.ErrCorrupt, path, at)
			}
		}
		return nil
	}
	return nil
}

// checkTables verifies every block of every table that the MANIFEST lists.
func checkTables(opts lib.Options) error {
	f, err := os.Open(filepath.Join(opts.Dir, lib.ManifestFilename))
	if err != nil {
		return err
	}
	defer f.Close()
	manifest, _, err := lib.ReplayManifestFile(f, 0, opts)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", engine.ErrCorrupt, f.Name(), err)
	}
	for id, t := range manifest.Tables {
		path := table.NewFilename(id, opts.Dir)
		if err := checkTable(path, table.Options{
			ChkMode: options.OnTableAndBlockRead, Compression: t.Compression, BlockSize: opts.BlockSize,
		}); err != nil {
			return fmt.Errorf("%w: %s: %w", engine.ErrCorrupt, path, err)
		}
	}
	return nil
}

// checkTable opens a table as badger would, but where its panics can be caught.
func checkTable(path string, opts table.Options) (err error) {
	mf, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
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
		return err
	}
	return t.Close(-1)
}
