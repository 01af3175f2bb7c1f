#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each (2000x: that many inputs; 10m: that long).
set -euo pipefail
cd "$(dirname "$0")/.."
: "${GO:=go}" "${FUZZTIME:=2000x}"
count=0
while IFS=: read -r file target; do
	package=./$(dirname "$file")
	echo "fuzz $package $target ($FUZZTIME)"
	"$GO" test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" "$package"
	count=$((count + 1))
done < <(git ls-files '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //')
[ "$count" -gt 0 ] || { echo "no fuzz target found" >&2; exit 1; }
echo "fuzzed $count targets"
