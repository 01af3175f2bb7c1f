#!/usr/bin/env bash
# Measures the figures that Etalon promises, with its committed benchmarks, and ends with one line
# for each:
#
#	generator/ns, generator/allocs   a closed-loop operation on a target that does nothing, the worst workload
#	openloop/late                    share of operations more than 1 ms late at 50,000 a second on one core
#	tax                              time through the contract over time by the library alone, geometric mean
#	buffered/speedup                 bolt: synced put alone over a put through Buffered
#	buffered/read                    bolt: reads through Buffered over bare ones, beside 5000 pending overwrites:
#	                                 the worse of get and scan of 100 in a store of 1,000,000 keys
#	buffered/read/keys=N/op=OP       each of them, in a store of 1,000,000 keys and in one of 100,000
#	wal/syncs, wal/written           raft/wal: syncs a batch, and bytes written a byte of data, at 64 x 256 bytes
#	wal/recover                      seconds to open a log of a million such entries, from a warm cache
#	wal/silent                       of FLIPS (default 100000) random single-bit flips, every bit of a last
#	                                 write and every length of a file: how many pass unnoticed and matter
#
# Usage: scripts/figures.sh [generator|openloop|tax|buffered|wal]...    (default: all)
#
# Every benchmark runs COUNT times (default 3) for BENCHTIME (default 1s), and the median counts. A
# benchmark that is missing or fails ends the script with an error. Nothing else should run on the
# machine; the stores are made in TMPDIR, which should be on the disk of interest.
set -euo pipefail
cd "$(dirname "$0")/.."

