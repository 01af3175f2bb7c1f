// The figures of the report, the order of its table, and day or night. All text and figures of the
// page are in the document without this; nothing is fetched, and no data becomes markup.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const state = { panel: 0, kind: "all", clock: "response", metric: "p99", run: "median", hidden: new Set() };

  // ---- Small helpers -------------------------------------------------------------------------

  /** Makes an element with attributes and children; strings become text, never markup. */
  function make(namespace, tag, attributes, children) {
    const node = document.createElementNS(namespace, tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== undefined && value !== null) node.setAttribute(name, value);
    }
    node.append(...(children || []));
    return node;
  }

  const html = (tag, attributes, ...children) => make("http://www.w3.org/1999/xhtml", tag, attributes, children);
  const svg = (tag, attributes, ...children) => make("http://www.w3.org/2000/svg", tag, attributes, children);

  /** Three significant digits. */
  function digits(v) {
    return v === 0 ? "0" : v.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.abs(v) * 1.0005) + 1e-9)));
  }

  /** Divides v by base until it has at most three digits before the point. */
  function scaled(v, base, units) {
    let u = 0;
    while (v >= 999.5 && u < units.length - 1) {
      v /= base;
      u++;
    }
    return `${u === 0 && Number.isInteger(v) ? v : digits(v)} ${units[u]}`.trim();
  }

  const time = (ns) => scaled(ns, 1000, ["ns", "µs", "ms", "s"]);
  const count = (v) => scaled(v, 1000, ["", "k", "M", "G"]);
  const bytes = (v) => scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
  const times = (v) => digits(v) + "×";
  const second = (v) => trim(digits(v)) + " s";

  /** Takes trailing zeros after the point away, as ticks want it. */
  const trim = (label) => label.replace(/^(\d+)\.(\d*?)0+(?!\d)/, (_, whole, part) => (part ? `${whole}.${part}` : whole));

  function percentile(x) {
    const p = 100 * (1 - 1 / x);
    const digits = Math.max(0, Math.ceil(Math.log10(x) - 2 - 1e-9));
    return p.toFixed(p < 90 ? 0 : digits).replace(/(\.\d*[1-9])0+$/, "$1") + " %";
  }

  // ---- Scales --------------------------------------------------------------------------------

  /** A scale maps [min, max] to [from, to] and lists its ticks as [value, label]. */
  function scale(min, max, from, to, log, ticks) {
    const norm = log ? (v) => Math.log(v / min) / Math.log(max / min) : (v) => (v - min) / (max - min);
    const invert = log ? (f) => min * Math.pow(max / min, f) : (f) => min + f * (max - min);
    const at = (v) => from + norm(v) * (to - from);
    at.invert = (p) => invert((p - from) / (to - from));
    at.ticks = ticks;
    at.min = min;
    at.max = max;
    return at;
  }

  function logScale(values, from, to, format, exactly) {
    let lo = Math.min(...values) / (exactly ? 1 : 1.15);
    let hi = Math.max(...values) * 1.15;
    if (hi / lo < 4) [lo, hi] = [Math.sqrt(lo * hi) / 2.2, Math.sqrt(lo * hi) * 2.2];
    const few = hi / lo < 300;
    const ticks = [];
    for (let e = Math.floor(Math.log10(lo)); e <= Math.ceil(Math.log10(hi)); e++) {
      for (const m of few ? [1, 2, 5] : [1]) {
        const v = m * Math.pow(10, e);
        if (v >= lo && v <= hi) ticks.push([v, trim(format(v))]);
      }
    }
    return scale(lo, hi, from, to, true, ticks);
  }

  function linearScale(max, from, to, wanted, format) {
    if (!(max > 0)) max = 1;
    const base = Math.pow(10, Math.floor(Math.log10(max / wanted)));
    const step = base * [1, 2, 5, 10].find((m) => max / (base * m) <= wanted);
    const ticks = [];
    for (let i = 0; i * step <= max * 1.0001; i++) ticks.push([i * step, trim(format(i * step))]);
    return scale(0, max, from, to, false, ticks);
  }

  /** From 0 to max by a power of two, for bytes in binary units. */
  function binaryScale(max, from, to, wanted, format) {
    if (!(max > 0)) max = 1;
    const step = Math.pow(2, Math.ceil(Math.log2(max / wanted)));
    const ticks = [];
    for (let v = 0; v <= max; v += step) ticks.push([v, trim(format(v))]);
    return scale(0, max, from, to, false, ticks);
  }

  /** HdrHistogram's axis: 1/(1-p) on a log scale, so that each nine is equally wide. */
  function percentileScale(max, from, to) {
    const ticks = [[2, "50 %"]];
    for (let x = 10; x <= max * 1.0001; x *= 10) ticks.push([x, percentile(x)]);
    return scale(1, Math.max(max, 10), from, to, true, ticks);
  }

  // ---- Drawing -------------------------------------------------------------------------------

  const markers = {
    circle: (r) => `M${-r},0a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0z`,
    square: (r) => `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
    triangle: (r) => `M0,${-1.25 * r}L${1.15 * r},${0.85 * r}H${-1.15 * r}z`,
    diamond: (r) => `M0,${-1.35 * r}L${1.35 * r},0L0,${1.35 * r}L${-1.35 * r},0z`,
    cross: (r) => `M${-r},${-0.5 * r}l${0.5 * r},${-0.5 * r}l${0.5 * r},${0.5 * r}l${0.5 * r},${-0.5 * r}l${0.5 * r},${0.5 * r}` +
      `l${-0.5 * r},${0.5 * r}l${0.5 * r},${0.5 * r}l${-0.5 * r},${0.5 * r}l${-0.5 * r},${-0.5 * r}l${-0.5 * r},${0.5 * r}` +
      `l${-0.5 * r},${-0.5 * r}l${0.5 * r},${-0.5 * r}z`,
    ring: (r) => markers.circle(r),
  };
  const dashes = ["", "7 3", "2 3", "9 3 2 3"];

  function mark(line, x, y, r) {
    const d = (markers[line.marker] || markers.circle)(r);
    const hollow = line.marker === "ring";
    return svg("path", {
      d,
      transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`,
      fill: hollow ? undefined : line.color,
      stroke: hollow ? line.color : undefined,
      class: hollow ? "hollow" : "rim",
    });
  }

  const swatch = (line) => svg("svg", { class: "swatch", viewBox: "-6 -6 12 12", "aria-hidden": "true" }, mark(line, 0, 0, 4.2));

  function path(points, x, y) {
    return "M" + points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join("L");
  }

  /** Draws the grid and labels of both axes. */
  function axes(root, box, x, y, xLabel) {
    let free = -Infinity;
    for (const [value, label] of x.ticks) {
      const at = x(value);
      root.append(svg("line", { class: "grid", x1: at, x2: at, y1: box.top, y2: box.bottom }));
      const half = label.length * 3.4;
      if (at - half < free || at + half > box.width) continue;
      free = at + half + 6;
      root.append(svg("text", { x: at, y: box.bottom + 17, "text-anchor": "middle" }, label));
    }
    for (const [value, label] of y ? y.ticks : []) {
      root.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
      root.append(svg("text", { x: box.left - 7, y: y(value) + 4, "text-anchor": "end" }, label));
    }
    root.append(svg("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
    if (xLabel) {
      root.append(svg("text", { x: (box.left + box.right) / 2, y: box.bottom + 35, "text-anchor": "middle" }, xLabel));
    }
  }

  /** An empty chart of the width that its place has, replacing what was there. */
  function canvas(id, height, label) {
    const holder = document.getElementById(id);
    const width = Math.max(280, Math.round(holder.clientWidth));
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    holder.replaceChildren(root);
    return { root, width, holder };
  }

  function empty(id, text) {
    document.getElementById(id).replaceChildren(html("p", { class: "empty" }, text));
    const readout = document.getElementById(id + "-readout");
    if (readout) readout.replaceChildren();
  }

  /**
   * Lets pointer and arrow keys move a cursor over a chart. stops are the values of x that arrows
   * visit; show writes the read-out for one of them.
   */
  function cursor(chart, box, x, stops, first, show) {
    const line = svg("line", { class: "cursor", y1: box.top, y2: box.bottom });
    chart.root.append(line);
    let at = first;
    const move = (i) => {
      at = Math.max(0, Math.min(stops.length - 1, i));
      line.setAttribute("x1", x(stops[at]));
      line.setAttribute("x2", x(stops[at]));
      show(stops[at]);
    };
    const nearest = (event) => {
      const bounds = chart.root.getBoundingClientRect();
      const px = ((event.clientX - bounds.left) * chart.width) / bounds.width;
      let best = 0;
      stops.forEach((s, i) => {
        if (Math.abs(x(s) - px) < Math.abs(x(stops[best]) - px)) best = i;
      });
      move(best);
    };
    chart.root.addEventListener("pointermove", nearest);
    chart.root.addEventListener("pointerdown", nearest);
    chart.holder.tabIndex = 0;
    chart.holder.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      move(at + step);
    };
    move(at);
  }

  function readout(id, where, entries) {
    document.getElementById(id + "-readout").replaceChildren(
      html("span", { class: "where" }, where),
      ...entries.map(([line, text]) => html("span", {}, swatch(line), `${line.label} ${text}`)),
    );
  }

  // ---- What is shown -------------------------------------------------------------------------

  const panel = () => data.panels[state.panel];
  const shown = () => panel().lines.filter((line) => !state.hidden.has(line.label));

  function curve(line) {
    const kind = line.latency[state.kind];
    return kind ? kind[state.clock] || kind.service : undefined;
  }

  function note(id, text) {
    document.getElementById(id + "-note").textContent = `${panel().title}: ${text}`;
  }

  function clockName() {
    const open = shown().some((line) => (line.latency[state.kind] || {}).response);
    const response = open && state.clock === "response";
    if (state.kind === "compaction") return "duration (asked for → done)";
    const end = state.kind === "event" ? "a watcher had it" : "done";
    return response ? `response time (due → ${end})` : `service time (sent → ${end})`;
  }

  // ---- The figures ---------------------------------------------------------------------------

  function drawLatency() {
    const lines = shown().filter((line) => curve(line));
    note("latency", `${clockName()} of ${state.kind === "all" ? "all operations" : state.kind}; runs merged; ${panel().labels}`);
    if (lines.length === 0) return empty("latency", "No line is switched on that has this operation.");
    const chart = canvas("latency", 380, "Latency by percentile; the same figures are in the table above");
    const box = { left: 58, right: chart.width - 14, top: 12, bottom: 334, width: chart.width };
    const values = lines.flatMap((line) => curve(line).map((p) => p[1]));
    const x = percentileScale(Math.max(...lines.map((line) => curve(line).at(-1)[0])), box.left, box.right);
    const y = logScale(values, box.bottom, box.top, time);
    axes(chart.root, box, x, y, "percentile of operations");
    for (const line of lines) {
      const points = curve(line);
      chart.root.append(svg("path", {
        d: path(points, x, y), fill: "none", stroke: line.color, "stroke-width": 2,
        "stroke-dasharray": dashes[line.variant % dashes.length], "stroke-linejoin": "round",
      }));
      for (const [at] of x.ticks) {
        const value = read(points, at);
        if (value !== undefined) chart.root.append(mark(line, x(at), y(value), 4));
      }
      const last = points.at(-1);
      chart.root.append(mark(line, x(last[0]), y(last[1]), 4));
    }
    const longest = lines.map(curve).reduce((a, b) => (a.at(-1)[0] > b.at(-1)[0] ? a : b));
    const stops = [...new Set([...longest.map((p) => p[0]), ...x.ticks.map((t) => t[0])])].sort((a, b) => a - b);
    const first = Math.max(0, stops.indexOf(100));
    cursor(chart, box, x, stops, first, (at) => {
      readout("latency", percentile(at), lines.map((line) => {
        const value = read(curve(line), at);
        const last = curve(line).at(-1);
        return [line, value === undefined ? `max ${time(last[1])}` : time(value)];
      }));
    });
  }

  /** The value of a percentile curve at x; undefined past its last operation. */
  function read(points, x) {
    if (x > points.at(-1)[0]) return undefined;
    for (const [at, value] of points) if (at >= x - 1e-9) return value;
    return undefined;
  }

  // Beyond this ratio of the longest to the shortest bar the axis is logarithmic, and says so.
  const wideRatio = 25;

  /** Horizontal bars, one a row, with dots and an interval; the value stands at the right. */
  function bars(id, rows, format, label, axisLabel) {
    const chart = canvas(id, rows.length * 34 + 60, label);
    const name = Math.min(150, 22 + 7 * Math.max(...rows.map((r) => r.line.label.length)));
    const box = { left: name, right: chart.width - 84, top: 6, bottom: rows.length * 34 + 10, width: chart.width };
    const most = Math.max(...rows.flatMap((r) => [r.value ?? 0, r.hi ?? 0, r.other ?? 0, ...(r.dots || [])]));
    const lengths = rows.flatMap((r) => [r.value, r.other]).filter((v) => v > 0);
    const least = Math.min(...lengths); // a 0 has no bar on any axis
    const wanted = chart.width < 480 ? 3 : 5;
    const log = Math.max(...lengths) / least > wideRatio;
    const x = log
      ? logScale([Math.pow(10, Math.floor(Math.log10(least / 1.5))), most], box.left, box.right, format, true)
      : (format === bytes ? binaryScale : linearScale)(most, box.left, box.right, wanted, format);
    const bar = log ? axisLabel + " (log scale)" : axisLabel;
    axes(chart.root, box, x, null, bar);
    rows.forEach((row, i) => {
      const y = box.top + 17 + i * 34;
      chart.root.append(mark(row.line, 8, y, 4.2));
      chart.root.append(svg("text", { class: "value", x: 20, y: y + 4 }, row.line.label.slice(0, Math.floor((name - 22) / 6.6))));
      if (row.value > 0) {
        // On a log axis a length from an arbitrary start would mean nothing: a mark, no bar.
        const from = log ? x(row.value) - 3 : box.left;
        chart.root.append(svg("rect", {
          x: from, y: y - 9, height: 18, width: log ? 6 : Math.max(1, x(row.value) - box.left),
          fill: row.line.color, "fill-opacity": 0.82,
        }));
      }
      if (row.hi !== undefined) {
        chart.root.append(svg("path", {
          d: `M${x(row.lo)},${y}H${x(row.hi)}M${x(row.lo)},${y - 5}v10M${x(row.hi)},${y - 5}v10`, class: "whisker", fill: "none",
        }));
      }
      for (const dot of row.dots || []) {
        chart.root.append(svg("circle", { cx: x(dot), cy: y, r: 2.8, class: "dot" }));
      }
      if (row.other > 0) {
        chart.root.append(svg("path", { d: markers.diamond(4), transform: `translate(${x(row.other)},${y})`, class: "dot" }));
      }
      chart.root.append(svg("text", { class: "value", x: chart.width - 4, y: y + 4, "text-anchor": "end" }, row.value === undefined ? "unknown" : format(row.value)));
    });
  }

  function drawThroughput() {
    const rows = shown().map((line) => ({
      line, value: line.throughput.median, lo: line.throughput.lo, hi: line.throughput.hi, dots: line.throughput.runs,
    }));
    note("throughput", `operations a second; bar: median, dots: runs, whisker: ${data.interval}; ${panel().labels}`);
    if (rows.length === 0) return empty("throughput", "Every line is switched off.");
    bars("throughput", rows, count, "Throughput with every run; the same figures are in the table above", "operations / s");
  }

  function drawBytes() {
    const written = shown().filter((line) => line.bytes.written >= 0 || line.bytes.device >= 0).map((line) => ({
      line, value: line.bytes.written >= 0 ? line.bytes.written : undefined, other: line.bytes.device >= 0 ? line.bytes.device : undefined,
    }));
    note("written", "bytes written by the engine for each byte the clients wrote; diamond: sent to the device; median of runs");
    if (written.length === 0) empty("written", "No bytes were written, or nobody counted them.");
    else bars("written", written, times, "Bytes written per client byte", "bytes per client byte");

    const disk = shown().filter((line) => line.bytes.disk >= 0).map((line) => ({
      line, value: line.bytes.disk, other: line.bytes.peak >= 0 ? line.bytes.peak : undefined,
    }));
    note("disk", "size of the data directory after the drain; diamond: at its largest; median of runs");
    if (disk.length === 0) empty("disk", "Nothing was kept on disk.");
    else bars("disk", disk, bytes, "Disk used", "bytes on disk");
  }

  const metrics = { throughput: 1, p50: 2, p99: 3, max: 4 };

  function drawSeries() {
    const column = metrics[state.metric];
    const lines = shown().map((line) => ({ line, run: chosenRun(line) })).filter((l) => l.run && l.run.seconds.length > 0);
    const what = state.metric === "throughput" ? "operations / s" : `${state.metric} of each interval`;
    note("series", `${what}; ${state.run === "median" ? "the run of median throughput" : "run " + state.run} of each line; ${panel().labels}`);
    const values = lines.flatMap((l) => l.run.seconds.map((s) => s[column])).filter((v) => v > 0);
    if (values.length === 0) return empty("series", "No series was recorded.");
    const chart = canvas("series", 330, "Measured phase over time");
    const box = { left: 58, right: chart.width - 14, top: 12, bottom: 284, width: chart.width };
    const format = state.metric === "throughput" ? count : time;
    const x = linearScale(Math.max(...lines.flatMap((l) => l.run.seconds.map((s) => s[0]))), box.left, box.right, 8, second);
    const y = logScale(values, box.bottom, box.top, format);
    axes(chart.root, box, x, y, "time since the measured phase began");
    for (const { line, run } of lines) {
      const points = run.seconds.map((s) => [s[0], s[column]]).filter((p) => p[1] > 0);
      chart.root.append(svg("path", {
        d: path(points, x, y), fill: "none", stroke: line.color, "stroke-width": 1.8,
        "stroke-dasharray": dashes[line.variant % dashes.length], "stroke-linejoin": "round",
      }));
      if (points.length <= 40) points.forEach((p) => chart.root.append(mark(line, x(p[0]), y(p[1]), 3.2)));
    }
    const stops = lines.map((l) => l.run.seconds.map((s) => s[0])).reduce((a, b) => (a.length > b.length ? a : b));
    cursor(chart, box, x, stops, 0, (at) => {
      readout("series", second(at), lines.map(({ line, run }) => {
        const near = run.seconds.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
        return [line, near[column] > 0 ? format(near[column]) : "none"];
      }));
    });
  }

  function chosenRun(line) {
    return state.run === "median" ? line.runs[line.medianRun] : line.runs.find((r) => String(r.rep) === state.run);
  }

  function draw() {
    drawLatency();
    drawThroughput();
    drawSeries();
    drawBytes();
  }

  // ---- Controls ------------------------------------------------------------------------------

  /** Fills a fieldset with radio buttons; hides it if there is nothing to choose. */
  function choose(id, options, current, change) {
    const set = document.getElementById(id);
    set.querySelectorAll("label").forEach((label) => label.remove());
    set.hidden = options.length < 2;
    for (const [value, text] of options) {
      const input = html("input", { type: "radio", name: id, value });
      input.checked = String(value) === String(current);
      input.addEventListener("change", () => change(value));
      set.append(html("label", { class: "tab" }, input, html("span", {}, text)));
    }
  }

  function controls() {
    const kinds = [...new Set(panel().lines.flatMap((line) => Object.keys(line.latency)))].sort();
    kinds.sort((a, b) => (b === "all") - (a === "all"));
    if (!kinds.includes(state.kind)) state.kind = "all";
    const open = panel().lines.some((line) => Object.values(line.latency).some((k) => k.response));
    const reps = [...new Set(panel().lines.flatMap((line) => line.runs.map((r) => r.rep)))].sort((a, b) => a - b);
    if (state.run !== "median" && !reps.includes(Number(state.run))) state.run = "median";
    const set = (name) => (value) => {
      state[name] = value;
      if (name === "panel") controls();
      draw();
    };
    choose("choose-panel", data.panels.map((p, i) => [i, p.title]), state.panel, set("panel"));
    choose("choose-kind", kinds.map((k) => [k, k]), state.kind, set("kind"));
    choose("choose-clock", open ? [["response", "response"], ["service", "service"]] : [], state.clock, set("clock"));
    choose("choose-metric", Object.keys(metrics).map((m) => [m, m]), state.metric, set("metric"));
    choose("choose-run", [["median", "median"], ...reps.map((r) => [String(r), String(r)])], state.run, set("run"));
    keys();
  }

  function keys() {
    document.getElementById("keys").replaceChildren(...panel().lines.map((line) => {
      const button = html("button", { type: "button", "aria-pressed": String(!state.hidden.has(line.label)) }, swatch(line), line.label);
      button.addEventListener("click", () => {
        if (!state.hidden.delete(line.label)) state.hidden.add(line.label);
        button.setAttribute("aria-pressed", String(!state.hidden.has(line.label)));
        draw();
      });
      return button;
    }));
  }

  // ---- The table and the theme ---------------------------------------------------------------

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const [p, q] = [key(a), key(b)];
          const order = p !== "" && q !== "" && !isNaN(p) && !isNaN(q) ? p - q : p.localeCompare(q);
          return up ? order : -order;
        });
        rows.forEach((row) => row.classList.remove("first"));
        table.tBodies[0].append(...rows);
      });
    });
  }

  function theme() {
    const root = document.documentElement;
    const button = document.getElementById("theme");
    const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const name = () => {
      button.textContent = dark() ? "Light" : "Dark";
      button.setAttribute("aria-label", dark() ? "Switch to the light theme" : "Switch to the dark theme");
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      name();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
    name();
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  theme();
  if (data.panels.length > 0) {
    controls();
    draw();
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      draw();
    });
  }
})();
