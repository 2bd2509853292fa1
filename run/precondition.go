package run

import (
	"fmt"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

// The scales of a precondition are measured on so much at the most: the points are read
// beforehand, and 1 % is exact enough.
const (
	scalePoints  = 4096
	scaleNumbers = 1 << 22 // in all of them, for large images
)

// precondition returns the model's, with the scales of data and source; nil where the run
// has none. It is a pure function of the configuration and the data.
func (c Config) precondition(set *data.Set) (*path.Precondition, error) {
	if !*c.Precondition {
		return nil, nil
	}
	x := flow.NewBatch(max(64, min(scalePoints, scaleNumbers/set.Dim)), set.Dim)
	if err := set.Train.Fill(x, flow.Given{}, 0); err != nil {
		return nil, fmt.Errorf("run: the scale of the data: %w", err)
	}
	p := &path.Precondition{Data: ode.RMS(x.X)}
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
	return p, nil
}
