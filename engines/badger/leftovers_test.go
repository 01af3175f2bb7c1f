package badger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	lib "github.com/dgraph-io/badger/v4"

	"github.com/etalon-kv/etalon/engine"
	"github.com/etalon-kv/etalon/engine/enginetest"
)

// killed returns what a store holds whose process was killed, all of it synced: some in a table,
// some in a log. data is the path of badger's directory in the tree.
func killed(t *testing.T) (want map[string]string, image tree, data string) {
	dir := t.TempDir()
	want = make(map[string]string)
	for session := range 2 {
		b, err := Open(dir, Options{})
		must(t, err)
		for i := range 20 {
			key := fmt.Sprint(session, "key", i)
			want[key] = strings.Repeat("v", i*10)
			must(t, enginetest.Put(b, true, 1, key, want[key]))
		}
		image = readTree(t, dir)
		data, err = filepath.Rel(dir, b.(*backend).dir.Path())
		must(t, err)
		must(t, b.Close())
	}
	return want, image, data
}

// numbered returns the path of the newest file with this ending, and that of its successor.
func (f tree) numbered(t *testing.T, ext string) (newest, next string) {
	digits := 0
	number := 0
	for path := range f {
		name, ok := strings.CutSuffix(filepath.Base(path), ext)
		var n int
		if _, err := fmt.Sscan(strings.TrimLeft(name, "0"), &n); ok && err == nil && n > number {
			newest, number, digits = path, n, len(name)
		}
	}
	if newest == "" {
		t.Fatalf("no file with %s", ext)
	}
	return newest, filepath.Join(filepath.Dir(newest), fmt.Sprintf("%0*d%s", digits, number+1, ext))
}

func TestWhatAKilledBadgerLeavesOpensAndKeepsAllThatWasSynced(t *testing.T) {
	want, image, data := killed(t)
	_, nextLog := image.numbered(t, ".mem")
	_, nextVlog := image.numbered(t, ".vlog")
	_, nextTable := image.numbered(t, ".sst")
	manifest := image[filepath.Join(data, lib.ManifestFilename)]
	long := binary.BigEndian.AppendUint32(nil, uint32(len(manifest)+1000))
	states := map[string]tree{
		"a log of no length":                          {nextLog: {}},
		"a log of zeros":                              {nextLog: make([]byte, 128<<20)},
		"a log of a header":                           {nextLog: make([]byte, logHeader)},
		"a value log of no length":                    {nextVlog: {}},
		"a value log of zeros":                        {nextVlog: make([]byte, 32<<20)},
		"a value log of a header":                     {nextVlog: make([]byte, logHeader)},
		"a table of no length":                        {nextTable: {}},
		"a table half written":                        {nextTable: bytes.Repeat([]byte("x"), 5000)},
		"a DISCARD of no length":                      {filepath.Join(data, "DISCARD"): {}},
		"a new MANIFEST of no length":                 {filepath.Join(data, "MANIFEST-REWRITE"): {}},
		"a new MANIFEST half written":                 {filepath.Join(data, "MANIFEST-REWRITE"): manifest[:10]},
		"a new KEYREGISTRY of no length":              {filepath.Join(data, "REWRITE-KEYREGISTRY"): {}},
		"a record of the MANIFEST torn in its head":   {filepath.Join(data, "MANIFEST"): append(bytes.Clone(manifest), 0, 0, 1)},
		"a record of the MANIFEST torn in its body":   {filepath.Join(data, "MANIFEST"): append(bytes.Clone(manifest), 0, 0, 0, 20, 1, 2, 3, 4, 5)},
		"a record longer than the rest of a MANIFEST": {filepath.Join(data, "MANIFEST"): append(bytes.Clone(manifest), append(long, 1, 2, 3, 4, 5)...)},
		"a witness of no length":                      {filepath.Join(data, witnessName): {}},
	}
	for name, files := range image {
		if strings.HasSuffix(name, ".vlog") { // badger removes old ones, cut to nothing first
			states["an old value log of no length, "+filepath.Base(name)] = tree{name: files[:0]}
		}
	}
	all := tree{}
	for _, files := range states {
		maps.Copy(all, files)
	}
	states["many of these at once"] = all
	states["nothing else"] = nil
	for name, files := range states {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			image.write(t, dir)
			files.write(t, dir)
			opensWith(t, dir, maps.Clone(want))
		})
	}
}

// opensWith opens the directory twice, writing in between.
func opensWith(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	for round := range 2 {
		b, err := Open(dir, Options{})
		must(t, err)
		got, err := enginetest.Content(b, 1)
		must(t, err)
		if diff := enginetest.Differ(want, got); diff != "" {
			t.Errorf("opened %d times: %s", round+1, diff)
		}
		want["more"] = fmt.Sprint(round)
		must(t, enginetest.Put(b, true, 1, "more", want["more"]))
		must(t, b.Close())
	}
}

func TestALogThatWasFlushedMayBeEmptyAndAnotherMayNot(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(dir, Options{})
	must(t, err)
	must(t, enginetest.Put(b, true, 1, "k", "v"))
	before := readTree(t, dir) // the log has the key, and the witness knows
	must(t, b.Close())
	after := readTree(t, dir) // a table has it
	log, _ := before.numbered(t, ".mem")
	witness := filepath.Join(filepath.Dir(log), witnessName)

	t.Run("cut by a badger that was killed over removing it", func(t *testing.T) {
		for _, skip := range []bool{false, true} {
			dir := t.TempDir()
			after.write(t, dir)
			tree{log: {}, witness: before[witness]}.write(t, dir)
			b, err := Open(dir, Options{SkipVerify: skip})
			must(t, err)
			if got, err := enginetest.Content(b, 1); err != nil || got["k"] != "v" {
				t.Errorf("%v, %v", got, err)
			}
			must(t, b.Close())
		}
	})
	t.Run("cut by somebody else", func(t *testing.T) {
		dir := t.TempDir()
		before.write(t, dir)
		tree{log: {}}.write(t, dir)
		for range 2 { // a refusal changes nothing
			if b, err := Open(dir, Options{}); !errors.Is(err, engine.ErrCorrupt) {
				t.Fatalf("%v, %v, want ErrCorrupt", b, err)
			}
		}
	})
}

func TestAWrongLengthInTheMANIFESTIsNoTornEnd(t *testing.T) {
	_, image, data := killed(t)
	name := filepath.Join(data, lib.ManifestFilename)
	manifest := image[name]
	at := 8 // the first record that has a body
	for binary.BigEndian.Uint32(manifest[at:]) == 0 {
		at += 8
	}
	if n := binary.BigEndian.Uint32(manifest[at:]); crc32.Checksum(manifest[at+8:at+8+int(n)], castagnoli) != binary.BigEndian.Uint32(manifest[at+4:]) {
		t.Fatalf("no record at %d of %q", at, manifest)
	}
	for _, length := range []uint32{uint32(len(manifest)), 0xffffffff, 0x12345678} {
		damaged := bytes.Clone(manifest)
		binary.BigEndian.PutUint32(damaged[at:], length)
		dir := t.TempDir()
		image.write(t, dir)
		tree{name: damaged}.write(t, dir)
		if b, err := Open(dir, Options{}); !errors.Is(err, engine.ErrCorrupt) {
			t.Errorf("length %d: %v, %v, want ErrCorrupt", length, b, err)
		}
	}
}
