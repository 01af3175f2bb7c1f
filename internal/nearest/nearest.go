// Package nearest finds the right word for a mistyped one, for error messages.
package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// Word returns the accepted word with the smallest edit distance to given, or "" if none is near
// (more than a third of its letters, and more than two, would have to change). Case is ignored.
func Word(given string, accepted []string) string {
	best, bestDist := "", len(given)+1
	for _, word := range accepted {
		d := distance(strings.ToLower(given), strings.ToLower(word))
		if limit := max(2, len(word)/3); d < bestDist && d <= limit && d < max(len(given), len(word)) {
			best, bestDist = word, d
		}
	}
	return best
}

// Error says that given is no accepted word of its kind ("engine"), suggests the nearest one and
// lists all.
func Error(kind, given string, accepted []string) error {
	list := slices.Sorted(slices.Values(accepted))
	if near := Word(given, list); near != "" {
		return fmt.Errorf("unknown %s %q, did you mean %q? accepted: %s", kind, given, near, strings.Join(list, ", "))
	}
	return fmt.Errorf("unknown %s %q, accepted: %s", kind, given, strings.Join(list, ", "))
}

// distance is the Levenshtein distance of two words in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
