package apply_test

import (
	"os"
	"testing"
)

// rounds is how often something random is tried.
func rounds(short, usual int) int {
	switch {
	case os.Getenv("ETALON_LONG") != "":
		return usual * 10
	case testing.Short():
		return short
	}
	return usual
}
