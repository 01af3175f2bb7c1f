package nearest

import (
	"strings"
	"testing"
)

func TestWordFindsTheLikelyMeaning(t *testing.T) {
	engines := []string{"mem", "bolt", "pebble", "badger"}
	for _, c := range []struct{ given, want string }{
		{"bolt", "bolt"},
		{"bbolt", "bolt"},
		{"peble", "pebble"},
		{"PEBBLE", "pebble"},
		{"bagder", "badger"},
		{"rocksdb", ""},
		{"", ""},
		{"x", ""},
	} {
		if got := Word(c.given, engines); got != c.want {
			t.Errorf("Word(%q) = %q, want %q", c.given, got, c.want)
		}
	}
}

func TestDistanceIsSymmetricAndCountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got, back := distance(c.a, c.b), distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("distance(%q, %q) = %d and %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
}

func TestErrorNamesGivenNearestAndAccepted(t *testing.T) {
	msg := Error("engine", "peble", []string{"pebble", "bolt"}).Error()
	for _, part := range []string{`engine "peble"`, `did you mean "pebble"`, "accepted: bolt, pebble"} {
		if !strings.Contains(msg, part) {
			t.Errorf("%q lacks %q", msg, part)
		}
	}
}
