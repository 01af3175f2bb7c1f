package results

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Winner tells who was best at one workload: among cells that differ only in the contenders and
// have the same labels.
type Winner struct {
	// Title is the workload, with the other factors that vary between the groups' cells and are not
	// what the contest is about. It is safe to print.
	Title string
	// Factors are what the ranked cells have in common.
	Factors     map[string]string
	Durability  Durability
	Consistency Consistency
	Metric      Metric
	// Ranked are the cells from best to worst by median; Names what tells them apart.
	Ranked []*Cell
	Names  []string
	// Ratio is how many times better the first is than the second (above 1, whatever better means).
	Ratio Ratio
	// Beside are how many times better those that have one are than etcd, another's server, if it is ranked
	// among ours; in the order of Ranked, and without runs for etcd itself.
	Beside []Ratio
	// Won: the interval excludes 1 and has a confidence of at least 90 %.
	Won bool
	// Unranked names contenders of the same workload that are in no ranking with these: under other
	// labels (each said once, with the number of contenders where they are many), or saturated where
	// latencies are compared.
	Unranked []string
}

// leastConfidence is asked of an interval before anybody is said to have won.
const leastConfidence = 0.8999999 // 3 runs each give 0.9 up to rounding

// Winners finds who is best at what: one Winner for each choice of all factors but the contenders
// (if none are named: "engine" and the other parts that can be swapped, "target" only if it alone
// varies) and for each label. The metric is throughput for closed loops; for open loops, where it is
// given, the p99 latency; where all have watchers, the p99 of what these were told.
func Winners(g *Groups, between ...string) []Winner {
	if len(between) == 0 {
		between = rivals(g)
	}
	// The durability factor is what was asked for; the label is what the target gives. A contender
	// that cannot give it is mentioned beside those that can.
	aside := append([]string{"durability"}, between...)
	type place struct{ rest, labels string }
	sets := map[place][]*Cell{}
	var order []place
	for _, c := range g.Cells {
		rest := map[string]string{}
		for _, f := range g.Varying {
			if v, ok := c.Factors[f]; ok && !slices.Contains(aside, f) {
				rest[f] = v
			}
		}
		if rest["target"] == "etcd" { // somebody else's server is a rival of ours
			rest["target"] = "server"
		}
		p := place{CellText(rest), string(c.Durability) + "\n" + string(c.Consistency)}
		if sets[p] == nil {
			order = append(order, p)
		}
		sets[p] = append(sets[p], c)
	}
	var out []Winner
	for _, p := range order {
		if len(sets[p]) < 2 {
			continue
		}
		var others []*Cell
		for _, q := range order {
			if q.rest == p.rest && q.labels != p.labels {
				others = append(others, sets[q]...)
			}
		}
		named, apart := between, aside
		if mixed := tellingApart(sets[p], []string{"target"}); len(mixed) > 0 && !slices.Contains(between, "target") {
			named, apart = append(mixed, between...), append(slices.Clone(aside), "target")
		}
		tell := tellingApart(append(slices.Clone(others), sets[p]...), named)
		w := rank(sets[p], between, tell)
		w.Title = title(g, w.Factors, apart)
		for _, c := range sets[p] {
			if w.Metric.isLatency() && c.SaturatedIn(w.Metric.kind()) {
				w.Unranked = append(w.Unranked, nameAmong(c, tell)+" (saturated)")
			}
		}
		w.Unranked = append(w.Unranked, elsewhere(others, tell)...)
		out = append(out, w)
	}
	return out
}

// mostNamed is how many contenders under one label are named.
const mostNamed = 3

// elsewhere tells of cells that have other labels than the ranked ones, label by label.
func elsewhere(cells []*Cell, tell []string) []string {
	var labels, out []string
	names := map[string][]string{}
	for _, c := range cells {
		label := fmt.Sprintf("(%s, %s)", c.Durability, c.Consistency)
		if names[label] == nil {
			labels = append(labels, label)
		}
		names[label] = append(names[label], nameAmong(c, tell))
	}
	for _, label := range labels {
		who := strings.Join(names[label], ", ")
		if n := len(names[label]); n > mostNamed {
			who = fmt.Sprintf("%d others", n)
		}
		out = append(out, who+" "+label)
	}
	return out
}

// rivals are the parts that can be swapped. A target is the rival of another only if nothing else is
// varied: a layer costs what it costs, and whoever compares engines asks for the best under each.
func rivals(g *Groups) []string {
	between := contenders()
	if slices.ContainsFunc(between, func(f string) bool { return f != "target" && variesWithin(g, f) }) {
		between = slices.DeleteFunc(between, func(f string) bool { return f == "target" })
	}
	return between
}

// variesWithin reports whether cells of one target differ in f.
func variesWithin(g *Groups, f string) bool {
	first := map[string]string{}
	for _, c := range g.Cells {
		t := c.Factors["target"]
		if v, ok := first[t]; ok && v != c.Factors[f] {
			return true
		}
		first[t] = c.Factors[f]
	}
	return false
}

// tellingApart are the factors that the cells differ in; what all share need not be said of each.
func tellingApart(cells []*Cell, between []string) []string {
	return slices.DeleteFunc(slices.Clone(between), func(f string) bool {
		values := map[string]bool{}
		for _, c := range cells {
			if v := c.Factors[f]; v != notApplicable {
				values[v] = true
			}
		}
		return len(values) < 2
	})
}

