#!/usr/bin/env python3
"""Draws the figures of an experiment from exported files, to copy and change.

Export once, both formats into one directory, then draw:

    etalon export runs --format csv  --out export
    etalon export runs --format hgrm --out export
    python3 scripts/plot.py export --out figures --format svg

It reads runs.csv (one row a run), series.csv (one row an interval of a run) and *.hgrm (one
latency distribution a cell and kind of operation, runs merged), and writes

    throughput.EXT            operations a second: median as bar, every run as dot
    bytes.EXT                 bytes written per client byte, and disk used
    latency-WORKLOAD-KIND.EXT latency by percentile
    time-WORKLOAD.EXT         p50, p99 and max over time, the run of median throughput

A workload that was put to several targets has figures for each of them.

It needs Debian's python3-matplotlib and python3-pandas, nothing else. Runs that failed their
verification (column valid) are left out. `etalon plot` draws the same without Python.
"""

import argparse
import math
import pathlib
import re
import shlex
import sys

try:
    import matplotlib

    matplotlib.use("Agg")  # files only, no window
    import matplotlib.pyplot as plt
    import pandas as pd
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, MultipleLocator, NullLocator
    plt.rcParams.update({"font.size": 9, "xtick.labelsize": 8, "ytick.labelsize": 8})
except ImportError as err:
    sys.exit(f"plot.py: {err}; on Debian: apt-get install python3-matplotlib python3-pandas")

# Colour and marker of an engine, the same as in etalon's own figures and report. The colours are
# Paul Tol's "bright" scheme, which stays apart for colour-blind readers.
LOOKS = {
    "mem": ("#888888", "o"),
    "bolt": ("#4477aa", "s"),
    "pebble": ("#ee6677", "^"),
    "badger": ("#228833", "D"),
    "etcd": ("#aa3377", "X"),
    "zookeeper": ("#b8a030", "h"),
}
OTHERS = ["#3aa5c8", "#d98a2b", "#7a6fc4", "#8c6d4f"]
DASHES = ["-", "--", ":", "-."]  # second, third, … line of one engine


def look(engine):
    """Colour and marker; another engine gets one by its name, so that it too stays the same."""
    return LOOKS.get(engine, (OTHERS[sum(engine.encode()) % len(OTHERS)], "P"))


# ---- Reading ------------------------------------------------------------------------------------


def read_csv(path):
    """A CSV of `etalon export`; only valid runs."""
    if not path.is_file():
        sys.exit(f"plot.py: {path} is not there; make it with: etalon export RUNS --format csv --out {path.parent}")
    names = pd.read_csv(path, nrows=0).columns
    table = pd.read_csv(path, dtype={c: str for c in names if c in ("id", "valid") or c.startswith("factor.")})
    missing = {"id", "valid", "durability", "factor.engine", "factor.target", "factor.workload"} - set(table.columns)
    if missing:
        sys.exit(f"plot.py: {path} has no column {', '.join(sorted(missing))}: not a CSV of etalon export?")
    return table[table["valid"] == "true"].copy()


def read_hgrm(path):
    """The points (1/(1-p), microseconds) of an .hgrm file, and what its comments say; None for a stage."""
    points, comments, slowest = [], [], None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            comments.append(line[2:])
            continue
        words = line.split()
        try:
            numbers = [float(w) for w in words]
        except ValueError:
            continue  # the heading, and #[Mean = …]
        if len(numbers) == 4:
            points.append((numbers[3], numbers[0]))
        elif len(numbers) == 3:
            slowest = (numbers[2], numbers[0])  # the maximum, of so many operations
    if slowest:
        points.append(slowest)
    if len(comments) < 3 or not points:
        sys.exit(f"plot.py: {path} is not an .hgrm file of etalon export: no points or no cell in its comments")
    named = re.match(r"(.*), (\S+ time) in ", comments[0])
    if not named:
        return None  # a stage inside the target, which is no operation
    kind, clock = named.groups()
    factors = dict(word.split("=", 1) for word in shlex.split(comments[1]))
    durability = re.search(r"durability (\w+)", comments[2]).group(1)
    return {"kind": kind, "clock": clock, "factors": factors, "durability": durability, "points": points}


