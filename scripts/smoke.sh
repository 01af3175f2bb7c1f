#!/usr/bin/env bash
# The main job as a user runs it: the quick suite, its report, every export, a resumed and a refused
# run. Leaves nothing behind; SMOKE_KEEP=DIR keeps the results there.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${GO:=go}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
etalon=$work/etalon
out=${SMOKE_KEEP:-$work/out}
"$GO" build -o "$etalon" ./cmd/etalon

step() { printf '\n== %s\n' "$*"; }
fail() { echo "smoke: $*" >&2; exit 1; }
# refused WORDS COMMAND...: the command must end with status 2 and say WORDS.
refused() {
	local words=$1 status=0; shift
	"$@" >"$work/refused" 2>&1 || status=$?
	[ "$status" = 2 ] || fail "status $status instead of 2: $*"
	grep -qF -- "$words" "$work/refused" || { cat "$work/refused" >&2; fail "no '$words' from: $*"; }
}

step "the harness proves itself"
# Its timing checks want cores of their own: a machine that is busy gets two more chances, and then
# a warning, with all the other checks held.
"$etalon" selftest || "$etalon" selftest || "$etalon" selftest || {
	echo "WARNING: this machine did not keep time; its latencies are not to be believed now" >&2
	"$etalon" selftest --skip-timed
}

step "the main job"
start=$SECONDS
"$etalon" run --out "$out" | tee "$work/table"
echo "took $((SECONDS - start)) s"
[ "$(find "$out" -name 'run-*.json' | wc -l)" = 84 ] || fail "not 84 records"
grep -q 'report.html' "$work/table" || fail "the path of the report is not told"
[ "$(du -sk "$out" | cut -f1)" -lt $((64 * 1024)) ] || fail "the results take more than 64 MiB"
[ -z "$(find "$out" -name 'etalon-work-*')" ] || fail "data was left behind"

step "watchers, and a compaction behind the writers"
"$etalon" bench --target mvcc --engine mem --workload watch --rate 2000 --duration 1s --warmup 100ms --records 1000 --out "$work/watch" | tee "$work/table"
grep -Eq ' event +[0-9]{4,} ' "$work/table" || fail "10 watchers were not told of the puts"
"$etalon" bench --target mvcc --engine pebble --workload compaction --duration 1s --warmup 100ms --records 1000 --out "$work/compact" | tee "$work/table"
grep -q ' put-compacting ' "$work/table" && grep -q ' put-quiet ' "$work/table" || fail "puts during a compaction are not told apart"

step "a second run has nothing left to do"
"$etalon" run --out "$out" >"$work/said" 2>&1
grep -q '84 runs there already' "$work/said" || fail "it was not resumed"

step "a broken record is named and left out"
victim=$(find "$out" -name 'run-*.json' | sort | head -n 1)
cp -r "$out" "$work/broken"
truncate -s -100 "$work/broken/$(basename "$victim")"
"$etalon" report "$work/broken" -o "$work/broken.html" >"$work/said" 2>&1
grep -qF "$(basename "$victim")" "$work/said" || fail "the truncated record is not named"

step "everything that is derived from records"
"$etalon" report "$out" -o "$work/report.html"
! grep -Eq '(src|href)="https?://' "$work/report.html" || fail "the report refers to the network"
for format in csv jsonl benchfmt hgrm; do "$etalon" export "$out" --format "$format" --out "$work/export-$format"; done
"$etalon" plot "$out" --out "$work/plots" --format png
"$etalon" plot "$out" --out "$work/plots" --format svg
"$etalon" compare "$out" "$out"
! "$etalon" compare "$out" "$out" --gate 5% >"$work/said" 2>&1 || fail "three runs a cell passed a gate that they cannot miss"
grep -q 'too few runs' "$work/said" || fail "the gate does not say that there are too few runs"
"$etalon" list >/dev/null
"$etalon" version

step "wrong words are answered"
refused 'did you mean "pebble"' "$etalon" bench --engine peble
refused 'did you mean "quick"' "$etalon" run quik
refused 'clients "-1"' "$etalon" bench --clients -1
refused 'unknown flag' "$etalon" run --nonsense
refused 'writes nothing' "$etalon" bench --workload get --batch 10
printf 'name: x\nfactors:\n  engin: bolt\n' >"$work/bad.yaml"
refused 'bad.yaml:3:3: unknown factor "engin", did you mean "engine"?' "$etalon" run "$work/bad.yaml"
echo "smoke: all well"
