package nn

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
)

// Module is the weights of a network: the engine that holds them, their layout as
// named tensors in one slab, and their values. Every network of this package embeds
// one, and a [Trainer] works on any. It is read-only and safe for concurrent use.
type Module struct {
	eng    *Engine
	layout *layout
	theta  compute.Buffer // the slab, float32 [P], in the engine; nil: a trainer has taken it
}

// errUnmade is that of a network that no function of this package made.
var errUnmade = errors.New("nn: the network is nil or empty; make one by New, or read one by Restore")

// check reports a module that is not one of a network that was made.
func (m *Module) check() error {
	if m == nil || m.layout == nil {
		return errUnmade
	}
	return nil
}

// errTaken is that of a network whose weights [Net.IntoTrainer] has taken.
var errTaken = errors.New("nn: the weights of this network have gone into a trainer; take Averaged or Raw of that")

// weights returns the slab in the engine.
func (m *Module) weights() (compute.Buffer, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if m.theta == nil {
		return nil, errTaken
	}
	return m.theta, nil
}

// newModule returns a module with the weights of the slab given.
func newModule(eng *Engine, l *layout, theta []float32) (Module, error) {
	if len(theta) != l.size {
		return Module{}, fmt.Errorf("nn: %d weights given, the network has %d", len(theta), l.size)
	}
	return fillModule(eng, l, func(dst []float32) error {
		copy(dst, theta)
		return nil
	})
}

// fillModule returns a module with the weights that fill writes into a slab of zeros.
func fillModule(eng *Engine, l *layout, fill func(theta []float32) error) (Module, error) {
	b, err := eng.newSlab(0, l.size, fill)
	return Module{eng: eng, layout: l, theta: b}, err
}

// Engine returns the engine that the network runs on; nil of an empty Module.
func (m *Module) Engine() *Engine {
	if m == nil {
		return nil
	}
	return m.eng
}

// NumWeights returns P, the length of the slab; 0 of an empty Module.
func (m *Module) NumWeights() int {
	if m.check() != nil {
		return 0
	}
	return m.layout.size
}

// Weights returns a copy of the slab, of length P.
func (m *Module) Weights() ([]float32, error) {
	theta, err := m.weights()
	if err != nil {
		return nil, err
	}
	if m.layout.halves {
		return widened(theta, m.layout.size)
	}
	w, err := download(theta)
	if err != nil {
		return nil, fmt.Errorf("nn: reading weights: %w", err)
	}
	return w, nil
}

// Read calls use with the slab, of length P, which must be neither kept nor changed: without a copy where the engine
// has the weights in memory of this process, in float32.
func (m *Module) Read(use func(w []float32) error) error {
	theta, err := m.weights()
	if err != nil {
		return err
	}
	var w []float32
	if m.layout.halves {
		w, err = widened(theta, m.layout.size)
	} else {
		w, err = view(theta)
	}
	if err != nil {
		return fmt.Errorf("nn: reading weights: %w", err)
	}
	return use(w)
}

// Tensors returns the layout of the slab: the name, shape and offset of each tensor,
// in the order of the slab. Names and shapes are those of PyTorch's modules.
func (m *Module) Tensors() []Tensor {
	if m.check() != nil {
		return nil
	}
	return m.layout.tensors
}
