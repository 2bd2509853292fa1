package plot

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"math"

	"flowmatch/flow"
)

// ImageOptions are the options of ImageGrid. The zero value is usable.
type ImageOptions struct {
	// Cols is the number of images in a row; 0 means about as many as rows.
	Cols int
	// Gap is the number of pixels between images (before Scale); 0 means 2, a
	// negative value none.
	Gap int
	// Group sets every so many columns apart from the next by a gap three times as wide; 0: no
	// groups. It divides Cols.
	Group int
	// Scale draws each pixel as Scale x Scale; 0 chooses the smallest that makes
	// an image at least 48 pixels wide.
	Scale int
	// Lo and Hi are the values of black and white; both 0 means -1 and 1.
	Lo, Hi float64
	// Format is the kind of file: PNG, SVG or PDF.
	Format Format
	// Dark draws the ground dark and the names light: a PNG only.
	Dark bool
	// ColNames and RowNames stand above the columns and before the rows, set smaller
	// where they are wider than an image. nil: none, and no room for them.
	ColNames, RowNames []string
}

// Heights of the names in pixels: as set, and the least.
const nameHeight, leastNameHeight = 13.0, 6.0

// maxPixels bounds the picture of ImageGrid: 2^28 pixels are a gigabyte.
const maxPixels = 1 << 28

// ImageGrid writes a picture with all images of a batch as tiles, row by row.
//
// shape is (h, w) for grey images and (h, w, c) with c = 1 or 3 for others; a
// point of the batch is the image's values with the channel running fastest, then
// the column, then the row, so D = h·w·c. Each of the levels 0 to 255 is an equal part of
// [Lo, Hi], and values beyond are clamped: a byte v that was read as (v + u)/128 - 1, with
// noise of dequantisation u in [0, 1) or u = 1/2, is v again.
func ImageGrid(w io.Writer, images flow.Batch, shape []int, o ImageOptions) error {
	if err := checkBatch("image grid", images); err != nil {
		return err
	}
	h, wide, c, err := imageShape(shape, images.D)
	if err != nil {
		return err
	}
	if o, err = o.resolve(images.N, wide); err != nil {
		return err
	}
	rows := (images.N + o.Cols - 1) / o.Cols
	if len(o.ColNames) > o.Cols || len(o.RowNames) > rows {
		return fmt.Errorf("plot: image grid: %w: %d names of columns and %d of rows for %d rows of %d images", ErrShape,
			len(o.ColNames), len(o.RowNames), rows, o.Cols)
	}
	size := image.Pt(o.left(o.Cols, wide), rows*(h+o.Gap)+o.Gap).Mul(o.Scale)
	if px := float64(size.X) * float64(size.Y); px > maxPixels {
		return fmt.Errorf(
			"plot: image grid: %w: %d images of %dx%d at scale %d make %.0f pixels, more than %d; draw fewer",
			ErrOptions, images.N, h, wide, o.Scale, px, maxPixels)
	}
	pic, at := o.named(size, wide, h)
	level := func(v float64) uint8 {
		return uint8(min(max((v-o.Lo)/(o.Hi-o.Lo), 0)*256, 255)) // which rounds down
	}
	for k := range images.N {
		x0, y0 := o.left(k%o.Cols, wide), o.Gap+k/o.Cols*(h+o.Gap)
		v := images.Row(k)
		corner := at.Add(image.Pt(x0, y0).Mul(o.Scale))
		pic.keep(image.Rectangle{Min: corner, Max: corner.Add(image.Pt(wide, h).Mul(o.Scale))})
		for p := range h * wide {
			rgb := v[p*c : p*c+c] // c-1 is 0 for grey: all three channels are the same
			col := color.RGBA{R: level(rgb[0]), G: level(rgb[(c-1)/2]), B: level(rgb[c-1]), A: 255}
			x, y := at.X+(x0+p%wide)*o.Scale, at.Y+(y0+p/wide)*o.Scale
			draw.Draw(pic.img, image.Rect(x, y, x+o.Scale, y+o.Scale), image.NewUniform(col), image.Point{}, draw.Src)
		}
	}
	pic.touched(image.Rectangle{Min: at, Max: at.Add(size)})
	pic.dark = o.Dark
	return pic.encode(w)
}

