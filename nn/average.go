package nn

import (
	"errors"

	"flowmatch/flow"
)

// ErrNoAverage is returned when an average velocity is asked of a network that was made
// without Config.Average.
var ErrNoAverage = errors.New("nn: the network was made without interval; it has velocities, not their averages")

// AverageField is a network of average velocities: a [Velocity], which is that of a time
// span of no length, and a [flow.Diverger], with the averages over longer ones.
type AverageField struct{ forwardVelocity }

var (
	_ Velocity      = (*AverageField)(nil)
	_ flow.Diverger = (*AverageField)(nil)
)

// BindAverage is [Net.Bind] of a network that was made with Config.Average; of another the
// error is [ErrNoAverage].
func (n *Net) BindAverage(g flow.Given) (*AverageField, error) {
	if err := n.made(); err != nil {
		return nil, err
	}
	if !n.arch.cfg.Average {
		return nil, ErrNoAverage
	}
	f, err := n.bind(g)
	if err != nil {
		return nil, err
	}
	return &AverageField{forwardVelocity{f}}, nil // such networks are perceptrons
}

// Average writes the average velocity u(x, t, s) of the flow from x [N, D] at time t to
// time s into u [N, D]: x + (s-t) u is where it is then.
func (f *AverageField) Average(u []float64, t, s float64, x []float64) error {
	progs, err := f.programs()
	if err != nil {
		return err
	}
	d := f.Dim()
	rest := func(in *frame, at, _, _ int) {
		end := in.floats(at)
		for k := range end {
			end[k] = float32(s)
		}
	}
	return f.evaluate(progs.average, 0, t, x, rest, func(out *frame, i, j int) {
		out.read(u[i*d:j*d], 0)
	})
}
