package main

import (
	"fmt"
	"testing"
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
