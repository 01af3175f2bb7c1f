package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Problem is a file that is left out of everything, and why.
type Problem struct {
	File string
	Err  error
}

// String names file and reason on one line that is safe to print.
func (p Problem) String() string {
	return Inert(p.File) + ": " + Inert(strings.ReplaceAll(p.Err.Error(), "\n", "; "))
}

type storeMarker struct {
	Etalon string `json:"etalon"` // "results"
	Schema int    `json:"schema"`
}

// Load reads the records of one or more directories made by Create, sorted by start, then ID. Files
// that cannot be trusted are in the Problems and never among the records: truncated, altered,
// oversized, of a newer schema, contradictory, under a name that is not their ID, or with an ID
// that another file has too (a plain copy is named once and the other used; when two differ, both
// are left out). Invalid runs are among the records, see Record.Valid. The error is for a directory
// as a whole: ErrNotStore, ErrSchema, or one that cannot be read. It changes nothing.
func Load(dirs ...string) ([]*Record, []Problem, error) {
	var l loader
	for _, dir := range dirs {
		if err := l.addDir(dir); err != nil {
			return nil, nil, err
		}
	}
	recs, problems := l.settle()
	return recs, problems, nil
}

// Load reads the store's records, as the function Load does. The IDs among them are the runs that a
// resumed suite need not repeat.
func (s *Store) Load() ([]*Record, []Problem, error) {
	var l loader
	if err := l.addRoot(s.root, s.root.Name()); err != nil {
		return nil, nil, err
	}
	recs, problems := l.settle()
	return recs, problems, nil
}

type loaded struct {
	file string
	sum  string
	rec  *Record
}

type loader struct {
	files    []loaded
	problems []Problem
}

func (l *loader) addDir(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("results: open %s: %w", dir, err)
	}
	err = l.addRoot(root, dir)
	return errors.Join(err, root.Close())
}

func (l *loader) addRoot(root *os.Root, dir string) error {
	if err := checkMarker(root, dir); err != nil {
		return err
	}
	names, err := listDir(root, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == markerName || !strings.HasSuffix(name, runSuffix) || strings.HasPrefix(name, tempPrefix) {
			continue
		}
		got, err := readRun(root, name)
		got.file = filepath.Join(dir, name)
		if err != nil {
			l.problems = append(l.problems, Problem{File: got.file, Err: err})
			continue
		}
		l.files = append(l.files, got)
	}
	return nil
}

// settle resolves IDs that several files have.
func (l *loader) settle() ([]*Record, []Problem) {
	first := map[string]int{}   // ID → its first file
	differ := map[string]bool{} // IDs whose files are not copies of one another
	for i, f := range l.files {
		j, seen := first[f.rec.ID]
		if !seen {
			first[f.rec.ID] = i
		} else if l.files[j].sum != f.sum {
			differ[f.rec.ID] = true
		}
	}
	var recs []*Record
	for i, f := range l.files {
		id, j := f.rec.ID, first[f.rec.ID]
		switch {
		case differ[id]:
			l.problems = append(l.problems, Problem{f.file, fmt.Errorf("%w: several files with different content have the id %s", ErrRecord, id)})
		case i != j:
			l.problems = append(l.problems, Problem{f.file, fmt.Errorf("%w: a copy of %s, which is used", ErrRecord, l.files[j].file)})
		default:
			recs = append(recs, f.rec)
		}
	}
	slices.SortFunc(recs, func(a, b *Record) int {
		if c := a.Start.Compare(b.Start); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return recs, l.problems
}

// readRun reads one run's file. The loaded value has no file name yet.
func readRun(root *os.Root, name string) (loaded, error) {
	data, err := readBounded(root, name, maxRecordBytes)
	if err != nil {
		return loaded{}, err
	}
	rec, err := Decode(data)
	if err != nil {
		return loaded{}, err
	}
	if name != rec.ID+runSuffix {
		return loaded{}, fmt.Errorf("%w: the file is not named for its id %s: renamed or copied", ErrRecord, rec.ID)
	}
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return loaded{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return loaded{sum: e.SHA256, rec: rec}, nil
}

// readBounded reads a regular file of at most limit bytes. Links and devices are refused, links out
// of the directory by os.Root as well.
func readBounded(root *os.Root, name string, limit int64) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrDamaged)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooBig, info.Size(), limit)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("results: read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: grew past %d bytes while read", ErrTooBig, limit)
	}
	return data, nil
}

// checkMarker tells a directory of ours from others.
func checkMarker(root *os.Root, dir string) error {
	data, err := readBounded(root, markerName, 4<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has no %s; accepted is a directory that etalon made, or for writing an empty or new one", ErrNotStore, dir, markerName)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotStore, dir, err)
	}
	var m storeMarker
	if err := json.Unmarshal(data, &m); err != nil || m.Etalon != "results" {
		return fmt.Errorf("%w: %s: %s does not say so", ErrNotStore, dir, markerName)
	}
	if m.Schema != Schema {
		return fmt.Errorf("%w: %s has schema %d, this version reads %d", ErrSchema, dir, m.Schema, Schema)
	}
	return nil
}

func listDir(root *os.Root, dir string) ([]string, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("results: list %s: %w", dir, err)
	}
	names, err := d.Readdirnames(maxFiles + 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, fmt.Errorf("results: list %s: %w", dir, err)
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("results: %s has more than %d files", dir, maxFiles)
	}
	slices.Sort(names)
	return names, nil
}