NOWHERE = "-"  # the value of a factor that means nothing in a cell


def label_cells(runs):
    """Adds a column 'panel', what is drawn together (a workload, and its target where it has several), and
    a column 'line': engine, durability where it differs, and further factors that vary in a panel."""
    targets = runs.groupby("factor.workload")["factor.target"].nunique()

    def panel(workload, target):
        return f"{workload}, target={target}" if targets[workload] > 1 else workload

    runs["panel"] = [panel(w, t) for w, t in zip(runs["factor.workload"], runs["factor.target"])]
    skip = {"factor.engine", "factor.workload", "factor.durability", "factor.target"}
    known = runs.replace(NOWHERE, None)
    varying = [f[len("factor."):] for f in runs.columns if f.startswith("factor.") and f not in skip
               and (known.groupby("panel")[f].nunique() > 1).any()]
    mixed = runs["durability"].nunique() > 1

    def line(factors, durability):
        name = factors["engine"] + (f" ({durability})" if mixed else "")
        return " ".join([name] + [f"{f}={factors[f]}" for f in varying if factors.get(f, NOWHERE) != NOWHERE])

    named = runs.filter(like="factor.").rename(columns=lambda c: c[len("factor."):])
    runs["line"] = [line(f, d) for f, d in zip(named.to_dict("records"), runs["durability"])]
    return runs, mixed, panel, line


def ordered(lines):
    """Known engines first, in one order everywhere."""
    known = list(LOOKS)
    rank = lambda name: known.index(name.split()[0]) if name.split()[0] in known else len(known)
    return sorted(set(lines), key=lambda name: (rank(name), name))


def styles(lines):
    """Colour, marker and dash of each line."""
    seen, out = {}, {}
    for name in lines:
        engine = name.split()[0]
        color, marker = look(engine)
        out[name] = (color, marker, DASHES[seen.get(engine, 0) % len(DASHES)])
        seen[engine] = seen.get(engine, 0) + 1
    return out


# ---- Numbers for people -------------------------------------------------------------------------


def human(units, base=1000.0):
    def text(value, _=None):
        unit = 0
        while abs(value) >= 0.9995 * base and unit < len(units) - 1:
            value, unit = value / base, unit + 1
        return f"{value:.3g} {units[unit]}".strip()

    return text


human_time = human(["ns", "µs", "ms", "s"])
human_count = human(["", "k", "M", "G"])
human_bytes = human(["B", "KiB", "MiB", "GiB", "TiB"], 1024.0)


def human_times(value, _=None):
    return f"{value:.3g}×"


def percentile(x, _=None):
    """99.9 % for x = 1/(1-p) = 1000."""
    return "50 %" if x == 2 else f"{100 * (1 - 1 / x):.10g} %"


# ---- Figures ------------------------------------------------------------------------------------


def plain(axes):
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="#e3e6e9", linewidth=0.6)
    axes.set_axisbelow(True)


def title(figure, text, note):
    figure.suptitle(text, x=0.01, ha="left", fontweight="bold", fontsize=12)
    figure.text(0.01, 0.99 - 0.34 / figure.get_figheight(), note, ha="left", va="top", fontsize=8, color="#5b626b")


