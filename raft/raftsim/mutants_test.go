package raftsim

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutant is a change of a file: of changes, each first string is replaced by the second.
type mutant struct {
	name, file string
	changes    [][2]string
}

func mutants(t *testing.T) []mutant {
	b, err := os.ReadFile("testdata/mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []mutant
	for _, part := range strings.Split(string(b), "\n=== ")[1:] {
		head, body, _ := strings.Cut(part, "\n")
		name, file, ok := strings.Cut(head, ", ")
		m := mutant{name: name, file: file}
		for _, c := range strings.Split(strings.TrimSuffix(body, "\n"), "\n+++\n") {
			before, after, ok2 := strings.Cut(c+"\n", "\n---\n")
			if !ok || !ok2 {
				t.Fatalf("testdata/mutants.txt: malformed part %q", head)
			}
			m.changes = append(m.changes, [2]string{before, strings.TrimSuffix(after, "\n")})
		}
		all = append(all, m)
	}
	return all
}

// mutated returns the whole file with the change.
func (m *mutant) mutated(t *testing.T) string {
	b, err := os.ReadFile(filepath.Join("..", m.file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, c := range m.changes {
		if n := strings.Count(text, c[0]); n != 1 {
			t.Fatalf("%s: what it replaces, %q, occurs %d times in %s: bring testdata/mutants.txt up to date", m.name, c[0], n, m.file)
		}
		text = strings.Replace(text, c[0], c[1], 1)
	}
	return text
}

func TestMutantsFitTheCode(t *testing.T) {
	all := mutants(t)
	if len(all) < 30 {
		t.Errorf("%d mutants", len(all))
	}
	for _, m := range all {
		m.mutated(t)
	}
}

// TestMutants breaks the code in every known way and lets the simulator look: ETALON_MUTANTS=n gives it
// n seeds for each, ETALON_MUTANT=pattern only those whose name matches. It prints the kill rate and
// the survivors, and fails below 95 %.
func TestMutants(t *testing.T) {
	seeds := os.Getenv("ETALON_MUTANTS")
	if seeds == "" {
		t.Skip("ETALON_MUTANTS=n runs it with n seeds for each")
	}
	only, err := regexp.Compile(os.Getenv("ETALON_MUTANT"))
	if err != nil {
		t.Fatal(err)
	}
	tried, survivors := 0, []string(nil)
	for _, m := range mutants(t) {
		if !only.MatchString(m.name) {
			continue
		}
		tried++
		if saw := m.hunt(t, seeds); saw != "" {
			t.Logf("killed   %s: %s", m.name, saw)
		} else {
			t.Logf("SURVIVED %s", m.name)
			survivors = append(survivors, m.name)
		}
	}
	rate := 100 * float64(tried-len(survivors)) / float64(max(tried, 1))
	t.Logf("figure raftsim/mutants/killed %.1f %% of %d; survivors: %s", rate, tried, strings.Join(survivors, "; "))
	if rate < 95 {
		t.Error("the simulator is too weak")
	}
}

// hunt builds this package's tests over the mutant, runs them, and returns what they saw.
func (m *mutant) hunt(t *testing.T, seeds string) string {
	dir := t.TempDir()
	changed, overlay, bin := filepath.Join(dir, "m.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	if err := os.WriteFile(changed, []byte(m.mutated(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := filepath.Abs(filepath.Join("..", m.file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%s does not build: %v\n%s", m.name, err, out)
	}
	cmd := exec.Command(bin, "-test.run", "^TestSafetyUnderFaults$", "-test.timeout", "10m")
	cmd.Env = append(os.Environ(), "ETALON_SEEDS="+seeds, "ETALON_SHRINK=0", "ETALON_MUTANTS=")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	_, first, _ := strings.Cut(string(out), "_test.go:")
	first, _, _ = strings.Cut(first, "\n")
	return fmt.Sprintf("%.200s", first+" ")
}
