package results_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/etalon-kv/etalon/results"
	"github.com/etalon-kv/etalon/results/resultstest"
)

// stored writes records into a new store and returns its directory.
func stored(t *testing.T, recs ...*results.Record) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "runs")
	s, err := results.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := s.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func some(n int) []*results.Record {
	return resultstest.Records(resultstest.Options{Engines: []string{"bolt"}, Workloads: []string{"put"}, Reps: n})
}

func TestWhatIsWrittenIsLoaded(t *testing.T) {
	recs := append(some(3), resultstest.Hostile()...)
	got, problems, err := results.Load(stored(t, recs...))
	if err != nil || len(problems) > 0 || len(got) != len(recs) {
		t.Fatalf("%d of %d records, problems %v, error %v", len(got), len(recs), problems, err)
	}
	byID := map[string]*results.Record{}
	for _, r := range got {
		byID[r.ID] = r
	}
	for _, r := range recs[:3] {
		g := byID[r.ID]
		if !g.Ops["put"].Service.Equal(r.Ops["put"].Service) {
			t.Errorf("%s: histogram changed", r.ID)
		}
		g.Ops, r.Ops = nil, nil
		if !reflect.DeepEqual(g, r) {
			t.Errorf("%s: got\n%+v, want\n%+v", r.ID, g, r)
		}
	}
}

func TestUntrustedFilesAreNamedAndLeftOut(t *testing.T) {
	cases := map[string]struct {
		change func(data []byte) []byte
		want   error
	}{
		"truncated by one byte":   {func(d []byte) []byte { return d[:len(d)-1] }, results.ErrDamaged},
		"truncated to nothing":    {func(d []byte) []byte { return nil }, results.ErrDamaged},
		"half there":              {func(d []byte) []byte { return d[:len(d)/2] }, results.ErrDamaged},
		"edited figure":           {replace(`"rep":2`, `"rep":3`), results.ErrDamaged},
		"edited and reindented":   {replace(`,"sha256"`, `, "sha256"`), results.ErrDamaged},
		"another record appended": {func(d []byte) []byte { return append(d[:len(d):len(d)], d...) }, results.ErrDamaged},
		"newer schema":            {replace(`"etalon":"run","schema":1`, `"etalon":"run","schema":2`), results.ErrSchema},
		"not a run":               {replace(`"etalon":"run"`, `"etalon":"jog"`), results.ErrDamaged},
		"oversized":               {func(d []byte) []byte { return append(d, make([]byte, 64<<20)...) }, results.ErrTooBig},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			recs := some(3)
			dir := stored(t, recs...)
			file := filepath.Join(dir, recs[1].ID+".json")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, c.change(data), 0o644); err != nil {
				t.Fatal(err)
			}
			expectOnly(t, dir, file, c.want, recs[0].ID, recs[2].ID)
		})
	}
}

func replace(old, new string) func([]byte) []byte {
	return func(d []byte) []byte {
		out := strings.Replace(string(d), old, new, 1)
		if out == string(d) {
			panic("nothing to replace: " + old)
		}
		return []byte(out)
	}
}

// expectOnly loads dir and expects the IDs, and one problem with the file.
func expectOnly(t *testing.T, dir, file string, want error, ids ...string) {
	t.Helper()
	got, problems, err := results.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 1 || problems[0].File != file || !errors.Is(problems[0].Err, want) {
		t.Fatalf("problems %v, want one with %s: %v", problems, file, want)
	}
	if len(got) != len(ids) {
		t.Fatalf("%d records, want %d", len(got), len(ids))
	}
	for i, r := range got {
		if r.ID != ids[i] {
			t.Fatalf("record %d is %s, want %s", i, r.ID, ids[i])
		}
	}
}

