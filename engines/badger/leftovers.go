package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	lib "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/etalon-kv/etalon/engine"
)

// What a killed badger leaves behind, by the files that it makes after the first start:
//
//   - .mem and .vlog are created, then given a length, then a header, all three visible to the
//     next start; they are removed by being cut to no length first. badger fails over a file of no
//     length, so clearEmpty removes it, and takes one that is all zeros for an empty log.
//   - .sst files that the MANIFEST does not list yet are removed by badger, whatever is in them.
//   - MANIFEST is appended to: checkManifest cuts a torn end. It, and KEYREGISTRY, are replaced by
//     a rename; a half-written new one is written over.
//   - DISCARD is taken for new while it has no length, and says only what the value log could drop.

// memLog returns the number of a memtable's log.
func (f file) memLog() (fid uint32, ok bool) {
	if f.ext != "mem" {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(f.name, ".mem"), 10, 32)
	return uint32(n), err == nil
}

// clearEmpty removes logs of no length. A memtable's log that the witness vouches for has lost its
// content, unless the tables have it: then badger was killed over removing the log of a memtable
// that it had written to a table. Value logs are always empty here.
func clearEmpty(opts lib.Options, synced map[uint32]mark) error {
	files, err := listFiles(opts.Dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		fid, isLog := f.memLog()
		if f.size != 0 || !isLog && f.ext != "vlog" {
			continue
		}
		path := filepath.Join(opts.Dir, f.name)
		if want := synced[fid]; isLog && want.end > logHeader {
			newest, err := checkTables(opts, options.NoVerification)
			if err != nil {
				return err
			}
			if newest < want.version {
				return fmt.Errorf("%w: %s is empty, %d bytes were synced", engine.ErrCorrupt, path, want.end)
			}
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}
