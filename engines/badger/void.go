package badger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	lib "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"google.golang.org/protobuf/proto" // the MANIFEST is made of badger's messages

	"github.com/etalon-kv/etalon/engine"
)

// badger appends a change set to the MANIFEST, syncs it, and when that sync fails removes the
// tables that the set creates and goes on as if there were no such set. It is there, and the next
// start asks for the tables. Such a set is void: what it deletes is still there, and what a flush
// put into its table is still in the memtable's log or in the table of a second attempt.
//
// A table that is missing for another reason is damage, and a MANIFEST alone does not tell the two
// apart. So the process that saw it happen bears witness, in a file that lists the heads of void
// sets: noteVoid writes it whenever badger complains, and dropVoid cuts those sets out. What was in
// the MANIFEST before the process opened it is not void, whatever is missing.
const voidName = "ETALON-VOID"

// changeSet is one record of a MANIFEST.
type changeSet struct {
	record           []byte // with its head
	creates, deletes []uint64
}

// head is the length and checksum of a record.
func (s *changeSet) head() string { return string(s.record[:manifestHead]) }

const (
	manifestStart = 8 // bytes before the first record
	manifestHead  = 8
)

// readSets returns the records of a MANIFEST up to the first that is not whole, what precedes them, and
// the rest.
func readSets(dir string) (start []byte, sets []changeSet, rest []byte, err error) {
	data, err := os.ReadFile(filepath.Join(dir, lib.ManifestFilename))
	if err != nil {
		return nil, nil, nil, err
	}
	start = data[:min(manifestStart, len(data))]
	for rest = data[len(start):]; len(rest) >= manifestHead; {
		length := uint64(binary.BigEndian.Uint32(rest))
		if length > uint64(len(rest)-manifestHead) {
			break
		}
		s := changeSet{record: rest[:manifestHead+length]}
		body := s.record[manifestHead:]
		var changes pb.ManifestChangeSet
		if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(s.record[4:]) || proto.Unmarshal(body, &changes) != nil {
			break
		}
		for _, c := range changes.Changes {
			if c.Op == pb.ManifestChange_DELETE {
				s.deletes = append(s.deletes, c.Id)
			} else {
				s.creates = append(s.creates, c.Id)
			}
		}
		sets = append(sets, s)
		rest = rest[len(s.record):]
	}
	return start, sets, rest, nil
}

// heads returns the heads of all records of a MANIFEST.
func heads(dir string) (map[string]bool, error) {
	_, sets, _, err := readSets(dir)
	all := make(map[string]bool)
	for _, s := range sets {
		all[s.head()] = true
	}
	return all, err
}

// voidSets returns the heads of the sets, but for those of old, whose tables nothing deletes and are
// not there. The first record is never one: badger made it from all that it knew.
func voidSets(dir string, old map[string]bool) (void []string, err error) {
	_, sets, _, err := readSets(dir)
	if err != nil {
		return nil, err
	}
	deleted := deletedBy(sets)
	for _, s := range sets[min(1, len(sets)):] {
		gone := 0
		for _, id := range s.creates {
			if there, err := exists(table.NewFilename(id, dir)); err != nil {
				return nil, err
			} else if !there && !deleted[id] {
				gone++
			}
		}
		if gone > 0 && gone == len(s.creates) && !old[s.head()] {
			void = append(void, s.head())
		}
	}
	return void, nil
}

func deletedBy(sets []changeSet) map[uint64]bool {
	deleted := make(map[uint64]bool)
	for _, s := range sets {
		for _, id := range s.deletes {
			deleted[id] = true
		}
	}
	return deleted
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// noteVoid tells whether there are void sets besides those of old, and lists them in a file. Both
// the MANIFEST and the tables may change meanwhile: badger records that it deletes a table before
// it removes it, so a table that is missing is still listed afterwards only if it is void.
func noteVoid(dir string, old map[string]bool) (bool, error) {
	before, err := voidSets(dir, old)
	if err != nil || len(before) == 0 {
		return false, err
	}
	after, err := voidSets(dir, old)
	if err != nil {
		return false, err
	}
	still := make(map[string]bool)
	for _, head := range after {
		still[head] = true
	}
	var list []byte
	for _, head := range before {
		if still[head] {
			list = append(list, head...)
		}
	}
	if len(list) == 0 {
		return false, nil
	}
	f, err := os.Create(filepath.Join(dir, voidName))
	if err != nil {
		return true, err
	}
	_, err = f.Write(binary.BigEndian.AppendUint32(list, crc32.Checksum(list, castagnoli)))
	return true, errors.Join(err, f.Sync(), f.Close())
}

// dropVoid cuts the void sets that noteVoid listed out of the MANIFEST, durably, if all that they
// delete is there or was deleted by a later attempt. A list that is not whole is none.
func dropVoid(dir string) error {
	path := filepath.Join(dir, voidName)
	list, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	void := make(map[string]bool)
	if n := len(list) - 4; n > 0 && n%manifestHead == 0 && binary.BigEndian.Uint32(list[n:]) == crc32.Checksum(list[:n], castagnoli) {
		for at := 0; at < n; at += manifestHead {
			void[string(list[at:at+manifestHead])] = true
		}
	}
	if err := rewriteWithout(dir, void); err != nil {
		return err
	}
	// badger may give the number of a void table to another, in a set with the same head.
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(dir)
}

// rewriteWithout replaces the MANIFEST by one without these sets. What it cannot read stays as it is, for badger
// to refuse.
func rewriteWithout(dir string, void map[string]bool) error {
	manifest := filepath.Join(dir, lib.ManifestFilename)
	start, sets, rest, err := readSets(dir)
	if err != nil {
		return err
	}
	data := bytes.Clone(start)
	var kept, dropped []changeSet
	for _, s := range sets {
		if void[s.head()] {
			dropped = append(dropped, s)
			continue
		}
		kept = append(kept, s)
		data = append(data, s.record...)
	}
	if len(dropped) == 0 {
		return nil
	}
	deleted := deletedBy(kept)
	for _, s := range dropped {
		for _, id := range s.deletes {
			if there, err := exists(table.NewFilename(id, dir)); err != nil {
				return err
			} else if !there && !deleted[id] {
				return fmt.Errorf("%w: %s: table %d is missing", engine.ErrCorrupt, manifest, id)
			}
		}
	}
	tmp := filepath.Join(dir, "MANIFEST-REWRITE") // badger's own name for it, written over when it is half there
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, rest...))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, manifest); err != nil {
		return err
	}
	return syncDir(dir)
}
