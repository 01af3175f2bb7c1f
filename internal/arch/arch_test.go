// Package arch holds the floors of the house: a package may import those below it, never those
// above. The table is the policy; the test reads every import of the module and holds it to that.
package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/etalon-kv/etalon"

// allowed lists, for each package of the module, which others it may import besides internal/.
// A key that ends in /... stands for the packages below it; the longest key that fits decides.
// A package without a key may not exist.
var allowed = map[string][]string{
	// Floor 0: contracts and pure parts; no import of one another.
	"engine":            {},
	"engine/enginetest": {"engine", "engines/mem"}, // mem is the reference model of the suite
	"raft":              {},
	"mvcc/index":        {},
	"mvcc/index/...":    {"mvcc/index", "mvcc/index/..."},
	"results":           {},
	"results/...":       {"results", "results/..."},
	"sim":               {},
	"sim/...":           {"sim"},
	"internal/...":      {},
	"docs/...":          {"engine"},

	// Floor 1.
	"engines":      {}, // tests only: they put the engines side by side
	"engines/...":  {"engine"},
	"raft/wal":     {"raft"},
	"raft/kvlog":   {"raft", "engine"},
	"raft/logtest": {"raft"},
	"raft/walsim":  {"raft/wal", "raft", "raft/logtest", "sim"},
	"raft/raftsim": {"raft", "raft/wal", "raft/walsim", "sim"},
	"raft/...":     {"raft"},

	// Floors 2 to 5.
	"mvcc":               {"engine", "mvcc/index"},
	"mvcc/mvcctest":      {"mvcc", "engine", "mvcc/index"},
	"apply":              {"mvcc", "mvcc/index", "engine", "raft"}, // of raft only its types
	"replica":            {"raft", "raft/wal", "raft/kvlog", "replica/peers"},
	"replica/peers":      {"raft"},
	"replica/replicasim": {"replica", "raft", "raft/wal", "raft/walsim", "sim", "apply", "mvcc", "mvcc/index", "mvcc/index/...", "engine", "engines/mem"},
	"server":             {"apply", "engine", "mvcc", "replica", "replica/peers", "raft", "server/wire", "server/rpc"},
	"server/rpc":         {},
	"server/security":    {},
	"server/web":         {"server"},
	"server/faulttest":   {}, // processes and clients only
	"server/wire":        {"apply", "mvcc"},

	// Beside the house.
	"bench":     {"results"},
	"bench/...": {"bench", "results"},

	// Floor 6: engines come in as values.
	"targets":     {"bench", "engine", "mvcc", "apply", "raft", "replica", "replica/peers", "server", "results"},
	"targets/...": {"bench", "engine", "mvcc", "mvcc/index", "raft", "replica", "server", "results", "targets"},

	// Floor 7.
	"cmd/...":     {"..."},
	"scripts/...": {},
}

// owners says which packages alone may import a module that is not ours.
var owners = map[string][]string{
	"go.etcd.io/bbolt":              {"engines/bolt"},
	"github.com/cockroachdb/pebble": {"engines/pebble"},
	"github.com/dgraph-io/badger":   {"engines/badger"},
	"github.com/spf13/cobra":        {"cmd/..."},
	"github.com/vbauerster/mpb":     {"cmd/..."},
	"gonum.org/v1/plot":             {"results/plot"},
	"github.com/goccy/go-yaml":      {"bench/suite", "cmd/..."},
	// They call methods by name, for which the linker keeps every exported method of every package.
	"html/template": {},
	"text/template": {"results/report"}, // its parser
}

// cmdOnly are what only a command may use, by import path and name.
var cmdOnly = map[string][]string{
	"os":  {"Exit", "Stdout", "Stderr", "Stdin", "Args"},
	"fmt": {"Print", "Printf", "Println"},
	"log": {"Fatal", "Fatalf", "Fatalln", "Print", "Printf", "Println", "Panic", "Panicf", "Panicln"},
}

type file struct {
	pkg, name string // package path below the module, file name
	syntax    *ast.File
}

func (f file) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// sources returns every Go file of the module; nested modules and testdata are not part of it.
func sources(t *testing.T) (*token.FileSet, []file) {
	t.Helper()
	root := filepath.Join("..", "..")
	fset := token.NewFileSet()
	var files []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(p, "go.mod"))
			if p != root && (nested == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "runs") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(p) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file{pkg: path.Dir(filepath.ToSlash(rel)), name: filepath.Base(p), syntax: syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, files
}

