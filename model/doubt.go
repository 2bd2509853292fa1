package model

import (
	"context"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/ode"
	"flowmatch/path"
)

// TooFew returns why the steps of a sampler are too few for its samples of m to be trusted, and what
// would help; empty: nothing speaks against them. Steps with noise may be unstable
// ([sde.Sampler.Stiff]); and of an unconditional model all steps of equal length may make samples
// narrower or wider than they are even of Gaussian data, for which the exact field is known. A field
// that was made straight, so that few steps are enough, is not judged: its score is not known.
func (m *Model) TooFew(how Sampler) string {
	if m.made() != nil {
		return ""
	}
	const most = 1.25 // a fifth narrower, or a quarter wider
	net, width, help := m.spec.Net, 1.0, ""
	judged := net.Classes == 0 && net.Context == 0 && m.HasScore() == nil
	var err error
	switch how := how.(type) {
	case SDE:
		s := how.Sampler
		s.Scale = m.scale()
		if why := s.Stiff(m.scheduler, m.output()); why != "" || !judged {
			return why
		}
		width, err = s.Width(m.scheduler, m.output())
	case ODE:
		width, err = m.width(how.Solver, judged)
		help = ", or a method with step control"
	case Density:
		width, err = m.width(how.Solver, judged)
		help = ", or a method with step control"
	}
	if err != nil || width > 1/most && width < most {
		return ""
	}
	return fmt.Sprintf("%v are too few: the samples would be %.2g times as wide even as Gaussian data of this size; "+
		"take more steps%s", how, width, help)
}

// width is [sde.Sampler.Width] of a solver with given steps; 1 of another one.
func (m *Model) width(s ode.Solver, judged bool) (float64, error) {
	switch s.Control.(type) {
	case ode.Fixed, ode.Spaced:
	default:
		judged = false
	}
	if !judged {
		return 1, nil
	}
	data := path.Precondition{Data: m.scale()}
	wide := func(t float64) float64 { return 1 / data.At(m.scheduler.At(t), path.Velocity).In }
	lo, hi := m.Span()
	s.Observe = nil
	x := []float64{wide(lo)} // the field is linear, and so are the steps
	_, err := s.Solve(context.Background(), data.Gaussian(m.scheduler, path.Velocity, 1).Velocity, x, lo, hi)
	return math.Abs(x[0]) / wide(hi), err
}

// Astray says that samples x [N, D] in data units are not of the size of the data that m was
// trained on, and what would help; empty: they are, or it is not known. alike says that they are
// given what the data are, in the same proportions, or nothing: else they may be narrower, and wider
// within limits.
func (m *Model) Astray(x flow.Batch, alike bool) string {
	const few, some = 30, 4096 // points too few to say much, and enough of them
	if m.made() != nil || m.scale() == 0 || x.D != m.Dim() || x.N == 0 {
		return ""
	}
	narrow, wide := 0.5, 2.0
	if !alike || x.N < few {
		narrow, wide = 0, 10
	}
	sum, n := 0.0, 0
	for _, v := range m.toModelUnits(x.Slice(0, min(x.N, some))).X {
		if v-v == 0 { // what could not be solved for is NaN
			sum, n = sum+v*v, n+1
		}
	}
	size := math.Sqrt(sum/float64(n)) / m.scale()
	if n == 0 || size >= narrow && size <= wide {
		return ""
	}
	help := "train for longer"
	switch {
	case m.spec.Precondition == nil && m.spec.Prediction != path.Velocity:
		help = "train with precondition: true, or with prediction velocity"
	case m.spec.Precondition == nil && m.scale() > 10:
		help = "scale the data to a size of about 1, by data.standardize: columns (or scalar)"
	case !alike:
		help = "what they are given may be far from what the model was trained on, or the training too short"
	}
	return fmt.Sprintf("the samples have %.3g times the size of the data (by root mean squares): they are not of "+
		"these data; %s", size, help)
}
