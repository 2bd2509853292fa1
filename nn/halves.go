package nn

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/choice"
)

// Holding returns an engine like e on which [Restore] holds the weights of networks in a precision. BFloat16 takes
// half the memory: every weight is rounded to 8 bits, and products take bfloat16 and sum in float32, as in training
// with [StepOptions.Precision]. Such networks can be evaluated, and neither trained nor made anew. Decoders and
// classifiers stay in float32.
func (e *Engine) Holding(p Precision) (*Engine, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	if p != "" {
		if err := choice.Check("precision", string(p), Precisions()); err != nil {
			return nil, fmt.Errorf("nn: %w", err)
		}
	}
	other := *e
	other.halves = p == BFloat16
	return &other, nil
}

// errHalves is that of a network whose weights are not float32.
var errHalves = errors.New("nn: the weights of this network are held in bfloat16, which is for evaluating it alone; " +
	"open it in float32")

// slab is the shape of the weights as an input of programs.
func (l *layout) slab() shapes.Shape {
	if l.halves {
		return shapes.Make(dtypes.BFloat16, l.size)
	}
	return floats(l.size)
}

// isNarrow says whether a tensor takes part in sums in float32: all but large matrices and kernels.
func isNarrow(shape []int) bool { return len(shape) < 2 || min(shape[0], shape[1]) < narrow }

// halved returns tensors that lie in bfloat16 as networks take them.
func halved(p []*Node) []*Node {
	for i, w := range p {
		if isNarrow(w.Shape().Dimensions) {
			p[i] = wide(w)
		}
	}
	return p
}

// readHalves returns a module with the tensors that read returns, rounded one by one: there is no slab of floats.
func readHalves(eng *Engine, l *layout, read func(name string, shape []int) ([]float32, error)) (Module, error) {
	sh := l.slab()
	fill := func(flat any) error {
		theta := flat.([]bfloat16.BFloat16)
		return l.eachTensor(read, func(at int, numbers []float32) {
			for k, v := range numbers {
				theta[at+k] = bfloat16.FromFloat32(v)
			}
		})
	}
	var theta compute.Buffer
	var err error
	if own, ok := eng.backend.(bufferMaker); ok {
		if theta, err = own.NewBuffer(sh); err == nil {
			err = theta.(filler).Fill(fill)
		}
	} else {
		flat := make([]bfloat16.BFloat16, l.size)
		if err = fill(flat); err == nil {
			theta, err = eng.backend.BufferFromFlatData(0, flat, sh)
		}
	}
	if err != nil {
		return Module{}, err
	}
	return Module{eng: eng, layout: l, theta: theta}, nil
}

// widened returns a copy of what a buffer of bfloat16 holds.
func widened(b compute.Buffer, n int) ([]float32, error) {
	flat, out := make([]bfloat16.BFloat16, n), make([]float32, n)
	if err := b.ToFlatData(flat); err != nil {
		return nil, err
	}
	for i, v := range flat {
		out[i] = v.Float32()
	}
	return out, nil
}
