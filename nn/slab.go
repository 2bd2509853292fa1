package nn

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// What an engine offers whose buffers lie in memory of this process: slabs are then written and
// read where they are, and there is no second copy of them.
type (
	bufferMaker interface {
		NewBuffer(shape shapes.Shape) (compute.Buffer, error) // of zeros
	}
	viewer interface{ View() any }
	filler interface {
		Fill(fill func(flat any) error) error
	}
)

// newSlab makes a buffer of n numbers on a device, which fill writes; they are zeros before.
// fill nil: they stay zeros.
func (e *Engine) newSlab(d compute.DeviceNum, n int, fill func(x []float32) error) (compute.Buffer, error) {
	if fill == nil {
		fill = func([]float32) error { return nil }
	}
	if own, ok := e.backend.(bufferMaker); ok {
		b, err := own.NewBuffer(floats(n))
		if err != nil {
			return nil, fmt.Errorf("nn: making room for weights: %w", err)
		}
		return b, b.(filler).Fill(func(flat any) error { return fill(flat.([]float32)) })
	}
	x := make([]float32, n)
	if err := fill(x); err != nil {
		return nil, err
	}
	b, err := e.uploadTo(d, x)
	if err != nil {
		return nil, fmt.Errorf("nn: copying weights to the engine: %w", err)
	}
	return b, nil
}

// refill writes a slab anew: the buffer itself, or another in its place.
func (e *Engine) refill(d compute.DeviceNum, b *compute.Buffer, n int, fill func(x []float32) error) error {
	if own, ok := (*b).(filler); ok {
		return own.Fill(func(flat any) error { return fill(flat.([]float32)) })
	}
	made, err := e.newSlab(d, n, fill)
	if err == nil {
		*b = made
	}
	return err
}

// view returns what a buffer holds, to be read only and until a step writes to it; a copy where
// the engine has memory of its own.
func view(b compute.Buffer) ([]float32, error) {
	if v, ok := b.(viewer); ok {
		return v.View().([]float32), nil
	}
	return download(b)
}
