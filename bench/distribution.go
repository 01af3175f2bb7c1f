package bench

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/etalon-kv/etalon/internal/nearest"
)

// distribution is a parsed Spec.Distribution: a name and its parameters, defaults filled in.
type distribution struct {
	name string
	args []float64
}

// shape describes the parameters of a distribution: defaults and upper bounds (all are above 0).
type shape struct{ defaults, most []float64 }

func shapes() map[string]shape {
	skew := shape{defaults: []float64{ZipfTheta}, most: []float64{10}}
	return map[string]shape{
		"sequential":        {},
		"uniform":           {},
		"zipfian":           skew,
		"zipfian-clustered": skew,
		"latest":            skew,
		"hotspot":           {defaults: []float64{0.2, 0.8}, most: []float64{1, 1}},
		"exponential":       {defaults: []float64{95, 0.8571428571}, most: []float64{99.9999, 1}},
	}
}

// Distributions are the names that Spec.Distribution accepts, sorted.
func Distributions() []string {
	return []string{"exponential", "hotspot", "latest", "sequential", "uniform", "zipfian", "zipfian-clustered"}
}

// parseDistribution reads which keys are asked for:
//
//	sequential                one after the other, by all workers together
//	uniform
//	zipfian:0.99              YCSB's: popular keys all over the key range
//	zipfian-clustered:0.99    the records loaded first are the popular ones
//	latest:0.99               zipfian from the newest record back
//	hotspot:0.2,0.8           the share 0.8 of operations on the share 0.2 of records
//	exponential:95,0.857      95 % of operations on the newest share 0.857 of records
//
// The parameters shown are the defaults.
func parseDistribution(text string) (distribution, error) {
	name, args, given := strings.Cut(strings.TrimSpace(text), ":")
	s, ok := shapes()[name]
	if !ok {
		return distribution{}, nearest.Error("distribution", name, Distributions())
	}
	d := distribution{name: name, args: s.defaults}
	if !given {
		return d, nil
	}
	parts := strings.Split(args, ",")
	if len(parts) != len(s.defaults) {
		return d, fmt.Errorf("distribution %q: %d parameters, want %d", text, len(parts), len(s.defaults))
	}
	d.args = make([]float64, len(parts))
	for i, part := range parts {
		x, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || !(x > 0 && x <= s.most[i]) {
			return d, fmt.Errorf("distribution %q: parameter %q, accepted: above 0 up to %v", text, part, s.most[i])
		}
		d.args[i] = x
	}
	return d, nil
}

// String is the text that parseDistribution reads as d.
func (d distribution) String() string {
	if len(d.args) == 0 {
		return d.name
	}
	parts := make([]string, len(d.args))
	for i, x := range d.args {
		parts[i] = strconv.FormatFloat(x, 'g', -1, 64)
	}
	return d.name + ":" + strings.Join(parts, ",")
}

// chooser makes one worker's Chooser over records at first; shared is the one Sequential of all
// workers.
func (d distribution) chooser(records uint64, grows bool, shared *Sequential) Chooser {
	switch d.name {
	case "sequential":
		return shared
	case "zipfian":
		return NewScrambled(NewZipfian(d.args[0]), records, grows)
	case "zipfian-clustered":
		return NewZipfian(d.args[0])
	case "latest":
		return NewLatest(NewZipfian(d.args[0]))
	case "hotspot":
		return Hotspot{Set: d.args[0], Ops: d.args[1]}
	case "exponential":
		return Exponential{Percentile: d.args[0], Frac: d.args[1]}
	}
	return Uniform{}
}
