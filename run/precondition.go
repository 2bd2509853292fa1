package run

import (
	"fmt"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/path"
)

// The scale of the data is measured on so much at the most: the points are read
// beforehand, and 1 % is exact enough.
const (
	scalePoints  = 4096
	scaleNumbers = 1 << 22 // in all of them, for large images
)

// scale measures the data, and writes the scale into spec: as a precondition, with that of
// the source, where the run has one. It returns what is wrong with the scale, and is a pure
// function of the configuration and the data.
func (c Config) scale(spec *model.Spec, set *data.Set) (warnings []string, err error) {
	if !c.Space.Flat() {
		return nil, nil // points of a manifold have the scale that it has
	}
	x := flow.NewBatch(max(64, min(scalePoints, scaleNumbers/set.Dim)), set.Dim)
	if err := set.Train.Fill(x, flow.Given{}, 0); err != nil {
		return nil, fmt.Errorf("run: the scale of the data: %w", err)
	}
	scale := ode.RMS(x.X)
	if !*c.Precondition {
		spec.DataScale = scale
		return unscaled(*spec, set, x, scale), nil
	}
	p := &path.Precondition{Data: scale}
	spec.Precondition = p
	warnings = unscaled(*spec, set, x, scale)
	if c.Source.Name != "" {
		source, err := c.Source.New()
		if err != nil {
			return nil, err
		}
		source.Sample(x, seed.Rand(c.Seed, "run/scale", 0))
		p.Source = ode.RMS(x.X)
	}
	if p.Data == 0 {
		return nil, fmt.Errorf("%w: precondition needs data of some scale, and all numbers of %s are 0", ErrSettings,
			set.Name)
	}
	return warnings, nil
}
