package resultstest_test

import (
	"encoding/json"
	"testing"

	"github.com/etalon-kv/etalon/results/resultstest"
)

func TestSyntheticRecordsPassTheCheckAndRepeat(t *testing.T) {
	for _, o := range []resultstest.Options{{}, {Seed: 7, Rate: 2000, Reps: 2}} {
		a, b := resultstest.Records(o), resultstest.Records(o)
		for i, r := range a {
			if err := r.Check(); err != nil {
				t.Fatal(err)
			}
			x, errX := json.Marshal(r)
			y, errY := json.Marshal(b[i])
			if errX != nil || errY != nil || string(x) != string(y) {
				t.Fatalf("record %d differs between two calls (%v, %v)", i, errX, errY)
			}
		}
	}
	for _, r := range resultstest.Hostile() {
		if err := r.Check(); err != nil {
			t.Error(err)
		}
	}
}
