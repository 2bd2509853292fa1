package data

import (
	"fmt"
	"math/rand/v2"

	"flowmatch/flow"
)

// flipped is a set of images that are mirrored at random when they are read.
type flipped struct {
	Finite
	shape []int
}

// Flip returns the images of f, of shape [height, width] or [height, width,
// channels], each mirrored left to right with probability 1/2 whenever it is read:
// rng, which must not be nil, first drives f as in [Finite.Read] and then one bit
// an image. It shares memory with f. It panics when the shape is not that of f.
func Flip(f Finite, shape []int) Finite {
	if size, ok := volume(shape, 1); !ok || len(shape) < 2 || size != int64(f.Dim()) {
		panic(fmt.Sprintf("data: Flip of points of dimension %d as images of shape %v", f.Dim(), shape))
	}
	return flipped{f, shape}
}

func (s flipped) Read(x flow.Batch, label []int32, index []int, rng *rand.Rand) {
	must(s.read(x, label, index, rng))
}

func (s flipped) read(x flow.Batch, label []int32, index []int, rng *rand.Rand) error {
	if err := read(s.Finite, x, label, index, rng); err != nil {
		return err
	}
	w := s.shape[1]
	c := s.Dim() / (s.shape[0] * w)
	for k := range index {
		if rng.Uint64()&1 == 1 {
			mirror(x.Row(k), w, c)
		}
	}
	return nil
}

// mirror turns rows of w pixels of c numbers around.
func mirror(pix []float64, w, c int) {
	for ; len(pix) > 0; pix = pix[w*c:] {
		for a, b := 0, w-1; a < b; a, b = a+1, b-1 {
			for k := range c {
				pix[a*c+k], pix[b*c+k] = pix[b*c+k], pix[a*c+k]
			}
		}
	}
}
