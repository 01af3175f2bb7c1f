package badger

import (
	"errors"
	"fmt"
	"reflect"

	lib "github.com/dgraph-io/badger/v4"
)

// memtable is a look at badger's active memtable. badger replaces it, on the write after it became
// full, without a sync of its log, and DB.Sync reaches only the active one: without care a power
// cut could take the end of a full log and leave its successor, and a synced Apply would not cover
// what was replaced since the last sync. badger offers no way to ask, so this reads its private
// fields by reflection (nothing is written). It is called by the one writer between commits, when
// nobody else changes them. Names are resolved when a database is opened; a version of badger
// that renamed them is refused then, not misread later.
type memtable struct {
	limit  int64         // Options.MemTableSize
	mt     reflect.Value // DB.mt
	mtSl   []int         // memTable.sl
	mtWal  []int         // memTable.wal
	arena  []int         // Skiplist.arena
	arenaN []int         // Arena.n.v
	at     []int         // logFile.writeAt
	fid    []int         // logFile.fid
	newest []int         // memTable.maxVersion
	file   []int         // logFile.MmapFile
	data   []int         // MmapFile.Data
	gone   unmapped
}

// unmapped is what of the active log is not mapped any more.
type unmapped struct {
	fid   uint32
	bytes uint32
}

// unmapBytes is how much of the log is written before it is unmapped, and a multiple of a page.
const unmapBytes = 1 << 20

var errLayout = errors.New("badger: this version of the library keeps its memtable differently")

func newMemtable(db *lib.DB) (*memtable, error) {
	m := &memtable{limit: db.Opts().MemTableSize, mt: reflect.ValueOf(db).Elem().FieldByName("mt")}
	ok := m.mt.IsValid()
	field := func(t reflect.Type, name string) (reflect.Type, []int) {
		if t == nil || t.Kind() != reflect.Struct {
			ok = false
			return nil, nil
		}
		f, found := t.FieldByName(name)
		if !found {
			ok = false
			return nil, nil
		}
		if f.Type.Kind() == reflect.Pointer {
			return f.Type.Elem(), f.Index
		}
		return f.Type, f.Index
	}
	if !ok || m.mt.Kind() != reflect.Pointer {
		return nil, errLayout
	}
	table := m.mt.Type().Elem()
	var list, log, arena, counter, number reflect.Type
	list, m.mtSl = field(table, "sl")
	log, m.mtWal = field(table, "wal")
	arena, m.arena = field(list, "arena")
	var n, v []int
	counter, n = field(arena, "n")
	number, v = field(counter, "v")
	m.arenaN = append(n, v...)
	var at, fid, newest reflect.Type
	at, m.at = field(log, "writeAt")
	fid, m.fid = field(log, "fid")
	newest, m.newest = field(table, "maxVersion")
	file, embedded := field(log, "MmapFile")
	data, d := field(file, "Data")
	m.data = d
	m.file = embedded
	ok = ok && newest != nil && newest.Kind() == reflect.Uint64 && data != nil && data.Kind() == reflect.Slice && data.Elem().Kind() == reflect.Uint8
	for _, t := range []reflect.Type{number, at, fid} {
		ok = ok && t != nil && t.Kind() == reflect.Uint32
	}
	if !ok {
		return nil, fmt.Errorf("%w: %v", errLayout, table)
	}
	return m, nil
}

// full tells whether the next commit will replace the memtable, by badger's rule.
func (m *memtable) full() bool {
	mt := m.mt.Elem()
	if int64(mt.FieldByIndex(m.mtWal).Elem().FieldByIndex(m.at).Uint()) >= m.limit {
		return true
	}
	used := mt.FieldByIndex(m.mtSl).Elem().FieldByIndex(m.arena).Elem().FieldByIndex(m.arenaN).Uint()
	return int64(used) >= m.limit
}

// log is the number of the active log and where its next record goes, with the newest version.
func (m *memtable) log() (fid uint32, at mark) {
	mt := m.mt.Elem()
	wal := mt.FieldByIndex(m.mtWal).Elem()
	return uint32(wal.FieldByIndex(m.fid).Uint()), mark{
		end:     uint32(wal.FieldByIndex(m.at).Uint()),
		version: mt.FieldByIndex(m.newest).Uint(),
	}
}

// unmap takes what is written of the active log out of the process's page table, a mebibyte at a time:
// nobody reads it again before the directory is opened, and the map would keep it in memory beside the
// list that it is the log of. It stays in the system's cache, and is synced from there.
func (m *memtable) unmap() {
	fid, at := m.log()
	if fid != m.gone.fid {
		m.gone = unmapped{fid: fid}
	}
	end := at.end / unmapBytes * unmapBytes
	if end <= m.gone.bytes {
		return
	}
	data := m.mt.Elem().FieldByIndex(m.mtWal).Elem().FieldByIndex(m.file).Elem().FieldByIndex(m.data).Bytes()
	leave(data[m.gone.bytes:end])
	m.gone.bytes = end
}