def bars(axes, table, panel, column, text, dots=True, other=None):
    """Horizontal bars of medians, one a line; a log scale, said so, where values differ much."""
    lines = [l for l in ordered(table["line"]) if table.loc[table["line"] == l, column].notna().any()]
    medians = [table.loc[table["line"] == l, column].median() for l in lines]
    style = styles(lines)
    for y, (name, median) in enumerate(zip(lines, medians)):
        axes.barh(y, median, color=style[name][0], height=0.64)
        if dots:
            values = table.loc[table["line"] == name, column].dropna()
            axes.plot(values, [y] * len(values), "o", color="white", markeredgecolor="black", markersize=3.5, markeredgewidth=0.8)
        if other:
            value = table.loc[table["line"] == name, other].median()
            if pd.notna(value) and value > 0:
                axes.plot(value, y, "D", color="black", markersize=4)
        axes.annotate(text(median), (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    log = len(medians) > 1 and min(medians) > 0 and max(medians) / min(medians) > 25
    if log:
        axes.set_xscale("log")
        axes.set_xlim(left=10 ** math.floor(math.log10(min(medians) / 1.5)))  # begin at a power of ten
        axes.xaxis.set_minor_locator(NullLocator())
    elif text is human_bytes:
        axes.xaxis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2(max(max(medians), 1) / 4))))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(text))
    axes.set_yticks(range(len(lines)), lines)
    axes.invert_yaxis()
    axes.set_title(panel + (" (log scale)" if log else ""), loc="left", fontsize=9, fontweight="bold")
    plain(axes)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def stacked(runs, columns=1, width=6.4):
    """A figure with a row of bar charts for each panel, as high as it has lines, under a title."""
    lines = runs.groupby("panel", sort=False)["line"].nunique().sort_index()
    heights = [0.62 + 0.24 * n for n in lines]
    height = 0.7 + sum(heights)
    figure, axes = plt.subplots(len(lines), columns, figsize=(width, height), squeeze=False, height_ratios=heights)
    figure.set_layout_engine("constrained", rect=(0.01, 0, 0.98, 1 - 0.6 / height), hspace=0.04)
    return figure, list(zip(lines.index, axes))


def draw_throughput(runs, note):
    figure, rows = stacked(runs)
    for panel, (axes,) in rows:
        bars(axes, runs[runs["panel"] == panel], panel, "ops/s", human_count)
    title(figure, "Throughput", f"operations a second, more is better; bar: median, dots: runs; {note}")
    return figure


def draw_bytes(runs, note):
    figure, rows = stacked(runs, columns=2, width=9.6)
    runs = runs.assign(device=runs["device-B/op"] / runs["engine-B/op"].where(runs["engine-B/op"] > 0) * runs["write-amp"])
    for panel, (left, right) in rows:
        table = runs[runs["panel"] == panel]
        if table["write-amp"].notna().any():
            bars(left, table, panel, "write-amp", human_times, dots=False, other="device")
        else:
            left.axis("off")
            left.set_title(f"{panel}: nothing written", loc="left", fontsize=9, fontweight="bold")
        bars(right, table, panel, "disk-B", human_bytes, dots=False, other="disk-peak-B")
    title(figure, "Bytes written per client byte (left) and disk used (right)",
          f"medians, less is better; diamonds: sent to the device (left), at its largest (right); {note}")
    return figure


