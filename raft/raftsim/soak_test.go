package raftsim

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const ledger = "testdata/soak.txt"

// TestSoak runs ETALON_SOAK=n seeds that no soak has run yet, in parts, and notes each part in the ledger; it
// goes on where the last one stopped, whichever commit that was. ETALON_COMMIT is what it notes as
// the present one.
func TestSoak(t *testing.T) {
	left := env(t, "ETALON_SOAK", 0)
	if left == 0 {
		t.Skip("ETALON_SOAK=n runs n seeds")
	}
	commit := os.Getenv("ETALON_COMMIT")
	if commit == "" {
		t.Fatal("ETALON_COMMIT must say which commit this is")
	}
	for left > 0 {
		next, _ := soaked(t)
		s := sweep{t: t, next: next, n: min(left, 1000)}
		s.run()
		r := &s.total
		line := fmt.Sprintf("%s %d %d %.2f %d %d %d %d %d\n", commit, next, next+s.n-1, r.Simulated.Hours(), r.Actions, r.Entries, r.Terms, r.Writes, r.Reads)
		f, err := os.OpenFile(ledger, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		t.Log(strings.TrimSpace(line))
		left -= s.n
	}
}

// soaked reads the ledger: the first seed that is in no part, and how many are in one.
func soaked(t *testing.T) (next, seeds uint64) {
	b, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	next = 1_000_001 // those below are for tests
	for _, line := range strings.Split(string(b), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		var commit string
		var first, last uint64
		if _, err := fmt.Sscan(line, &commit, &first, &last); err != nil || first != next || last < first {
			t.Fatalf("%s: %q does not continue at %d: %v", ledger, line, next, err)
		}
		next, seeds = last+1, seeds+last-first+1
	}
	return next, seeds
}

func TestTheLedgerOfSoaksHasNoGaps(t *testing.T) {
	_, seeds := soaked(t)
	t.Logf("figure raftsim/soak/seeds %d", seeds)
}
