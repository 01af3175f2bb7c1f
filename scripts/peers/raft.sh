#!/usr/bin/env bash
# Etalon's raft core beside go.etcd.io/raft, built from its published module: the same number of
# RawNodes in one process, each on its library's MemoryStorage, the same entries, messages handed over by
# call (package consensus says what is done). The two take turns, a process each time, and who begins
# alternates.
#
# Prints medians of both, then lines "ratio voters=3/batch=64/time R", the peer's time an entry divided
# by ours (above 1 is better), and "allocs voters=3/batch=64 N", our heap allocations an entry.
#
#   ROUNDS=1 ENTRIES=20000 scripts/peers/raft.sh    a quick look; default 5 rounds of 100000 entries
#   VOTERS="1 3 5" BATCHES="64 1" BYTES=256         what is measured
#   RAW=FILE                                        keep the lines that the table is made of
set -euo pipefail
cd "$(dirname "$0")"
: "${GO:=go}" "${ROUNDS:=5}" "${ENTRIES:=100000}" "${VOTERS:=1 3 5}" "${BATCHES:=64 1}" "${BYTES:=256}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
raw=${RAW:-$work/raw}
"$GO" build -o "$work/" ./etcdraft ./etalonraft

: >"$raw"
for round in $(seq "$ROUNDS"); do
	programs="etcdraft etalonraft"
	[ $((round % 2)) = 1 ] || programs="etalonraft etcdraft"
	for voters in $VOTERS; do
		for batch in $BATCHES; do
			for program in $programs; do
				figures=$("$work/$program" -voters "$voters" -batch "$batch" -entries "$ENTRIES" -bytes "$BYTES")
				echo "$program voters=$voters/batch=$batch $figures" >>"$raw"
			done
		done
	done
	echo "round $round of $ROUNDS" >&2
done

echo "$ENTRIES entries of $BYTES bytes, medians of $ROUNDS rounds: nanoseconds, CPU time and allocations an entry, all nodes together"
awk '
	{ add($1 SUBSEP $2 SUBSEP "ns", $3); add($1 SUBSEP $2 SUBSEP "cpu", $4); add($1 SUBSEP $2 SUBSEP "allocs", $5) }
	!($2 in seen) { seen[$2] = 1; cells[++n] = $2 }
	function add(key, v) { sample[key, ++count[key]] = v }
	function median(program, cell, what,    key, i, j, t, c) {
		key = program SUBSEP cell SUBSEP what
		c = count[key]
		for (i = 2; i <= c; i++)
			for (j = i; j > 1 && sample[key, j-1] > sample[key, j]; j--) {
				t = sample[key, j]; sample[key, j] = sample[key, j-1]; sample[key, j-1] = t
			}
		return (sample[key, int((c+1)/2)] + sample[key, int((c+2)/2)]) / 2
	}
	END {
		printf "%-20s%12s%12s%14s%14s%14s%14s\n", "", "etcd ns", "etalon ns", "etcd cpu ns", "etalon cpu ns", "etcd allocs", "etalon allocs"
		for (i = 1; i <= n; i++) {
			peer[i] = median("etcdraft", cells[i], "ns"); ours[i] = median("etalonraft", cells[i], "ns")
			allocs[i] = median("etalonraft", cells[i], "allocs")
			printf "%-20s%12.0f%12.0f%14.0f%14.0f%14.1f%14.2f\n", cells[i], peer[i], ours[i],
				median("etcdraft", cells[i], "cpu"), median("etalonraft", cells[i], "cpu"), median("etcdraft", cells[i], "allocs"), allocs[i]
		}
		print ""
		for (i = 1; i <= n; i++) printf "ratio %s/time %.2f\n", cells[i], peer[i] / ours[i]
		for (i = 1; i <= n; i++) printf "allocs %s %.1f\n", cells[i], allocs[i]
	}' "$raw"
