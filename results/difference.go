package results

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Difference is something that runs do not have in common. Statistics that pool or compare such
// runs say so: nothing is averaged across a difference in silence (x/perf calls it the residue).
type Difference struct {
	// Kind is "factor", "label", "option", "environment" or "software"; Name the factor, the label,
	// component.option, or the field.
	Kind, Name string
	// Values are the different values, sorted; "(none)" for runs that do not have it.
	Values []string
}

// String is one line that is safe to print.
func (d Difference) String() string {
	vs := make([]string, 0, 4)
	for i, v := range d.Values {
		if i == 3 && len(d.Values) > 4 {
			vs = append(vs, "and "+strconv.Itoa(len(d.Values)-i)+" more")
			break
		}
		vs = append(vs, Inert(clip(v, 60)))
	}
	return d.Kind + " " + Inert(d.Name) + ": " + strings.Join(vs, ", ")
}

const noValue = "(none)"

// Differences lists what the runs do not have in common of factors, labels, options, environment
// (machine, system, limits) and software (Go, modules, commit). What is measured anew each time
// (load average, disk sync latency, timer cost) is not in it.
func Differences(recs []*Record) []Difference {
	if len(recs) < 2 {
		return nil
	}
	traits := make([]map[trait]string, len(recs))
	names := map[trait]bool{}
	for i, r := range recs {
		traits[i] = traitsOf(r)
		for t := range traits[i] {
			names[t] = true
		}
	}
	var out []Difference
	for t := range names {
		values := map[string]bool{}
		for _, m := range traits {
			v, ok := m[t]
			if !ok {
				v = noValue
			}
			values[v] = true
		}
		if len(values) > 1 {
			out = append(out, Difference{t.kind, t.name, slices.SortedFunc(maps.Keys(values), naturalCompare)})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int {
		if a.Kind != b.Kind {
			return slices.Index(kindOrder(), a.Kind) - slices.Index(kindOrder(), b.Kind)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

func kindOrder() []string { return []string{"factor", "label", "option", "environment", "software"} }

type trait struct{ kind, name string }

func traitsOf(r *Record) map[trait]string {
	m := map[trait]string{
		{"label", "durability"}:  string(r.Durability),
		{"label", "consistency"}: string(r.Consistency),
	}
	for k, v := range r.Factors {
		m[trait{"factor", k}] = v
	}
	for c, opts := range r.Options {
		for k, v := range opts {
			m[trait{"option", c + "." + k}] = v
		}
	}
	e := r.Env
	for _, f := range []struct{ kind, name, value string }{
		{"environment", "host", e.Host}, {"environment", "os", e.OS}, {"environment", "arch", e.Arch},
		{"environment", "kernel", e.Kernel}, {"environment", "cpu", e.CPU},
		{"environment", "cores", strconv.Itoa(e.Cores)}, {"environment", "gomaxprocs", strconv.Itoa(e.GOMAXPROCS)},
		{"environment", "memory", strconv.FormatInt(e.MemBytes, 10)},
		{"environment", "cgroup cpu", e.CgroupCPU}, {"environment", "cgroup memory", e.CgroupMem},
		{"environment", "governor", e.Governor}, {"environment", "file system", e.FileSystem},
		{"environment", "device", e.Device}, {"environment", "GOGC", e.GOGC}, {"environment", "GOMEMLIMIT", e.GOMEMLIM},
		{"software", "go", e.GoVersion}, {"software", "commit", e.Commit},
	} {
		m[trait{f.kind, f.name}] = f.value
	}
	for mod, v := range e.Modules {
		m[trait{"software", mod}] = v
	}
	return m
}

// naturalCompare orders numbers by value and everything else as text, numbers first.
func naturalCompare(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	numX, numY := errX == nil && finite(x), errY == nil && finite(y)
	switch {
	case numX && numY && x != y:
		return cmp.Compare(x, y)
	case numX && !numY:
		return -1
	case !numX && numY:
		return 1
	}
	return strings.Compare(a, b)
}
