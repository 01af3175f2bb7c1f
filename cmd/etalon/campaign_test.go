package main

import (
	"testing"
	"time"
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
