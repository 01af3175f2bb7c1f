package badger

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// badger replays a memtable's log up to its first bad record and cuts it there, which is right for
// the torn end of a crash, and loses acknowledged batches when a bit flipped before it. The
// witness is a file that tells how far each log was synced; prepare compares it with how far each
// log is whole.
//
// It is written after every sync, without a sync of its own: a killed process leaves it exact;
// after a power cut it may be older and vouch for less, or for logs that are gone, which is no
// vouching at all. badger counts its logs from 1 again in every session, so the old lines are
// replaced, durably, before it makes a new one.
const (
	witnessName  = "ETALON-SYNCED"
	witnessLine  = 52
	witnessLines = 64 // more than there are logs at once
	witnessText  = "%010d %010d %020d %08x\n"
)

// mark is a place in a log: the end of a whole transaction, and the newest version up to there.
type mark struct {
	end     uint32
	version uint64
}

// castagnoli is a table of a polynomial, never changed.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// witness is the open file of that name.
type witness struct {
	mu   sync.Mutex
	file *os.File
}

// readWitness returns how far each log was synced. Lines that are not whole vouch for nothing.
func readWitness(dir string) (map[uint32]mark, error) {
	text, err := os.ReadFile(filepath.Join(dir, witnessName))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	synced := make(map[uint32]mark)
	for line := range strings.SplitSeq(string(text), "\n") {
		var fid, sum uint32
		var m mark
		line = strings.Trim(line, "\x00")
		if _, err := fmt.Sscanf(line+"\n", witnessText, &fid, &m.end, &m.version, &sum); err == nil && sum == lineSum(fid, m) {
			synced[fid] = m
		}
	}
	return synced, nil
}

func lineSum(fid uint32, m mark) uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "%d %d %d", fid, m.end, m.version), castagnoli)
}

// newWitness replaces the witness by one that vouches for synced, and syncs it.
func newWitness(dir string, synced map[uint32]mark) (*witness, error) {
	f, err := os.OpenFile(filepath.Join(dir, witnessName), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	w := &witness{file: f}
	for fid, m := range synced {
		if err == nil {
			err = w.note(fid, m)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// note records that the log fid is on disk up to m.
func (w *witness) note(fid uint32, m mark) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := fmt.Appendf(nil, witnessText, fid, m.end, m.version, lineSum(fid, m))
	_, err := w.file.WriteAt(line, int64(fid%witnessLines)*witnessLine)
	return err
}

func (w *witness) close() error { return w.file.Close() }
