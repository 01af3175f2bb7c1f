package plot

import (
	"fmt"
	"hash/fnv"
	"image/color"
)

// Marker is the shape that stands for a line beside its colour, so that a figure can be read in
// grey and by people who see colours differently.
type Marker string

// The markers, in the order in which they are given to the variants of one engine.
const (
	Circle   Marker = "circle"
	Square   Marker = "square"
	Triangle Marker = "triangle"
	Diamond  Marker = "diamond"
	Cross    Marker = "cross"
	Ring     Marker = "ring"
)

// Look is how one engine appears everywhere.
type Look struct {
	Color  color.RGBA
	Marker Marker
}

// Hex returns the colour in the form of CSS and gnuplot, such as "#4477aa".
func (l Look) Hex() string { return fmt.Sprintf("#%02x%02x%02x", l.Color.R, l.Color.G, l.Color.B) }

// LookOf returns the look of an engine. The known ones have their own; another name gets one of
// the remaining colours by its hash, so it too looks the same in every figure.
//
// The colours are Paul Tol's "bright" scheme (SRON/EPS/TN/09-002), which stays apart under the
// common colour-vision deficiencies and reads on white and on near-black.
func LookOf(engine string) Look {
	switch engine {
	case "mem":
		return looks()[0]
	case "bolt":
		return looks()[1]
	case "pebble":
		return looks()[2]
	case "badger":
		return looks()[3]
	case "etcd":
		return looks()[4]
	case "zookeeper":
		return looks()[5]
	}
	h := fnv.New32a()
	h.Write([]byte(engine))
	others := looks()[6:]
	return others[h.Sum32()%uint32(len(others))]
}

// looks are all looks: those of the known engines, then the others.
func looks() []Look {
	rgb := func(v uint32) color.RGBA { return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 0xff} }
	return []Look{
		{rgb(0x888888), Circle},
		{rgb(0x4477aa), Square},
		{rgb(0xee6677), Triangle},
		{rgb(0x228833), Diamond},
		{rgb(0xaa3377), Cross},
		{rgb(0xb8a030), Ring},
		{rgb(0x3aa5c8), Ring},
		{rgb(0xd98a2b), Cross},
		{rgb(0x7a6fc4), Square},
		{rgb(0x8c6d4f), Triangle},
	}
}
