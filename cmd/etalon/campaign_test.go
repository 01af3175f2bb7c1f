package main

import "testing"

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
