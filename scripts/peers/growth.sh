#!/usr/bin/env bash
# How the time of an operation grows with the number of keys: from 10,000 tenfold a step up to KEYS,
# on ENGINE and INDEX. Ends with lines "growth PART R": the slowest step divided by the fastest, and
# "growth-etcd PART R", the same of etcd's store, which is measured beside it up to PEERKEYS, and
# "growth-map PART R", that of a plain map of Go: what the caches and the memory of the machine do alone.
#
# Values are of VALUE bytes at every step, so that ten million keys take about 3 GiB of disk and
# 3 GiB of memory; alone on a machine all of it takes about 10 minutes. Small steps are repeated and
# the median counts, since their writing is one or two commits, and at least 200,000 keys are read.
#
#   KEYS=10000000 ENGINE=bolt INDEX=packed VALUE=64 PEERKEYS=1000000 (0: no etcd) DIR=/mnt/disk
set -euo pipefail
cd "$(dirname "$0")"
: "${GO:=go}" "${KEYS:=10000000}" "${PEERKEYS:=1000000}" "${VALUE:=64}" "${ENGINE:=bolt}" "${INDEX:=packed}"
: "${PREFIX:=}" "${DIR:=${TMPDIR:-/tmp}}"
work=$(mktemp -d)
data=$(mktemp -d -p "$DIR")
trap 'rm -rf "$work" "$data"' EXIT
trap 'exit 130' INT TERM
cp go.mod go.sum "$work/" # what the product requires may have moved since these were written
"$GO" build -mod=mod -modfile="$work/go.mod" -o "$work/" ./etcdmvcc ./etalonmvcc ./gomap

# measure NAME PROGRAM ARGUMENTS...: as many rounds as the size asks for.
measure() {
	local name=$1 rounds=1; shift
	if ((n <= 10000)); then rounds=9; elif ((n <= 100000)); then rounds=3; fi
	for ((round = 1; round <= rounds; round++)); do
		echo "$name, $n keys, round $round of $rounds, after $((SECONDS / 60)) min $((SECONDS % 60)) s" >&2
		"$@" -keys "$n" -value "$VALUE" -reads 200000 -prefix "$PREFIX" -dir "$data" -seed "$round" >"$work/out"
		sed "s|^|$name $n |" "$work/out" >>"$work/raw"
	done
}

: >"$work/raw"
for ((n = 10000; n <= KEYS; n *= 10)); do
	measure "$ENGINE/$INDEX" "$work/etalonmvcc" -engine "$ENGINE" -index "$INDEX"
	measure map "$work/gomap"
	if ((n <= PEERKEYS)); then measure etcd "$work/etcdmvcc"; fi
done
echo "keys of 40 bytes, values of $VALUE bytes; microseconds an operation, heap in bytes a key"
awk '
	!($1 in seenStore) { seenStore[$1] = 1; stores[++m] = $1 }
	!($2 in seen) { seen[$2] = 1; sizes[++n] = $2 }
	{ key = $1 SUBSEP $2 SUBSEP $3; sample[key, ++count[key]] = $4 }
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
		printf "%-14s%10s", "store", "keys"
		for (p = 1; p <= parts; p++) printf "%11s", part[p]
		print ""
		for (k = 1; k <= m; k++) for (i = 1; i <= n; i++) {
			if (!((stores[k] SUBSEP sizes[i] SUBSEP "put") in count)) continue
			printf "%-14s%10d", stores[k], sizes[i]
			for (p = 1; p <= parts; p++) {
				key = stores[k] SUBSEP sizes[i] SUBSEP part[p]
				if (!(key in count)) { printf "%11s", "-"; continue }
				v = median(key)
				printf "%11.2f", part[p] == "heap" ? v : v / 1000
				at = stores[k] SUBSEP part[p]
				if (!(at in most) || v > most[at]) most[at] = v
				if (!(at in least) || v < least[at]) least[at] = v
			}
			print ""
		}
		print ""
		for (k = 1; k <= m; k++) for (p = 1; p <= parts; p++) {
			at = stores[k] SUBSEP part[p]
			if (at in most && least[at] > 0)
				printf "growth%s %s %.2f\n", stores[k] ~ "/" ? "" : "-" stores[k], part[p], most[at] / least[at]
		}
	}' "$work/raw"
