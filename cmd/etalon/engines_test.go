package main

import (
	"strings"
	"testing"
)

func TestAnOptionOfTheWrongTypeIsNamedWithWhatIsAccepted(t *testing.T) {
	for option, want := range map[string]string{
		"bolt.pageBytes=big":  "bolt option pageBytes: string big, accepted: a value of type int",
		"bolt.lockTimeout=1s": "bolt option lockTimeout: string 1s, accepted: a whole number of nanoseconds",
		"pebble.bloomBits=x":  "pebble option bloomBits",
	} {
		status, _, errs := command(t, "bench", "--option", option)
		if status != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %q; want 2 and %q", option, status, errs, want)
		}
	}
}
