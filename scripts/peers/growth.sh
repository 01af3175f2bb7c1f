#!/usr/bin/env bash
# How the time of an operation grows with the number of keys, from 10,000 up to KEYS (10000000 by
# default, which takes 8 GiB of disk), tenfold a step, on ENGINE and INDEX (bolt, packed). Ends with
# lines "growth PART R": the slowest step divided by the fastest.
#
# PEER=etcd shows etcd's store instead.
set -euo pipefail
cd "$(dirname "$0")"
: "${GO:=go}" "${KEYS:=10000000}" "${ENGINE:=bolt}" "${INDEX:=packed}" "${PREFIX:=}" "${DIR:=${TMPDIR:-/tmp}}" "${PEER:=}"
work=$(mktemp -d)
data=$(mktemp -d -p "$DIR")
trap 'rm -rf "$work" "$data"' EXIT
trap 'exit 130' INT TERM
"$GO" build -o "$work/" ./etcdmvcc ./etalonmvcc
program=("$work/etalonmvcc" -engine "$ENGINE" -index "$INDEX")
name=$ENGINE/$INDEX
if [ "$PEER" = etcd ]; then program=("$work/etcdmvcc") name=etcd; fi

: >"$work/raw"
for ((n = 10000; n <= KEYS; n *= 10)); do
	echo "$name, $n keys" >&2
	"${program[@]}" -keys "$n" -prefix "$PREFIX" -dir "$data" | sed "s|^|$n |" >>"$work/raw"
done
echo "$name, keys of 40 bytes, values of 256 bytes; microseconds an operation, heap in bytes a key"
awk '
	!($1 in seen) { seen[$1] = 1; sizes[++n] = $1 }
	{ value[$1, $2] = $3 }
	END {
		parts = split("put overwrite get range100 heap compact restore", part, " ")
		printf "%-10s", "keys"
		for (p = 1; p <= parts; p++) printf "%11s", part[p]
		print ""
		for (i = 1; i <= n; i++) {
			printf "%-10d", sizes[i]
			for (p = 1; p <= parts; p++) {
				if (!((sizes[i], part[p]) in value)) { printf "%11s", "-"; continue }
				v = value[sizes[i], part[p]]
				printf "%11.2f", part[p] == "heap" ? v : v / 1000
				if (!(p in most) || v > most[p]) most[p] = v
				if (!(p in least) || v < least[p]) least[p] = v
			}
			print ""
		}
		print ""
		for (p = 1; p <= parts; p++) if (p in most && least[p] > 0) printf "growth %s %.2f\n", part[p], most[p] / least[p]
	}' "$work/raw"
