# Draws the figures of an experiment with gnuplot, from exported files; to copy and change.
#
#   etalon export runs --format csv  --out export
#   etalon export runs --format hgrm --out export
#   gnuplot -c scripts/plot.gnuplot export figures ycsb-a
#
# The words are: directory of the exports, directory to write to (it must be there), workload. It
# writes throughput, bytes, time and one latency figure for each kind of operation, as PNG; a fourth
# word svg makes them SVG. Runs that failed their verification are left out.
#
# Lines are told apart by engine alone: with suites that vary more than engine and workload, filter
# runs.csv and series.csv first, or use plot.py. Needs gnuplot 5.4 (Debian: gnuplot-nox), sed and ls.

if (ARGC < 3 || ARGC > 4) {
    print "usage: gnuplot -c plot.gnuplot EXPORTS OUT WORKLOAD [png|svg]"
    exit status 2
}
dir = ARG1; out = ARG2; workload = ARG3; format = ARGC > 3 ? ARG4 : "png"
runs = dir."/runs.csv"; series = dir."/series.csv"
present(file) = int(system("test -r '".file."' && echo 1 || echo 0"))
if (!present(runs) || !present(series)) {
    print "plot.gnuplot: ".runs." or ".series." is not there; make them with: etalon export RUNS --format csv --out ".dir
    exit status 1
}
if (format ne "png" && format ne "svg") {
    print "plot.gnuplot: unknown format ".format.", accepted are png and svg"
    exit status 2
}

# Colour of an engine, the same as in etalon's own figures and report (Paul Tol's "bright" scheme).
colour(e) = e eq "mem"       ? "#888888" : \
            e eq "bolt"      ? "#4477aa" : \
            e eq "pebble"    ? "#ee6677" : \
            e eq "badger"    ? "#228833" : \
            e eq "etcd"      ? "#aa3377" : \
            e eq "zookeeper" ? "#b8a030" : "#3aa5c8"
point(e) = e eq "mem" ? 7 : e eq "bolt" ? 5 : e eq "pebble" ? 9 : e eq "badger" ? 13 : e eq "etcd" ? 2 : 6

known = "mem bolt pebble badger etcd zookeeper"
set datafile separator comma

# What there is of this workload: walking over the rows collects names.
mine(e) = strcol("valid") eq "true" && strcol("factor.workload") eq workload && strcol("factor.engine") eq e
found = ""; durability = ""
collect(e, d) = strstrt(found." ", " ".e." ") ? 0 : (found = found." ".e, durability = durability.", ".e." ".d, 0)
stats runs using (mine(strcol("factor.engine")) ? collect(strcol("factor.engine"), strcol("durability")) : 0) nooutput
if (words(found) == 0) {
    print "plot.gnuplot: ".runs." has no valid run of workload ".workload
    exit status 1
}
engines = ""
do for [e in known] { if (strstrt(found." ", " ".e." ")) { engines = engines." ".e } }
do for [e in found] { if (!strstrt(" ".known." ", " ".e." ")) { engines = engines." ".e } }
n = 0
do for [e in engines] {
    stats runs using (mine(e) ? column("ops/s") : NaN) nooutput name "S"
    n = S_records > n ? S_records : n
}
note = sprintf("durability: %s; N = %d", durability[3:*], n)

if (format eq "svg") { set terminal svg size 760,460 font "Arial,13" background "white" } \
else { set terminal pngcairo size 1520,920 font "Liberation Sans,22" linewidth 2 pointscale 1.6 }
file(name) = sprintf("%s/%s.%s", out, name, format)
heading(text, more) = sprintf("{/:Bold %s}\n{/*0.75 %s}", text, more)

set border 3 lc rgb "#9aa1a9"
set tics nomirror textcolor rgb "#5b626b"
set grid lc rgb "#e3e6e9" lt 1 lw 0.6
set key bmargin center horizontal samplen 2 textcolor rgb "#1c1f23"

# Times in nanoseconds with the unit a person would choose.
set macros
time_tics = 'set ytics ("100 ns" 1e2, "1 µs" 1e3, "10 µs" 1e4, "100 µs" 1e5, "1 ms" 1e6, "10 ms" 1e7, "100 ms" 1e8, "1 s" 1e9, "10 s" 1e10, "100 s" 1e11)'

# ---- Throughput: median as bar, every run as point --------------------------------------------