func rank(cells []*Cell, between, tell []string) Winner {
	w := Winner{Durability: cells[0].Durability, Consistency: cells[0].Consistency, Metric: Throughput()}
	w.Factors = maps.Clone(cells[0].Factors)
	for _, f := range between {
		delete(w.Factors, f)
	}
	switch {
	case !slices.ContainsFunc(cells, func(c *Cell) bool { return !slices.Contains(c.Kinds(), KindEvent) }):
		w.Metric = LatencyQuantile(KindEvent, 0.99)
	case slices.ContainsFunc(cells, (*Cell).OpenLoop):
		w.Metric = LatencyQuantile("", 0.99)
	}
	for _, c := range cells {
		if c.Summary(w.Metric).N > 0 {
			w.Ranked = append(w.Ranked, c)
		}
	}
	slices.SortStableFunc(w.Ranked, func(a, b *Cell) int {
		x, y := a.Summary(w.Metric).Center, b.Summary(w.Metric).Center
		if w.Metric.Better == HigherBetter {
			x, y = y, x
		}
		return cmp.Compare(x, y)
	})
	for _, c := range w.Ranked {
		w.Names = append(w.Names, nameAmong(c, tell))
	}
	if len(w.Ranked) < 2 {
		return w
	}
	r, ok := w.better(w.Ranked[0], w.Ranked[1])
	w.Ratio, w.Won = r, ok && r.Lo > 1 && r.Confidence >= leastConfidence
	w.Beside = w.besideEtcd()
	return w
}

// better is how many times better a is than b.
func (w *Winner) better(a, b *Cell) (Ratio, bool) {
	if w.Metric.Better == LowerBetter {
		a, b = b, a
	}
	return ratioOf(a.Sample(w.Metric), b.Sample(w.Metric))
}

// besideEtcd is Beside: nil unless etcd is ranked with at least two of ours.
func (w *Winner) besideEtcd() []Ratio {
	foreign := func(c *Cell) bool { return c.Factors["target"] == "etcd" }
	at := slices.IndexFunc(w.Ranked, foreign)
	if at < 0 || len(w.Ranked) < 3 || slices.ContainsFunc(w.Ranked[at+1:], foreign) {
		return nil
	}
	all := make([]Ratio, len(w.Ranked))
	for i, c := range w.Ranked {
		if i != at {
			all[i], _ = w.better(c, w.Ranked[at]) // a Ratio without runs, if none can be formed
		}
	}
	return all
}

func title(g *Groups, factors map[string]string, aside []string) string {
	words := []string{Inert(factors["workload"])}
	for _, f := range g.Varying {
		if v, ok := factors[f]; ok && v != notApplicable && f != "workload" && !slices.Contains(aside, f) {
			words = append(words, Inert(f)+"="+Inert(v))
		}
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

func nameAmong(c *Cell, factors []string) string {
	var words []string
	for _, f := range factors {
		if v := c.Factors[f]; v != "" && v != "none" && v != notApplicable {
			words = append(words, Inert(v))
		}
	}
	slices.Reverse(words) // the engine first
	return strings.Join(words, " ")
}

// String is one sentence, safe to print.
func (w Winner) String() string {
	s := w.Title + " (" + string(w.Durability) + ", " + string(w.Consistency) + "): " + w.verdict()
	s += w.beside()
	if len(w.Unranked) > 0 {
		s += "; not ranked with these: " + strings.Join(w.Unranked, ", ")
	}
	return s + "."
}

func (w Winner) verdict() string {
	if len(w.Ranked) < 2 {
		return "fewer than two contenders have " + withArticle(w.Metric.Title)
	}
	first, second, r := w.Names[0], w.Names[1], w.Ratio
	if r.NA == 0 {
		return fmt.Sprintf("%s leads %s in %s, but no ratio can be formed", first, second, w.Metric.Title)
	}
	lead := fmt.Sprintf("%s times the %s of %s", times(r.Center), w.Metric.Title, second)
	if w.Metric.Better == LowerBetter {
		lead = fmt.Sprintf("%s that is %s times lower than that of %s", withArticle(w.Metric.Title), times(r.Center), second)
	}
	runs := fmt.Sprintf("%d and %d runs", r.NA, r.NB)
	switch {
	case r.NA == r.NB && r.NA == 1:
		runs = "1 run each"
	case r.NA == r.NB:
		runs = fmt.Sprintf("%d runs each", r.NA)
	}
	interval := fmt.Sprintf("%.0f %% interval %s to %s", 100*r.Confidence, times(r.Lo), times(r.Hi))
	switch {
	case w.Won:
		return fmt.Sprintf("%s wins, with %s (%s, %s)", first, lead, interval, runs)
	case r.Confidence < leastConfidence:
		return fmt.Sprintf("no winner at %s, which are too few for a verdict; %s has %s", runs, first, lead)
	}
	return fmt.Sprintf("no winner at %s: %s has %s, but the %s includes 1", runs, first, lead, interval)
}

// beside tells Beside: "; times that of etcd: bolt 2.10, pebble 1.90".
func (w Winner) beside() string {
	var words []string
	for i, r := range w.Beside {
		if r.NA > 0 {
			words = append(words, strings.TrimSuffix(w.Names[i], " server")+" "+times(r.Center))
		}
	}
	if len(words) == 0 {
		return ""
	}
	lower := ""
	if w.Metric.Better == LowerBetter {
		lower = "lower than "
	}
	return "; times " + lower + "that of etcd: " + strings.Join(words, ", ")
}

func withArticle(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

// times writes a ratio to three digits, two behind the point at most.
func times(x float64) string {
	switch {
	case x >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case x >= 9.995:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
