package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etalon-kv/etalon/bench/suite"
)

func TestEveryCampaignOnADiskHasADirectoryOfItsOwn(t *testing.T) {
	a, errA := workDir("/data", "runs/quick-1")
	again, errAgain := workDir("/data", "./runs/../runs/quick-1/")
	b, errB := workDir("/data", "runs/quick-2")
	if errA != nil || errAgain != nil || errB != nil {
		t.Fatal(errA, errAgain, errB)
	}
	if a != again {
		t.Errorf("one campaign, two directories: %s, %s: its leftovers would stay", a, again)
	}
	if a == b {
		t.Errorf("two campaigns in %s: one would remove the other's data", a)
	}
}

func TestLatenciesArePrintedAsExactlyAsTheyAreKnown(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 111: "111ns", 1234: "1.23µs", 40370175: "40.4ms", 999999: "1ms", 1889534000: "1.89s"} {
		if got := threeDigits(d).String(); got != want {
			t.Errorf("%d ns: %s, want %s", int64(d), got, want)
		}
	}
}

func TestMoreRecordsThanTheDiskCanHoldAreRefusedBeforeTheyAreLoaded(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	status, _, errs := command(t, "bench", "--records", "1000000000000", "--out", out)
	if status != exitUsage || !strings.Contains(errs, "the loaded records take 138 TiB or more (records=1000000000000 of value=256 take 138 TiB), and "+out+" has ") {
		t.Errorf("status %d, %q", status, errs)
	}
}

func TestWhatCountsForTheRoomIsEveryFixtureOnce(t *testing.T) {
	s := suite.Suite{Name: "x", Reps: 3, Duration: time.Second, Factors: map[string][]string{
		"engine": {"mem", "bolt", "pebble"}, "workload": {"put", "get"}, "records": {"1000"}, "key": {"100"}, "value": {"200"},
	}}
	runs, _, err := planRuns(s, "")
	if err != nil {
		t.Fatal(err)
	}
	c := &campaign{suite: s, dataDir: "DIR"}
	const need = 2 * 1000 * (100 + 200/2) // bolt and pebble; what mem holds is on no disk
	if err := c.checkRoom(runs, need); err != nil {
		t.Errorf("%d bytes: %v", need, err)
	}
	if err := c.checkRoom(runs, need-1); err == nil || !strings.Contains(err.Error(), "DIR has 391 KiB free") {
		t.Errorf("%d bytes: %v", need-1, err)
	}
}