# $medians: place, operations a second, bytes written per client byte, MiB on disk.
# A figure that a run does not have is empty in the file; 0 stands for it here.
filled(what) = strlen(strcol(what)) ? column(what) : 0
set print $medians
do for [i = 1:words(engines)] {
    e = word(engines, i)
    stats runs using (mine(e) ? column("ops/s") : NaN) nooutput name "S"
    ops = S_median
    stats runs using (mine(e) ? filled("disk-B") : NaN) nooutput name "S"
    disk = S_median / 2**20
    stats runs using (mine(e) ? filled("write-amp") : NaN) nooutput name "S"
    print sprintf("%d,%.9g,%.9g,%.9g", i, ops, S_median, disk)
}
set print
set style fill solid 0.9 noborder
set boxwidth 0.6
set xrange [0.4:words(engines) + 0.6]
set xtics () ; do for [i = 1:words(engines)] { set xtics add (word(engines, i) i) }
unset key

set output file("throughput-".workload)
set title heading(workload.": throughput", "median as bar, runs as points; ".note) enhanced
set ylabel "operations / s (log scale)"
set logscale y
set format y "%.0s %c"
plot for [i = 1:words(engines)] $medians every ::i-1::i-1 using 1:2 with boxes lc rgb colour(word(engines, i)), \
     for [i = 1:words(engines)] runs using (mine(word(engines, i)) ? i : NaN):(column("ops/s")) with points pt 6 lc rgb "#1c1f23"
unset logscale y

# ---- Bytes written per client byte, and disk used ----------------------------------------------

set output file("bytes-".workload)
set multiplot layout 1,2 title heading(workload.": bytes written and disk used", "medians of runs; ".note)
set title "written by the engine per client byte"
set ylabel "×"
set format y "%g"
set yrange [0:1<*]
plot for [i = 1:words(engines)] $medians every ::i-1::i-1 using 1:3 with boxes lc rgb colour(word(engines, i))
set title "data directory after the drain"
set ylabel "MiB"
plot for [i = 1:words(engines)] $medians every ::i-1::i-1 using 1:4 with boxes lc rgb colour(word(engines, i))
unset multiplot
set yrange [*:*]

# ---- Latency over time: p50, p99 and max of every run --------------------------------------------

set output file("time-".workload)
set multiplot layout 3,1 title heading(workload.": latency over time", "every interval of every run; ".note) margins 0.12,0.96,0.15,0.82 spacing 0.03
unset title
set xrange [0:*]
set logscale y
@time_tics
do for [what in "p50 p99 max"] {
    if (what eq "p50") { set key at graph 0, 1.16 left bottom horizontal samplen 1 } else { unset key }
    if (what eq "max") { set xtics auto; set xlabel "seconds since the measured phase began" } else { set xtics auto; set format x "" }
    if (what eq "max") { set format x "%g" }
    set ylabel what
    plot for [e in engines] series using (mine(e) ? column("at-ns") / 1e9 : NaN):(column(what."-ns")) \
         with points pt point(e) ps 0.8 lc rgb colour(e) title e
}
unset multiplot
unset logscale y
set key bmargin center horizontal samplen 2
set rmargin 5

# ---- Latency by percentile: one figure a kind of operation ---------------------------------------

set datafile separator whitespace
set datafile commentschars "#"
set logscale xy
set xrange [1:*]
set xlabel "percentile of operations"
set ylabel "latency"
set xtics ("50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1e3, "99.99 %%" 1e4, "99.999 %%" 1e5, "99.9999 %%" 1e6)
comment(f, line) = system(sprintf("sed -n 's/^# //p' '%s' | sed -n %dp", f, line))
engine_of(f) = system("sed -n 's/^# .*\\bengine=\\([^ ]*\\).*/\\1/p' '".f."'")
all_files = system("ls '".dir."'/*.hgrm 2>/dev/null")
kinds = system("sed -n 's/^# \\(.*\\), \\(service\\|response\\) time in .*/\\1/p' '".dir."'/*.hgrm 2>/dev/null | sort -u | tr ' ' '-'")
if (words(kinds) == 0) {
    print "plot.gnuplot: no .hgrm in ".dir.", so no latency by percentile; make them with: etalon export RUNS --format hgrm --out ".dir
    exit
}
do for [k in kinds] {
    files = ""
    clock = ""
    do for [e in engines] {
        do for [f in all_files] {
            about = comment(f, 1)
            first = system("printf %s '".about."' | sed 's/, .*//' | tr ' ' '-'")
            if (first eq k && engine_of(f) eq e && strstrt(comment(f, 2)." ", "workload=".workload." ")) {
                files = files." ".f
                clock = strstrt(about, "response time") ? "response time" : "service time"
            }
        }
    }
    if (words(files) > 0) {
        set output file("latency-".workload."-".k)
        set title heading(workload.": latency of ".k, clock.", runs merged; ".note)
        # Column 4 is 1/(1-p), column 1 the value in microseconds. The last row has three columns: the
        # slowest operation, of so many as column 3 says.
        plot for [f in files] f using (valid(4) ? $4 : $3):($1 * 1e3) with linespoints pt point(engine_of(f)) pi 12 lw 1.5 lc rgb colour(engine_of(f)) title engine_of(f)
    }
}
