package image

import (
	"errors"
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/draw"

	"flowmatch/flow"
)

// ErrImages is returned for points that are no images of the shape given.
var ErrImages = errors.New("data: no images of that shape")

// Planes brings images to another size and lays them out channel by channel, as
// networks of other libraries take them: x [N, H·W·C] of shape image, in [-1, 1] and
// rounded to 8 bits as a file of images would be, becomes [N, channels·height·width]
// in [0, 1]. Resizing is bilinear with the centres of pixels half a pixel in
// (PyTorch's align_corners=False), and averages where it shrinks. One grey channel
// becomes three alike.
func Planes(x flow.Batch, shape []int, channels, height, width int) (flow.Batch, error) {
	if len(shape) != 3 || shape[0]*shape[1]*shape[2] != x.D || shape[2] != 1 && shape[2] != 3 {
		return flow.Batch{}, fmt.Errorf(
			"%w: %d numbers for a shape of %v; it must be height, width and 1 or 3 channels",
			ErrImages, x.D, shape)
	}
	if channels != shape[2] && !(channels == 3 && shape[2] == 1) {
		return flow.Batch{}, fmt.Errorf("%w: %d channels asked for of images of %d", ErrImages, channels, shape[2])
	}
	out := flow.NewBatch(x.N, channels*height*width)
	from := image.NewRGBA64(image.Rect(0, 0, shape[1], shape[0]))
	to := image.NewRGBA64(image.Rect(0, 0, width, height))
	for i := range x.N {
		paint(from, x.Row(i), shape[2])
		img := from
		if from.Rect != to.Rect {
			draw.BiLinear.Scale(to, to.Rect, from, from.Rect, draw.Src, nil)
			img = to
		}
		row := out.Row(i)
		for p := range height * width {
			c := img.RGBA64At(p%width, p/width)
			for k, v := range []uint16{c.R, c.G, c.B}[:channels] {
				row[k*height*width+p] = float64(v) / 0xffff
			}
		}
	}
	return out, nil
}

// paint makes a picture of one image.
func paint(img *image.RGBA64, x []float64, channels int) {
	w := img.Rect.Dx()
	pix := make([]byte, len(x))
	Pixels(pix, x)
	level := func(i int) uint16 { return 257 * uint16(pix[i]) } // 257 makes 16 bits of 8
	for p := range len(x) / channels {
		at := p * channels
		r, g, b := level(at), level(at), level(at)
		if channels == 3 {
			g, b = level(at+1), level(at+2)
		}
		img.SetRGBA64(p%w, p/w, color.RGBA64{R: r, G: g, B: b, A: 0xffff})
	}
}