func TestNoFlippedBitGoesUnnoticed(t *testing.T) {
	data, err := results.Encode(some(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		i, bit := r.IntN(len(data)), byte(1)<<r.IntN(8)
		data[i] ^= bit
		if _, err := results.Decode(data); err == nil {
			t.Fatalf("bit %#x of byte %d", bit, i)
		}
		data[i] ^= bit
	}
	if _, err := results.Decode(data); err != nil {
		t.Fatal(err)
	}
}

func TestDuplicatesAreNamed(t *testing.T) {
	recs := some(3)
	dir := stored(t, recs...)
	data, err := os.ReadFile(filepath.Join(dir, recs[1].ID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	renamed := filepath.Join(dir, "copy.json")
	if err := os.WriteFile(renamed, data, 0o644); err != nil {
		t.Fatal(err)
	}
	expectOnly(t, dir, renamed, results.ErrRecord, recs[0].ID, recs[1].ID, recs[2].ID)

	// A second directory: a true copy is used once, one with other content leaves neither.
	same, differs := some(3)[0], some(3)[1]
	differs.Warnings = append(differs.Warnings, "another measurement under this id")
	got, problems, err := results.Load(stored(t, recs...), stored(t, same, differs))
	if err != nil || len(got) != 2 || len(problems) != 3 {
		t.Fatalf("%d records, problems %v, error %v", len(got), problems, err)
	}
	for _, r := range got {
		if r.ID == differs.ID {
			t.Fatal("one of two differing records was used")
		}
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	recs := some(2)
	dir, outside := stored(t, recs[0]), stored(t, recs[1])
	link := filepath.Join(dir, recs[1].ID+".json")
	if err := os.Symlink(filepath.Join(outside, recs[1].ID+".json"), link); err != nil {
		t.Skip(err)
	}
	expectOnly(t, dir, link, results.ErrDamaged, recs[0].ID)
}

func TestForeignDirectoriesAreRefusedUntouched(t *testing.T) {
	for name, c := range map[string]struct {
		file, content string
		want          error
	}{
		"files of somebody else":    {"thesis.txt", "mine", results.ErrNotStore},
		"a store of a newer schema": {"etalon-results.json", `{"etalon":"results","schema":2}`, results.ErrSchema},
		"a marker of another tool":  {"etalon-results.json", `{"other":1}`, results.ErrNotStore},
		"an oversized marker":       {"etalon-results.json", strings.Repeat(" ", 1<<20), results.ErrNotStore},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, ".etalon-tmp-X"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := results.Create(dir); !errors.Is(err, c.want) {
				t.Errorf("Create: %v, want %v", err, c.want)
			}
			if _, _, err := results.Load(dir); !errors.Is(err, c.want) {
				t.Errorf("Load: %v, want %v", err, c.want)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 2 {
				t.Errorf("the directory changed: %v %v", left, err)
			}
		})
	}
	if _, _, err := results.Load(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent directory: %v", err)
	}
}

func TestAKilledWriterIsResumed(t *testing.T) {
	recs := some(3)
	dir := stored(t, recs[:2]...)
	left := filepath.Join(dir, ".etalon-tmp-KILLED")
	if err := os.WriteFile(left, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, recs[1].ID+".json")
	if err := os.Truncate(broken, 100); err != nil {
		t.Fatal(err)
	}
	s, err := results.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("leftover is still there: %v", err)
	}
	if _, err := results.Create(dir); !errors.Is(err, results.ErrStoreInUse) {
		t.Errorf("second writer: %v, want ErrStoreInUse", err)
	}
	got, problems, err := s.Load()
	if err != nil || len(got) != 1 || len(problems) != 1 {
		t.Fatalf("%d records, problems %v, error %v", len(got), problems, err)
	}
	if err := s.Write(recs[0]); !errors.Is(err, results.ErrFinished) {
		t.Errorf("finished run again: %v, want ErrFinished", err)
	}
	for _, r := range recs[1:] {
		if err := s.Write(r); err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, problems, err := results.Load(dir); err != nil || len(got) != 3 || len(problems) > 0 {
		t.Fatalf("after resuming: %d records, problems %v, error %v", len(got), problems, err)
	}
}

func TestContradictoryRecordsAreNotWritten(t *testing.T) {
	for name, spoil := range map[string]func(*results.Record){
		"not a number":          func(r *results.Record) { r.Series[0].CPU = math.NaN() },
		"infinite":              func(r *results.Record) { r.Env.LoadAvg = math.Inf(1) },
		"id is a path":          func(r *results.Record) { r.ID = "../" + r.ID },
		"id is hidden":          func(r *results.Record) { r.ID = "." + r.ID },
		"id is too long":        func(r *results.Record) { r.ID = strings.Repeat("a", 1000) },
		"cell is another":       func(r *results.Record) { r.Cell += "x" },
		"no durability":         func(r *results.Record) { r.Durability = "" },
		"unknown consistency":   func(r *results.Record) { r.Consistency = "eventual" },
		"newer schema":          func(r *results.Record) { r.Schema++ },
		"factor is not UTF-8":   func(r *results.Record) { r.Factors["x"] = "\xff"; r.Cell = results.CellText(r.Factors) },
		"histogram is missing":  func(r *results.Record) { r.Ops["put"].Service = nil },
		"histogram lacks a run": func(r *results.Record) { r.Ops["put"].Count++ },
		"negative errors":       func(r *results.Record) { r.Ops["put"].Errors["timeout"] = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			r := some(1)[0]
			spoil(r)
			dir := filepath.Join(t.TempDir(), "runs")
			s, err := results.Create(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Write(r); !errors.Is(err, results.ErrRecord) {
				t.Errorf("Write: %v, want ErrRecord", err)
			}
			if got, problems, err := s.Load(); err != nil || len(got)+len(problems) > 0 {
				t.Errorf("left behind: %v %v %v", got, problems, err)
			}
		})
	}
}

func TestCellTextTellsEveryTwoCellsApart(t *testing.T) {
	seen := map[string]string{}
	values := []string{"", "a", "a b", "a=b", `a"b`, "a\nb", "b=c", "a b=c"}
	for _, x := range values {
		for _, y := range values {
			f := map[string]string{"a": x, "b": y}
			text := results.CellText(f)
			if strings.ContainsAny(text, "\n\r") {
				t.Errorf("line break in %q", text)
			}
			if old, ok := seen[text]; ok {
				t.Errorf("%v and %s are both %s", f, old, text)
			}
			seen[text] = fmt.Sprint(f)
		}
	}
}

// FuzzDecode takes both whole files and bare records, which it puts into an envelope with the right
// hash: what somebody would send who means it.
func FuzzDecode(f *testing.F) {
	// The small record keeps the mutations where they matter.
	r := some(1)[0]
	r.Series, r.Ops = r.Series[:1], map[string]*results.OpStats{"put": {Service: results.NewHistogram()}}
	data, err := results.Encode(r)
	if err != nil {
		f.Fatal(err)
	}
	body, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(body)
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		envelope := fmt.Appendf(nil, `{"etalon":"run","schema":1,"sha256":"%x","record":%s}`+"\n", sha256.Sum256(data), data)
		for _, in := range [][]byte{data, envelope} {
			r, err := results.Decode(in)
			if err != nil {
				continue
			}
			again, err := results.Encode(r)
			if err != nil {
				t.Fatalf("decoded but cannot be encoded: %v", err)
			}
			if _, err := results.Decode(again); err != nil {
				t.Fatalf("%s: %v", again, err)
			}
		}
	})
}
