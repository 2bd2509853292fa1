package plot

import (
	"fmt"
	"image"
	"image/color"
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
	// Scale draws each pixel as Scale x Scale; 0 chooses the smallest that makes
	// an image at least 48 pixels wide.
	Scale int
	// Lo and Hi are the values of black and white; both 0 means -1 and 1.
	Lo, Hi float64
}

// maxPixels bounds the picture of ImageGrid: 2^28 pixels are a gigabyte.
const maxPixels = 1 << 28

// ImageGrid writes a PNG with all images of a batch as tiles, row by row.
//
// shape is (h, w) for grey images and (h, w, c) with c = 1 or 3 for others; a
// point of the batch is the image's values with the channel running fastest, then
// the column, then the row, so D = h·w·c. Values are mapped from [Lo, Hi] to
// 0..255, rounded, and clamped to it.
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
	size := image.Pt(o.Cols*(wide+o.Gap)+o.Gap, rows*(h+o.Gap)+o.Gap)
	if px := float64(size.X) * float64(size.Y) * float64(o.Scale) * float64(o.Scale); px > maxPixels {
		return fmt.Errorf("plot: image grid: %w: %d images of %dx%d at scale %d make %.0f pixels, more than %d; draw fewer",
			ErrOptions, images.N, h, wide, o.Scale, px, maxPixels)
	}
	pic := &canvas{img: image.NewRGBA(image.Rect(0, 0, size.X*o.Scale, size.Y*o.Scale))}
	pic.fill(pic.img.Rect, white)
	level := func(v float64) uint8 {
		return uint8(math.Round(min(max((v-o.Lo)/(o.Hi-o.Lo), 0), 1) * 255))
	}
	for k := range images.N {
		x0, y0 := o.Gap+k%o.Cols*(wide+o.Gap), o.Gap+k/o.Cols*(h+o.Gap)
		v := images.Row(k)
		for p := range h * wide {
			at := v[p*c : p*c+c] // c-1 is 0 for grey: all three channels are the same
			col := color.RGBA{R: level(at[0]), G: level(at[(c-1)/2]), B: level(at[c-1]), A: 255}
			x, y := (x0+p%wide)*o.Scale, (y0+p/wide)*o.Scale
			pic.fill(image.Rect(x, y, x+o.Scale, y+o.Scale), col)
		}
	}
	return pic.encode(w)
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
		return 0, 0, 0, fmt.Errorf("plot: image grid: %w: shape %v for points of D=%d; want h·w·c = D with c = 1 or 3", ErrShape, shape, d)
	}
	return h, w, c, nil
}

// resolve fills in the defaults for n images of the given width.
func (o ImageOptions) resolve(n, wide int) (ImageOptions, error) {
	if o.Cols < 0 || o.Scale < 0 {
		return o, fmt.Errorf("plot: image grid: %w: Cols is %d and Scale %d; want 1 or more, or 0 to choose", ErrOptions, o.Cols, o.Scale)
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
	if o.Lo == 0 && o.Hi == 0 {
		o.Lo, o.Hi = -1, 1
	}
	if !(o.Lo < o.Hi) || math.IsInf(o.Hi-o.Lo, 0) {
		return o, fmt.Errorf("plot: image grid: %w: black is %v and white %v; want Lo < Hi", ErrOptions, o.Lo, o.Hi)
	}
	return o, nil
}
