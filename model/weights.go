package model

import (
	"fmt"
	"maps"
	"slices"

	"flowmatch/nn"
)

// ReadWeights reads the weights that another program trained for a network of cfg, from a
// safetensors file: float32 tensors under the names of [nn.Module.Tensors], which are those
// of PyTorch's nn.Sequential called net ("net.0.weight", [outputs, inputs]). No metadata
// are needed. A tensor that is missing, of another shape or not finite, and one that the
// network does not have, are errors that name it.
func ReadWeights(path string, eng *nn.Engine, cfg nn.Config) (n *nn.Net, err error) {
	err = readFile(path, "weights", func(f *tensorFile) error {
		if n, err = nn.Restore(eng, cfg, f.read); err != nil {
			return err
		}
		return f.noOthers(n.Tensors())
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// ReadTokenWeights is [ReadWeights] of a network of tokens: the model of a spec with the weights of a file.
func ReadTokenWeights(path string, eng *nn.Engine, spec TokenSpec) (m *TokenModel, err error) {
	err = readFile(path, "weights", func(f *tensorFile) error {
		net, err := nn.RestoreTokenNet(eng, spec.Net, f.read)
		if err != nil {
			return err
		}
		if m, err = NewTokens(spec, net); err != nil {
			return err
		}
		return f.noOthers(net.Tensors())
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// noOthers reports a tensor of a file that is none of a network's.
func (f *tensorFile) noOthers(own []nn.Tensor) error {
	known := map[string]bool{}
	for _, t := range own {
		known[t.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(f.tensors)) {
		if !known[name] {
			return fmt.Errorf("tensor %q is none of the network's, which are %v", name,
				slices.Sorted(maps.Keys(known)))
		}
	}
	return nil
}
