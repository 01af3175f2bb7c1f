package badger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"

	lib "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"google.golang.org/protobuf/proto"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
)

const missing = 999 // the number of a table that is not there

// appended returns the MANIFEST of a tree with a set that creates one table and deletes others.
func (f tree) appended(t *testing.T, data string, creates uint64, deletes ...uint64) tree {
	set := pb.ManifestChangeSet{Changes: []*pb.ManifestChange{{Id: creates, Op: pb.ManifestChange_CREATE, Level: 1}}}
	for _, id := range deletes {
		set.Changes = append(set.Changes, &pb.ManifestChange{Id: id, Op: pb.ManifestChange_DELETE})
	}
	body, err := proto.Marshal(&set)
	must(t, err)
	name := filepath.Join(data, lib.ManifestFilename)
	record := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	record = binary.BigEndian.AppendUint32(record, crc32.Checksum(body, castagnoli))
	return tree{name: append(append(f[name][:len(f[name]):len(f[name])], record...), body...)}
}

// listed returns the number of a table that the MANIFEST in a directory lists.
func listed(t *testing.T, dir string) uint64 {
	_, sets, _, err := readSets(dir)
	must(t, err)
	deleted := deletedBy(sets)
	for _, s := range sets {
		for _, id := range s.creates {
			if !deleted[id] {
				return id
			}
		}
	}
	t.Fatal("no table")
	return 0
}

func TestARecordWhoseSyncFailedIsTakenOut(t *testing.T) {
	want, image, data := killed(t)
	dir := t.TempDir()
	image.write(t, dir)
	old := listed(t, filepath.Join(dir, data))
	for name, records := range map[string]tree{
		"of a flush":                     image.appended(t, data, missing),
		"of two flushes":                 image.appended(t, data, missing).appended(t, data, missing+1),
		"of a compaction":                image.appended(t, data, missing, old),
		"of a compaction and its repeat": image.appended(t, data, missing, old).appended(t, data, missing+1, old),
	} {
		t.Run(name, func(t *testing.T) {
			for _, noted := range []bool{true, false} {
				dir := t.TempDir()
				image.write(t, dir)
				records.write(t, dir)
				if noted {
					void, err := noteVoid(filepath.Join(dir, data), nil)
					must(t, err)
					if !void {
						t.Fatal("not noticed")
					}
					opensWith(t, dir, maps.Clone(want))
					continue
				}
				for range 2 { // a refusal changes nothing
					if b, err := Open(dir, Options{}); !errors.Is(err, engine.ErrCorrupt) {
						t.Fatalf("%v, %v, want ErrCorrupt for a table that is missing without a witness", b, err)
					}
				}
			}
		})
	}
}

func TestAVoidRecordWhoseTablesAreGoneIsDamage(t *testing.T) {
	_, image, data := killed(t)
	dir := t.TempDir()
	image.write(t, dir)
	store := filepath.Join(dir, data)
	old := listed(t, store)
	image.appended(t, data, missing, old).write(t, dir)
	if void, err := noteVoid(store, nil); err != nil || !void {
		t.Fatal(void, err)
	}
	must(t, os.Remove(table.NewFilename(old, store)))
	for range 2 {
		if b, err := Open(dir, Options{}); !errors.Is(err, engine.ErrCorrupt) {
			t.Fatalf("%v, %v, want ErrCorrupt", b, err)
		}
	}
}

func TestDamageBehindAVoidRecordIsNotCutWithIt(t *testing.T) {
	_, image, data := killed(t)
	dir := t.TempDir()
	image.write(t, dir)
	void := image.appended(t, data, missing)
	void.write(t, dir)
	if noted, err := noteVoid(filepath.Join(dir, data), nil); err != nil || !noted {
		t.Fatal(noted, err)
	}
	damaged := void.appended(t, data, missing+1)
	name := filepath.Join(data, lib.ManifestFilename)
	damaged[name][len(damaged[name])-1] ^= 1
	damaged.write(t, dir)
	for range 2 {
		if b, err := Open(dir, Options{}); !errors.Is(err, engine.ErrCorrupt) {
			t.Fatalf("%v, %v, want ErrCorrupt", b, err)
		}
	}
}

func TestAComplaintWithAVoidRecordFailsTheStore(t *testing.T) {
	dir := t.TempDir()
	eb, err := Open(dir, Options{})
	must(t, err)
	b := eb.(*backend)
	must(t, enginetest.Put(b, true, 1, "k", "v"))
	b.complaint(slog.LevelWarn, "nothing serious")
	must(t, enginetest.Put(b, true, 1, "k", "v2"))
	data, err := filepath.Rel(dir, b.dir.Path())
	must(t, err)
	readTree(t, dir).appended(t, data, missing).write(t, dir)
	b.complaint(slog.LevelError, "error flushing memtable")
	if err := enginetest.Put(b, true, 1, "k", "v3"); !errors.Is(err, engine.ErrFailed) {
		t.Fatalf("%v, want ErrFailed", err)
	}
	if err := b.Close(); err != nil && !errors.Is(err, engine.ErrFailed) {
		t.Fatal(err)
	}
}