// fits tells whether pkg is pattern, or below it where pattern ends in /... ("..." is everything).
func fits(pkg, pattern string) bool {
	prefix, wild := strings.CutSuffix(pattern, "...")
	return pkg == pattern || wild && strings.HasPrefix(pkg, prefix)
}

func rule(pkg string) (key string, ok bool) {
	for k := range allowed {
		if fits(pkg, k) && (!ok || len(k) > len(key) || k == pkg) && key != pkg {
			key, ok = k, true
		}
	}
	return key, ok
}

func imports(f file) []string {
	var list []string
	for _, spec := range f.syntax.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		list = append(list, p)
	}
	return list
}

func TestPackagesImportOnlyDownwards(t *testing.T) {
	fset, files := sources(t)
	if len(files) < 10 {
		t.Fatalf("%d files found: the walk is broken", len(files))
	}
	for _, f := range files {
		key, ok := rule(f.pkg)
		if !ok {
			t.Errorf("package %s (%s) is on no floor: add it to the table in internal/arch", f.pkg, f.name)
			continue
		}
		if f.isTest() {
			continue // tests may put any parts together
		}
		for _, imp := range imports(f) {
			own, ours := strings.CutPrefix(imp, module+"/")
			if !ours || strings.HasPrefix(own, "internal/") || own == f.pkg {
				continue
			}
			if !slices.ContainsFunc(allowed[key], func(p string) bool { return fits(own, p) }) {
				t.Errorf("%s: %s may not import %s", fset.Position(f.syntax.Pos()).Filename, f.pkg, own)
			}
		}
	}
}

func TestForeignModulesStayWithTheirOwner(t *testing.T) {
	_, files := sources(t)
	for _, f := range files {
		for _, imp := range imports(f) {
			for foreign, owner := range owners {
				if (imp == foreign || strings.HasPrefix(imp, foreign+"/")) && !slices.ContainsFunc(owner, func(p string) bool { return fits(f.pkg, p) }) {
					t.Errorf("%s/%s imports %s, which belongs to %v alone", f.pkg, f.name, imp, owner)
				}
			}
		}
	}
}

func TestOnlyTestPackagesImportTesting(t *testing.T) {
	_, files := sources(t)
	for _, f := range files {
		if f.isTest() || strings.HasSuffix(f.pkg, "test") {
			continue
		}
		if slices.Contains(imports(f), "testing") {
			t.Errorf("%s/%s imports testing", f.pkg, f.name)
		}
	}
}

func TestOnlyCommandsPrintAndExit(t *testing.T) {
	fset, files := sources(t)
	for _, f := range files {
		if f.isTest() || strings.HasPrefix(f.pkg, "cmd/") || strings.HasPrefix(f.pkg, "scripts/") || strings.HasSuffix(f.pkg, "test") {
			continue
		}
		list := imports(f)
		if slices.Contains(list, "flag") {
			t.Errorf("%s/%s imports flag", f.pkg, f.name)
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: init function", fset.Position(n.Pos()))
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && slices.Contains(list, x.Name) && slices.Contains(cmdOnly[x.Name], n.Sel.Name) {
					t.Errorf("%s: %s.%s outside cmd/", fset.Position(n.Pos()), x.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestTheTableItselfPointsDown(t *testing.T) {
	for _, c := range []struct {
		pkg, imp string
		ok       bool
	}{
		{"engine", "engines/bolt", false},
		{"engines/bolt", "engine", true},
		{"engines/bolt", "engines/mem", false},
		{"bench", "engine", false},
		{"bench/suite", "bench", true},
		{"results", "bench", false},
		{"mvcc", "raft", false},
		{"raft", "engine", false},
		{"cmd/etalon", "engines/bolt", true},
	} {
		key, ok := rule(c.pkg)
		if !ok {
			t.Fatalf("no rule for %s", c.pkg)
		}
		if got := slices.ContainsFunc(allowed[key], func(p string) bool { return fits(c.imp, p) }); got != c.ok {
			t.Errorf("%s importing %s: %v, want %v", c.pkg, c.imp, got, c.ok)
		}
	}
}