// left returns where column k begins, in pixels before Scale; of column Cols it is the width of
// the grid.
func (o ImageOptions) left(k, wide int) int {
	x := o.Gap + k*(wide+o.Gap)
	if o.Group > 0 {
		x += min(k, o.Cols-1) / o.Group * groupGaps * o.Gap
	}
	return x
}

// groupGaps is how many gaps more there are between groups.
const groupGaps = 2

// named returns a white picture with room for a grid of size pixels, the names of its
// columns and rows, and where the grid begins.
func (o ImageOptions) named(size image.Point, wide, h int) (*canvas, image.Point) {
	const dpi = 72 // a point is a pixel
	probe := newCanvas(1, 1, dpi, PNG)
	var at image.Point
	if anyName(o.ColNames) {
		at.Y = nameHeight + 2
	}
	for _, name := range o.RowNames {
		at.X = max(at.X, int(math.Ceil(probe.width(name, nameHeight)))+4)
	}
	pic := newCanvas(at.X+size.X, at.Y+size.Y, dpi, o.Format)
	across, down := (wide+o.Gap)*o.Scale, (h+o.Gap)*o.Scale
	first := at.Add(image.Pt(across, down).Add(image.Pt(o.Gap, o.Gap).Mul(o.Scale)).Div(2)) // centre of the first image
	style := textStyle{size: nameHeight, color: inkText}
	for k, name := range o.ColNames {
		style.align = 0.5
		style.size = max(leastNameHeight, nameHeight*min(1, float64(across-2)/max(1, probe.width(name, nameHeight))))
		pic.text(float64(first.X+(o.left(k, wide)-o.Gap)*o.Scale), nameHeight, name, style)
	}
	for k, name := range o.RowNames {
		style.align, style.size = 1, nameHeight
		pic.text(float64(at.X), float64(first.Y+k*down)+0.36*nameHeight, name, style)
	}
	return pic, at
}

// imageShape checks a shape against D.
func imageShape(shape []int, d int) (h, w, c int, err error) {
	switch len(shape) {
	case 2:
		h, w, c = shape[0], shape[1], 1
	case 3:
		h, w, c = shape[0], shape[1], shape[2]
	default:
		return 0, 0, 0, fmt.Errorf("plot: image grid: %w: shape %v; want (h, w) or (h, w, c)", ErrShape, shape)
	}
	if h < 1 || w < 1 || c != 1 && c != 3 || h > d || w > d || h*w*c != d {
		return 0, 0, 0, fmt.Errorf("plot: image grid: %w: shape %v for points of D=%d; want h·w·c = D with c = 1 or 3",
			ErrShape, shape, d)
	}
	return h, w, c, nil
}

// resolve fills in the defaults for n images of the given width.
func (o ImageOptions) resolve(n, wide int) (ImageOptions, error) {
	if o.Cols < 0 || o.Scale < 0 || o.Group < 0 {
		return o, fmt.Errorf("plot: image grid: %w: Cols is %d, Group %d and Scale %d; want 1 or more, or 0 to choose",
			ErrOptions, o.Cols, o.Group, o.Scale)
	}
	if o.Group > 0 && o.Cols%o.Group != 0 {
		return o, fmt.Errorf("plot: image grid: %w: groups of %d among %d columns; want whole groups", ErrOptions,
			o.Group, o.Cols)
	}
	if o.Cols == 0 {
		o.Cols = int(math.Ceil(math.Sqrt(float64(n))))
	}
	if o.Scale == 0 {
		o.Scale = max(1, (48+wide-1)/wide)
	}
	switch {
	case o.Gap == 0:
		o.Gap = 2
	case o.Gap < 0:
		o.Gap = 0
	}
	if err := errors.Join(o.Format.check(), checkDark(o.Dark, o.Format)); err != nil {
		return o, err
	}
	if o.Lo == 0 && o.Hi == 0 {
		o.Lo, o.Hi = -1, 1
	}
	if !(o.Lo < o.Hi) || math.IsInf(o.Hi-o.Lo, 0) {
		return o, fmt.Errorf("plot: image grid: %w: black is %v and white %v; want Lo < Hi", ErrOptions, o.Lo, o.Hi)
	}
	return o, nil
}
