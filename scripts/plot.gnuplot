# Draws the figures of an experiment with gnuplot, from exported files; to copy and change.
#
#   etalon export runs --format csv  --out export
#   etalon export runs --format hgrm --out export
#   gnuplot -c scripts/plot.gnuplot export figures ycsb-a
#
# The words are: directory of the exports, directory to write to (it must be there), workload. It
# writes throughput, bytes, time and one latency figure for each kind of operation, as PNG; a fourth
# word svg makes them SVG, a fifth names the target, where the workload was put to several: without it
# each of them has its own figures. Runs that failed their verification are left out.
#
# Lines are told apart by engine alone: of a suite that varies more, use plot.py, or filter runs.csv,
# series.csv and the .hgrm files first. Needs gnuplot 5.4 (Debian: gnuplot-nox), sed, awk, sort and ls.

if (ARGC < 3 || ARGC > 5) {
    print "usage: gnuplot -c plot.gnuplot EXPORTS OUT WORKLOAD [png|svg] [TARGET]"
    exit status 2
}
reset
dir = ARG1; out = ARG2; workload = ARG3; format = ARGC > 3 ? ARG4 : "png"; target = ARGC > 4 ? ARG5 : ""
runs = dir."/runs.csv"; series = dir."/series.csv"
present(file) = int(system("test -r '".file."' && echo 1 || echo 0"))
if (!present(runs) || !present(series)) {
    print "plot.gnuplot: ".runs." or ".series." is not there; make them with: etalon export RUNS --format csv --out ".dir
    exit status 1
}
if (!present(out."/.")) {
    print "plot.gnuplot: ".out." is not there, or no directory"
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

# Which targets there are, which engines and what they promise, and whether an engine has one cell only.
has(list, word) = strstrt(list." ", " ".word." ") > 0
of(t) = strcol("valid") eq "true" && strcol("factor.workload") eq workload && (t eq "" || strcol("factor.target") eq t)
factors = system("sed -n '1s/,/\\n/gp' '".runs."' | sed -n '/^factor\\./p'")
targets = ""; found = ""; durability = ""; cells = ""; varied = 0
note_target(t) = has(targets, t) ? 0 : (targets = targets." ".t, 0)
stats runs using (of("") ? note_target(strcol("factor.target")) : 0) nooutput
if (words(targets) == 0) {
    print "plot.gnuplot: ".runs." has no valid run of workload ".workload
    exit status 1
}
if (target ne "" && !has(targets, target)) {
    print "plot.gnuplot: ".runs." has no valid run of ".workload." with target=".target.", but with".targets
    exit status 1
}
if (target eq "" && words(targets) > 1) {
    each = targets
    script = ARG0
    do for [t in each] { call script dir out workload format t }
    exit
}
about = words(targets) > 1 ? workload.", target=".target : workload
suffix = words(targets) > 1 ? workload."-".target : workload
target = target eq "" ? word(targets, 1) : target
mine(e) = of(target) && strcol("factor.engine") eq e
cell(i) = i == 0 ? "" : cell(i - 1).strcol(word(factors, i)).";"
collect(e, d, c) = has(found, e) ? (varied = varied || !strstrt(cells, c), 0) : (found = found." ".e, durability = durability.", ".e." ".d, cells = cells.c, 0)
stats runs using (of(target) ? collect(strcol("factor.engine"), strcol("durability"), cell(words(factors))) : 0) nooutput
if (varied) {
    print "plot.gnuplot: ".runs." has several cells of an engine for ".about.": use plot.py, or leave one of each in the files"
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

set output file("throughput-".suffix)
set title heading(about.": throughput", "median as bar, runs as points; ".note) enhanced
set ylabel "operations / s (log scale)"
set logscale y
set format y "%.0s %c"
plot for [i = 1:words(engines)] $medians every ::i-1::i-1 using 1:2 with boxes lc rgb colour(word(engines, i)), \
     for [i = 1:words(engines)] runs using (mine(word(engines, i)) ? i : NaN):(column("ops/s")) with points pt 6 lc rgb "#1c1f23"
unset logscale y

# ---- Bytes written per client byte, and disk used ----------------------------------------------

set output file("bytes-".suffix)
set multiplot layout 1,2 title heading(about.": bytes written and disk used", "medians of runs; ".note)
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

set output file("time-".suffix)
set multiplot layout 3,1 title heading(about.": latency over time", "every interval of every run; ".note) margins 0.12,0.96,0.15,0.82 spacing 0.03
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
# Of each file of this workload and target: kind (blanks as -), clock, engine, name. Stages are no operations.
table = system("cd '".dir."' && awk '\
    /^# .*, (service|response) time in / { split(substr($0, 3), part, \", \"); kind = part[1]; gsub(/ /, \"-\", kind); clock = part[2] ~ /^response/ ? \"response\" : \"service\" }\
    /^# .*workload=/ && kind != \"\" { engine = \" \" $0 \" \"; sub(/.* engine=/, \"\", engine); sub(/ .*/, \"\", engine);\
        if (index($0 \" \", \" workload=".workload." \") && index($0 \" \", \" target=".target." \")) print kind, clock, engine, FILENAME; kind = \"\" }\
    ' *.hgrm 2>/dev/null")
kinds = ""
do for [i = 1:words(table):4] { if (!has(kinds, word(table, i))) { kinds = kinds." ".word(table, i) } }
if (words(kinds) == 0) {
    print "plot.gnuplot: no .hgrm of ".about." in ".dir.", so no latency by percentile; make them with: etalon export RUNS --format hgrm --out ".dir
    exit
}
do for [k in kinds] {
    files = ""; named = ""; clock = ""
    do for [e in engines] {
        do for [i = 1:words(table):4] {
            if (word(table, i) eq k && word(table, i + 2) eq e) {
                files = files." ".word(table, i + 3)
                named = named." ".e
                clock = word(table, i + 1)." time"
            }
        }
    }
    if (words(files) > 0) {
        set output file("latency-".suffix."-".k)
        set title heading(about.": latency of ".k, clock.", runs merged; ".note)
        # Column 4 is 1/(1-p), column 1 the value in microseconds. The last row has three columns: the
        # slowest operation, of so many as column 3 says.
        plot for [i = 1:words(files)] dir."/".word(files, i) using (valid(4) ? $4 : $3):($1 * 1e3) with linespoints \
            pt point(word(named, i)) pi 12 lw 1.5 lc rgb colour(word(named, i)) title word(named, i)
    }
}