def legend(figure, axes, lines):
    """A legend between title and axes, in as many columns as fit; what it needs is the top of the axes."""
    columns = max(1, min(4, len(lines), 92 // (max(map(len, lines)) + 8)))
    rows = -(-len(lines) // columns)
    need = 0.62 + 0.19 * rows
    figure.set_figheight(figure.get_figheight() + need)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncol=columns, frameon=False, fontsize=8.5, columnspacing=1.2)
    return 1 - need / figure.get_figheight()


def draw_latency(curves, panel, kind, note):
    figure, axes = plt.subplots(figsize=(6.4, 3.2))
    style = styles(ordered(curves))
    most = max(curve["points"][-1][0] for curve in curves.values())
    ticks = [2] + [10 ** n for n in range(1, 12) if 10 ** n <= most]
    for name in ordered(curves):
        x, y = zip(*[(a, b * 1000) for a, b in curves[name]["points"]])
        color, marker, dash = style[name]
        nearest = {min(range(len(x)), key=lambda i: abs(x[i] - t)): t for t in ticks}
        marked = [i for i, t in nearest.items() if abs(x[i] / t - 1) < 0.15]  # and the slowest operation
        axes.plot(x, y, dash, color=color, linewidth=1.6, label=name, marker=marker, markersize=5,
                  markevery=sorted({*marked, len(x) - 1}))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, most * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(ticks[::2] if len(ticks) > 7 else ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(percentile))
    axes.yaxis.set_major_formatter(FuncFormatter(human_time))
    axes.set_xlabel("percentile of operations")
    axes.set_ylabel("latency")
    plain(axes)
    figure.subplots_adjust(left=0.12, right=0.97, top=legend(figure, axes, ordered(curves)), bottom=0.12)
    title(figure, f"{panel}: latency of {kind}", f"{next(iter(curves.values()))['clock']}, runs merged; {note}")
    return figure


def draw_time(series, runs, panel, note):
    """p50, p99 and max; of each line the run whose throughput is nearest to the median."""
    figure, axes = plt.subplots(3, 1, figsize=(6.4, 4.8), sharex=True)
    chosen = {}
    for name, group in runs[runs["panel"] == panel].groupby("line"):
        chosen[name] = group.loc[(group["ops/s"] - group["ops/s"].median()).abs().idxmin(), "id"]
    style = styles(ordered(chosen))
    for row, column in zip(axes, ["p50-ns", "p99-ns", "max-ns"]):
        for name in ordered(chosen):
            table = series[series["id"] == chosen[name]]
            color, marker, dash = style[name]
            row.plot(table["at-ns"] / 1e9, table[column], dash, color=color, linewidth=1.4, label=name,
                     marker=marker if len(table) <= 30 else None, markersize=4)
        row.set_yscale("log")
        row.yaxis.set_major_formatter(FuncFormatter(human_time))
        row.yaxis.set_minor_locator(NullLocator())
        row.set_ylabel(column.removesuffix("-ns"))
        plain(row)
    axes[-1].set_xlim(left=0)
    axes[-1].set_xlabel("seconds since the measured phase began")
    figure.subplots_adjust(left=0.13, right=0.97, top=legend(figure, axes[0], ordered(chosen)), bottom=0.09, hspace=0.14)
    title(figure, f"{panel}: latency over time", f"the run of median throughput of each line; {note}")
    return figure


# ---- The command --------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path, help="directory with runs.csv, series.csv and *.hgrm")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("figures"), help="directory to write to (default: figures)")
    parser.add_argument("--format", choices=["png", "svg", "pdf"], default="png", help="default: png")
    parser.add_argument("--workload", action="append", help="only this workload; may be given more than once")
    args = parser.parse_args()

    runs, series = read_csv(args.dir / "runs.csv"), read_csv(args.dir / "series.csv")
    known = sorted(runs["factor.workload"].unique())
    for name in args.workload or []:
        if name not in known:
            parser.error(f"unknown workload {name!r}, in {args.dir} are {', '.join(known) or 'none'}")
    wanted = args.workload or known
    runs = runs[runs["factor.workload"].isin(wanted)].copy()
    if runs.empty:
        sys.exit(f"plot.py: {args.dir / 'runs.csv'} has no valid run")
    runs, mixed, panel, line = label_cells(runs)
    count = runs.groupby(["panel", "line"]).size()
    n = f"N = {count.min()}" if count.min() == count.max() else f"N = {count.min()} to {count.max()}"
    durability = "durability as in brackets" if mixed else "durability " + runs["durability"].iloc[0]
    note = f"{durability}; {n}"

    curves = {}
    for path in sorted(args.dir.glob("*.hgrm")):
        cell = read_hgrm(path)
        if cell is None:
            continue
        factors = cell["factors"]
        if factors["workload"] not in wanted:
            continue
        lines = curves.setdefault((panel(factors["workload"], factors["target"]), cell["kind"]), {})
        lines[line(factors, cell["durability"])] = cell
    if not curves:
        print(f"plot.py: no .hgrm in {args.dir}, so no latency by percentile; make them with: "
              f"etalon export RUNS --format hgrm --out {args.dir}", file=sys.stderr)

    args.out.mkdir(parents=True, exist_ok=True)

    def save(name, figure):
        path = args.out / (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + "." + args.format)
        figure.savefig(path, dpi=192)
        plt.close(figure)
        print(path)

    save("throughput", draw_throughput(runs, note))
    save("bytes", draw_bytes(runs, note))
    for (name, kind), lines in sorted(curves.items()):
        save(f"latency-{name}-{kind}", draw_latency(lines, name, kind, note))
    for name in sorted(runs["panel"].unique()):
        save(f"time-{name}", draw_time(series, runs, name, note))


if __name__ == "__main__":
    main()