count=${COUNT:-3}
benchtime=${BENCHTIME:-1s}
engines="mem bolt pebble badger"
work=$(mktemp -d "${TMPDIR:-/tmp}/etalon-figures.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() { echo "figures: $*" >&2; exit 1; }

# build PACKAGE: compiles its tests, so that no compiler runs beside a measurement.
build() {
	go test -c -o "$work/${1//\//_}.test" "./$1"
}

# run NAME PACKAGE ARGUMENT...: runs benchmarks of PACKAGE, shows them, keeps them as NAME.
run() {
	local name=$1 package=$2
	shift 2
	local arguments=(-test.run '^$' -test.benchtime "$benchtime" -test.count "$count" -test.timeout 10m "$@")
	echo "== $package: ${arguments[*]}"
	(cd "$package" && "$work/${package//\//_}.test" "${arguments[@]}") | tee "$work/$name"
	! grep -q -- '^--- FAIL' "$work/$name" || fail "$package: a benchmark failed"
}

# medians NAME UNIT: "benchmark median" for every benchmark of NAME that reports UNIT.
medians() {
	awk -v unit="$2" '
		/^Benchmark/ {
			name = $1; sub(/-[0-9]+$/, "", name)
			for (i = 3; i < NF; i += 2) if ($(i+1) == unit) print name, $i
		}' "$work/$1" | sort -k1,1 -k2,2g | awk '
		function flush() { if (n) print name, (n % 2 ? v[(n+1)/2] : (v[n/2] + v[n/2+1]) / 2) }
		$1 != name { flush(); name = $1; n = 0 }
		{ v[++n] = $2 }
		END { flush() }'
}

# wanted N WHAT: passes its input on, if that has N lines.
wanted() {
	local lines
	lines=$(cat)
	[ "$(grep -c . <<<"$lines")" -eq "$1" ] || fail "$2: want $1 benchmarks, got: ${lines:-none}"
	echo "$lines"
}

worst() { awk '$2 + 0 > most + 0 { most = $2 } END { print most + 0 }'; }
geomean() { awk '{ if ($2 <= 0) exit 1; sum += log($2); n++ } END { printf "%.3f\n", exp(sum / n) }'; }

figures=()
figure() { figures+=("figure $1 $2"); }

measure_generator() {
	build bench
	run generator bench -test.benchmem \
		-test.bench '^BenchmarkGenerator$/^workload=(ycsb-[abcdf]|get|overwrite|put)$/^value=256$'
	local ns allocs
	ns=$(medians generator ns/op | wanted 8 generator)
	allocs=$(medians generator allocs/op | wanted 8 generator)
	figure generator/ns "$(worst <<<"$ns")"
	figure generator/allocs "$(worst <<<"$allocs")"
}

measure_openloop() {
	build bench
	GOMAXPROCS=1 run openloop bench -test.bench '^BenchmarkOpenLoop$' -test.benchtime 150000x
	local late
	late=$(medians openloop late/op | wanted 1 openloop)
	figure openloop/late "${late#* }"
}

measure_tax() {
	local engine taxes all=""
	for engine in $engines; do
		build "engines/$engine"
	done
	for engine in $engines; do
		run "tax.$engine" "engines/$engine" \
			-test.bench '^BenchmarkTax$/././^(tax|value=256)$' -test.skip '^BenchmarkTax$/./././^via='
		taxes=$(medians "tax.$engine" tax | wanted 4 "tax of $engine")
		all+="$taxes"$'\n'
		echo "$taxes" | awk -v engine="$engine" '{ print "tax", engine, $1, $2 }'
		echo "tax $engine geometric mean $(geomean <<<"$taxes")"
	done
	figure tax "$(geomean <<<"${all%$'\n'}")"
}

measure_buffered() {
	build engines/bolt
	run write engines/bolt -test.bench '^BenchmarkBufferedWrite$'
	run read engines/bolt -test.bench '^BenchmarkBufferedRead$'
	local writes reads
	writes=$(medians write ns/op | wanted 2 "buffered writes")
	reads=$(medians read slower | wanted 4 "buffered reads")
	figure buffered/speedup "$(awk '
		/via=bare/ { bare = $2 }
		/via=buffered/ { buffered = $2 }
		END { if (!bare || !buffered) exit 1; printf "%.1f\n", bare / buffered }' <<<"$writes")"
	local name ratio
	while read -r name ratio; do
		figure "buffered/read/${name#*/}" "$ratio"
	done <<<"$reads"
	figure buffered/read "$(grep /keys=1000000/ <<<"$reads" | worst)"
}

measure_wal() {
	build raft/wal
	run append raft/wal -test.bench '^BenchmarkLog$/^log=wal$/^append$' -test.benchtime 10000x
	run recover raft/wal -test.bench '^BenchmarkLog$/^log=wal$/^recover$/^entries=1000000$' -test.benchtime 3x
	local syncs written recover
	syncs=$(medians append syncs/batch | wanted 1 "wal append")
	written=$(medians append written/byte | wanted 1 "wal append")
	recover=$(medians recover ns/op | wanted 1 "wal recover")
	echo "== raft/wal: damage"
	(cd raft/wal && ETALON_FLIPS=${FLIPS:-100000} "$work/raft_wal.test" -test.v -test.timeout 60m \
		-test.run '^(TestNoFlippedBitIsSilent|TestEveryBitOfTheLastWriteCounts|TestEveryTruncatedFileIsRefused)$') |
		tee "$work/damage"
	[ "$(grep -c -- '^--- PASS' "$work/damage")" = 3 ] || fail "raft/wal: damage went unnoticed"
	figure wal/syncs "${syncs#* }"
	figure wal/written "${written#* }"
	figure wal/recover "$(awk '{ printf "%.3f\n", $2 / 1e9 }' <<<"$recover")"
	figure wal/silent "$(grep -oE '[0-9]+ silent' "$work/damage" | cut -d' ' -f1)"
}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(generator openloop tax buffered wal)
for part in "${parts[@]}"; do
	case $part in
	generator | openloop | tax | buffered | wal) ;;
	*) fail "no part \"$part\"; there are generator, openloop, tax, buffered, wal" ;;
	esac
done
for part in "${parts[@]}"; do
	"measure_$part"
done
echo
printf '%s\n' "${figures[@]}"
