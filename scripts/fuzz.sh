#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each (2000x: that many inputs; 10m: that long). Inputs that
# reach new code are kept for the next time where go test -fuzz keeps them; one that fails is written to the
# package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${GO:=go}" "${FUZZTIME:=2000x}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$("$GO" env GOCACHE)/fuzz
module=$("$GO" list -m)
count=0
built=
while IFS=: read -r file target; do
	package=$(dirname "$file")
	if [ "$package" != "$built" ]; then
		"$GO" test -c -vet=off -fuzz . -o "$work/test" "./$package"
		built=$package
	fi
	echo "fuzz ./$package $target ($FUZZTIME)"
	(cd "$package" && "$work/test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$FUZZTIME" -test.fuzzcachedir "$cache/$module/$package")
	count=$((count + 1))
done < <(git ls-files '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //' | sort)
[ "$count" -gt 0 ] || { echo "no fuzz target found" >&2; exit 1; }
echo "fuzzed $count targets"
