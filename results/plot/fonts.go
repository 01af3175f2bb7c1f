package plot

import (
	"fmt"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
)

// typeface is what all text is set in: Liberation Sans, whose widths are Arial's. These are two faces of the
// twelve that gonum.org/v1/plot/font/liberation would put into the program, 4 MiB of them for nothing.
var typeface = font.Font{Typeface: "Liberation", Variant: "Sans"}

// faces are the regular and the bold one.
func faces() font.Collection {
	var c font.Collection
	for _, f := range []struct {
		weight xfont.Weight
		ttf    []byte
	}{{xfont.WeightNormal, liberationsansregular.TTF}, {xfont.WeightBold, liberationsansbold.TTF}} {
		face, err := opentype.Parse(f.ttf)
		if err != nil {
			panic(fmt.Sprintf("plot: a font of the program itself: %v", err))
		}
		of := typeface
		of.Weight = f.weight
		c = append(c, font.Face{Font: of, Face: face})
	}
	return c
}
