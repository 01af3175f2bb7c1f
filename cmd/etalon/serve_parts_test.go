package main

import (
	"fmt"
	"testing"
	"time"
)

// A member has options of its own for some engines, and what was asked comes before them.
func TestMemberOptions(t *testing.T) {
	for _, tc := range []struct {
		engine string
		asked  []string
		want   string
	}{
		{"bolt", nil, "map[lazyPages:true]"},
		{"bolt", []string{"bolt.lazyPages=false"}, "map[lazyPages:false]"},
		{"badger", nil, "map[memTableBytes:16777216]"},
		{"badger", []string{"badger.memTableBytes=8388608"}, "map[memTableBytes:8388608]"},
		{"pebble", nil, "map[]"},
	} {
		o := serveOptions{engine: tc.engine, options: tc.asked}
		if got := fmt.Sprint(o.memberOptions()); got != tc.want {
			t.Errorf("%s with %q: %s, want %s", tc.engine, tc.asked, got, tc.want)
		}
	}
}

// TestTurns says when the members of a group commit in each interval.
func TestTurns(t *testing.T) {
	for _, c := range []struct {
		turn turn
		want time.Duration
	}{
		{turn{}, 0},
		{turn{0, 1}, 0},
		{turn{0, 3}, 20 * time.Millisecond},
		{turn{1, 3}, 60 * time.Millisecond},
		{turn{2, 3}, 100 * time.Millisecond},
		{turn{6, 7}, 120 * time.Millisecond * 13 / 14},
	} {
		if got := c.turn.phase(120 * time.Millisecond); got != c.want {
			t.Errorf("%+v has phase %v, want %v", c.turn, got, c.want)
		}
	}
}
