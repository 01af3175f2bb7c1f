#!/usr/bin/env bash
# Etalon's multi-version store beside etcd's, built from its published module: the same work on the
# same keys, one program after the other on one machine (package work says what is done). Every
# write goes through etcd's batching: 10,000 operations or 100 ms, fsync on.
#
# Prints a table, then lines "ratio ENGINE/INDEX/PART R", etcd's time or bytes divided by ours:
# above 1 is better. mem keeps nothing on disk, so it has no fsync and no restore, and its heap is that
# of the values too.
#
# etcd's store is measured again before each engine, and the median counts, so that a machine that
# grows slower or faster meanwhile does so for both.
#
#   KEYS=100000 scripts/peers/mvcc.sh       a quick look; default 1000000, 10 to 20 minutes alone on
#                                           a machine
#   ENGINES="bolt pebble" INDEXES=packed    a part of the table
#   ROUNDS=3                                medians of as many rounds, in turn
#   MINUTES=25                              begin nothing more after that; what is missing is "-"
#   PREFIX=/registry/pods/default/          what the keys begin with; default: 40 random bytes
#   DIR=/mnt/disk                           where the data goes meanwhile
#   RAW=FILE                                keep the lines that the table is made of
set -euo pipefail
cd "$(dirname "$0")"
: "${GO:=go}" "${KEYS:=1000000}" "${ROUNDS:=1}" "${MINUTES:=25}" "${PREFIX:=}" "${DIR:=${TMPDIR:-/tmp}}"
: "${ENGINES:=bolt pebble badger mem}" "${INDEXES:=packed tbtree gbtree}"
work=$(mktemp -d)
data=$(mktemp -d -p "$DIR")
trap 'rm -rf "$work" "$data"' EXIT
trap 'exit 130' INT TERM
raw=${RAW:-$work/raw}
cp go.mod go.sum "$work/" # what the product requires may have moved since these were written
"$GO" build -mod=mod -modfile="$work/go.mod" -o "$work/" ./etcdmvcc ./etalonmvcc

# measure NAME PROGRAM ARGUMENTS...: its lines, with the name before them.
measure() {
	local name=$1; shift
	if ((SECONDS > MINUTES * 60)); then
		echo "$name, round $round: left out, $MINUTES minutes are over" >&2
		return
	fi
	echo "$name, round $round of $ROUNDS, after $((SECONDS / 60)) min $((SECONDS % 60)) s" >&2
	"$@" -keys "$KEYS" -prefix "$PREFIX" -dir "$data" -seed "$round" >"$work/out"
	sed "s|^|$name |" "$work/out" >>"$raw"
}

: >"$raw"
for round in $(seq "$ROUNDS"); do
	for engine in $ENGINES; do
		measure etcd "$work/etcdmvcc"
		for index in $INDEXES; do
			measure "$engine/$index" "$work/etalonmvcc" -engine "$engine" -index "$index"
		done
	done
done

echo "$KEYS keys of 40 bytes${PREFIX:+ that begin with $PREFIX}, values of 256 bytes, medians; microseconds an operation, heap in bytes a key"
awk '
	{ key = $1 SUBSEP $2; sample[key, ++count[key]] = $3 }
	!($1 in seen) { seen[$1] = 1; stores[++n] = $1 }
	function median(key,    i, j, t, c) {
		c = count[key]
		for (i = 2; i <= c; i++)
			for (j = i; j > 1 && sample[key, j-1] > sample[key, j]; j--) {
				t = sample[key, j]; sample[key, j] = sample[key, j-1]; sample[key, j-1] = t
			}
		return (sample[key, int((c+1)/2)] + sample[key, int((c+2)/2)]) / 2
	}
	END {
		parts = split("put overwrite get range100 heap compact restore", part, " ")
		printf "%-16s", "store"
		for (p = 1; p <= parts; p++) printf "%11s", part[p]
		print ""
		for (i = 1; i <= n; i++) {
			printf "%-16s", stores[i]
			for (p = 1; p <= parts; p++) {
				key = stores[i] SUBSEP part[p]
				if (!(key in count)) { printf "%11s", "-"; continue }
				value[key] = median(key)
				printf "%11.2f", part[p] == "heap" ? value[key] : value[key] / 1000
			}
			print ""
		}
		print ""
		for (i = 2; i <= n; i++)
			for (p = 1; p <= parts; p++)
				if ((stores[i] SUBSEP part[p]) in value)
					printf "ratio %s/%s %.2f\n", stores[i], part[p], value["etcd" SUBSEP part[p]] / value[stores[i] SUBSEP part[p]]
	}' "$raw"
