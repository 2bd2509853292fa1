package image

import (
	"fmt"
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/flow"
)

// flipped is a set of images that are mirrored at random when they are read.
type flipped struct {
	data.Finite
	shape []int
}

// Flip returns the images of f, of shape [height, width] or [height, width,
// channels], each mirrored left to right with probability 1/2 whenever it is read:
// rng, which must not be nil, first drives f as in [data.Finite] and then one bit
// an image. It shares memory with f.
func Flip(f data.Finite, shape []int) (data.Finite, error) {
	if size, ok := files.Volume(shape, 1); !ok || len(shape) < 2 || size != int64(f.Dim()) {
		return nil, fmt.Errorf("data: Flip of points of dimension %d as images of shape %v", f.Dim(), shape)
	}
	return flipped{f, shape}, nil
}

func (s flipped) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	if err := s.Finite.Read(x, given, index, rng); err != nil {
		return err
	}
	s.mirror(x, len(index), 0, rng)
	return nil
}

// ReadPart implements [data.PartReader].
func (s flipped) ReadPart(x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error {
	if err := data.ReadPart(s.Finite, x, given, index, from, rng); err != nil {
		return err
	}
	s.mirror(x, len(index), from, rng)
	return nil
}

// mirror mirrors images of n, x from number from on.
func (s flipped) mirror(x flow.Batch, n, from int, rng *rand.Rand) {
	w := s.shape[1]
	c := s.Dim() / (s.shape[0] * w)
	for i := range n {
		if k := i - from; rng.Uint64()&1 == 1 && k >= 0 && k < x.N {
			mirror(x.Row(k), w, c)
		}
	}
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
