package plot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// ErrFormat is returned by WriteTo for a format other than png and svg.
var ErrFormat = errors.New("plot: unknown format")

// Formats returns the accepted formats, which are also the file extensions.
func Formats() []string { return []string{"png", "svg"} }

// dotsPerInch is the resolution of PNGs: twice a usual screen's, so that they stay sharp.
const dotsPerInch = 192

// Figure is one picture. It holds no pixels: it is drawn by WriteTo.
type Figure struct {
	// Name is the file's name without its extension: lower-case letters, digits and '-' only, the
	// same for the same records, unique among the figures of one call.
	Name string
	// Title is what stands at its top.
	Title string

	width, height float64 // in points; one inch is 72
	draw          func(*canvas)
}

// WriteTo draws the figure as "png" or "svg". Equal figures give equal bytes.
func (f *Figure) WriteTo(w io.Writer, format string) error {
	width, height := vg.Points(f.width), vg.Points(f.height)
	switch format {
	case "png":
		page := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dotsPerInch))
		f.draw(newCanvas(page))
		if _, err := (vgimg.PngCanvas{Canvas: page}).WriteTo(w); err != nil {
			return fmt.Errorf("plot: write %s.png: %w", f.Name, err)
		}
	case "svg":
		page := vgsvg.New(width, height)
		f.draw(newCanvas(page))
		var b bytes.Buffer
		if _, err := page.WriteTo(&b); err != nil {
			return fmt.Errorf("plot: write %s.svg: %w", f.Name, err)
		}
		// Where Liberation Sans is missing, Arial has the same widths.
		text := strings.ReplaceAll(b.String(), "font-family:Liberation Sans", "font-family:Liberation Sans,Arial,Helvetica,sans-serif")
		if _, err := io.WriteString(w, text); err != nil {
			return fmt.Errorf("plot: write %s.svg: %w", f.Name, err)
		}
	default:
		return fmt.Errorf("%w: given %q, accepted are %s", ErrFormat, format, strings.Join(Formats(), ", "))
	}
	return nil
}

// fileName makes a safe name of parts: what is not a letter or digit becomes '-', and the length is
// bounded. Different parts may give one name; unique settles that.
func fileName(parts ...string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.Join(parts, "-")) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 80 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// unique appends -2, -3, … to names that were used before.
func unique(figures []Figure) []Figure {
	used := map[string]bool{}
	for i := range figures {
		name := figures[i].Name
		for n := 2; used[figures[i].Name]; n++ {
			figures[i].Name = fmt.Sprintf("%s-%d", name, n)
		}
		used[figures[i].Name] = true
	}
	return figures
}
