package raftsim

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven" // runs that can be read, reviewed and rewritten
)

// TestScripts plays the runs in testdata/scripts: what is left of failures that were found, with few faults.
// explain prints new ones; go test -run TestScripts -rewrite writes the outputs anew.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s, err := ParseScript(d.Input)
			if err != nil {
				return err.Error() + "\n"
			}
			r := s.Run(Options{History: true})
			if r.Failure != "" {
				return r.Failure + "\n"
			}
			if err := linearizable(r.History); err != nil {
				return err.Error() + "\n"
			}
			return "ok\n"
		})
	})
}

func TestAScriptDoesWhatItsSeedDid(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		r := Run(seed, Options{Actions: true})
		s, err := ParseScript(r.Script.String())
		if err != nil {
			t.Fatal(err)
		}
		if s.String() != r.Script.String() {
			t.Fatalf("read back as\n%s\nwant\n%s", s, r.Script)
		}
		again := s.Run(Options{})
		if again.Failure != "" || again.Entries != r.Entries || again.Terms != r.Terms || again.Writes != r.Writes {
			t.Errorf("seed %d: the script makes %d entries, %d terms, %d writes %q; the seed made %d, %d, %d", seed,
				again.Entries, again.Terms, again.Writes, again.Failure, r.Entries, r.Terms, r.Writes)
		}
	}
}

func TestScriptsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, text := range []string{"", "voters 8\nspares 4", "voters x", "voters 3\n1s burn 1", "voters 3\n1s crash", "voters 3\nsoon crash 1 0", "voters 3\n1s crash 1 a"} {
		if _, err := ParseScript(text); err == nil || !strings.HasPrefix(err.Error(), "raftsim: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A shrunk run has few actions: of all that happens before a group has led its third term, none is needed.
func TestShrinkLeavesOnlyWhatTheFailureNeeds(t *testing.T) {
	r := Run(3, Options{Actions: true})
	if r.Script.Actions() < 10 {
		t.Fatalf("seed 3 has %d actions only", r.Script.Actions())
	}
	crash := 0
	small := r.Script.shrink(func(s *Script) bool {
		crash++
		n := 0
		for _, a := range s.actions {
			if a.verb == r.Script.actions[2].verb {
				n++
			}
		}
		return n > 0
	})
	if small.Actions() != 1 || small.Faults() != 0 {
		t.Errorf("%d actions and the faults %s are left", small.Actions(), small.Faults())
	}
	if crash > 200 {
		t.Errorf("%d runs", crash)
	}
}

// FuzzParseScript reads any text: no panic, and what is accepted comes back as it is written.
func FuzzParseScript(f *testing.F) {
	f.Add(Run(1, Options{Actions: true}).Script.String())
	f.Add("# three\nvoters 3\n1s crash 1 0\n2s change 1 0 2 4")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript(text)
		if err != nil {
			return
		}
		again, err := ParseScript(s.String())
		if err != nil || again.String() != s.String() {
			t.Errorf("%q is read as\n%s\nand that as\n%s: %v", text, s, again, err)
		}
	})
}
