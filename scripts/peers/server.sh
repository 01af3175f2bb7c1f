#!/usr/bin/env bash
# Etalon's server beside etcd's, both driven by etcd's own load generator, in turn, on this machine.
# Every member syncs its log before it acknowledges a write; values have 256 bytes. Both get the same
# number of requests, on fresh directories, and clients are spread over all members.
#
# Prints medians of the rounds with the least and the greatest, beside them the ceiling: a server that
# does nothing, which shows what wire and generator allow. Then lines "ratio CELL R", each the median of
# the rounds' ratios; above 1 is better for us:
#   put, range  ours ÷ etcd's requests a second (ranges are linearizable and read one key)
#   p99         etcd's ÷ our 99th percentile of the put's latency
#   rss         etcd's ÷ our resident memory of all members, after all puts and ranges
#   restart     etcd's ÷ our time from the start of the process to the first linearizable read
#   watch       etcd's ÷ our median time from sending a put to an event; watch-p99 likewise
# With several ENGINES the lines "ratio engine=E/CELL R" come first, and those without are of the first one.
#
#   scripts/peers/server.sh                  everything, of one engine; alone on a machine, and a matter of many minutes
#   ROUNDS=2 SECONDS_EACH=1 MEMBERS=1 CLIENTS="100 1000" PARTS="put range" scripts/peers/server.sh   a quick look
#   ENGINES="bolt pebble badger mem"         all engines; mem's log is synced like all others
#   ROUNDS=5  SECONDS_EACH=3                 about how long etcd takes for a cell
#   MEMBERS="1 3"  CLIENTS="1 100 1000"  PARTS="put range restart watch"
#   KEYS=1000000                             of the member that is restarted
#   DIR=/mnt/disk                            where the data goes meanwhile
#   BIN=DIR                                  where the programs are built, to be kept
set -euo pipefail
cd "$(dirname "$0")"
: "${GO:=go}" "${ROUNDS:=5}" "${SECONDS_EACH:=3}" "${ENGINES:=bolt}" "${MEMBERS:=1 3}" "${CLIENTS:=1 100 1000}"
: "${PARTS:=put range restart watch}" "${KEYS:=1000000}" "${DIR:=${TMPDIR:-/tmp}}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
bin=${BIN:-$work/bin}
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)
cp go.mod go.sum "$work/" # what the product requires may have moved since these were written
"$GO" build -mod=mod -modfile="$work/go.mod" -o "$bin/" ./etcd ./etcdctl ./ceiling ./serverrun
(cd benchmark && "$GO" build -o "$bin/benchmark" go.etcd.io/etcd/v3/tools/benchmark)
(cd ../.. && "$GO" build -tags grpcnotrace -o "$bin/etalon" ./cmd/etalon) # as README.md installs it
"$bin/serverrun" -bin "$bin" -dir "$DIR" -rounds "$ROUNDS" -seconds "$SECONDS_EACH" -engines "$ENGINES" \
	-members "$MEMBERS" -clients "$CLIENTS" -parts "$PARTS" -keys "$KEYS"
