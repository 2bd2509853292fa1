package neuralode

import (
	"context"
	"fmt"
	"math"
	"time"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
)

// Case is a method for a gradient.
type Case struct {
	Name     string
	Gradient Gradient
	Solver   ode.Solver
	Back     ode.Solver // of the adjoint; without a Method: Solver
}

// Cases returns both gradients with an adaptive method at each tolerance, RTol = ATol.
func Cases(m *ode.Tableau, tolerances ...float64) []Case {
	var cs []Case
	for _, tol := range tolerances {
		for _, g := range []Gradient{Adjoint, Backprop} {
			cs = append(cs, Case{
				Name:     fmt.Sprintf("%s, %s at %g", g, m.Name, tol),
				Gradient: g,
				Solver:   ode.Solver{Method: m, Control: ode.Adaptive{RTol: tol, ATol: tol}},
			})
		}
	}
	return cs
}

// Row is what a case's gradient costs and how right it is.
type Row struct {
	Case
	// ThetaError and X0Error are |g - g*| / |g*| (Euclidean) of the gradients with respect
	// to θ and x0, g* being the reference.
	ThetaError, X0Error float64
	Forward, Back       ode.Stats // NFE, and VJPs on the way back
	States              int       // kept for the way back, [N, D] each
	Seconds             float64   // forward and back, the least of Comparison.Repeats
}

// Comparison is the gradient of one loss, by several methods.
type Comparison struct {
	Reference Case
	// FiniteDifference is what the reference differs from a central difference (of order 4)
	// of the loss along the gradient by, relative: it says how far the reference can be
	// trusted. A network's float32 bounds it from below, at some 1e-4.
	FiniteDifference float64
	Repeats          int
	Rows             []Row
}

// Reference is the case that others are measured against: the steps of dopri8,
// differentiated, at a tolerance near the rounding of a float32 network.
func Reference() Case {
	return Case{Name: "reference", Gradient: Backprop,
		Solver: ode.Solver{Method: ode.Dopri8, Control: ode.Adaptive{RTol: 1e-7, ATol: 1e-7}}}
}

// Compare takes the gradient of the mean loss of net's solutions, from the first
// states of want, against want, once by Reference and in every case. Of b, only what
// the field sees counts. The first call of each case is not timed.
func Compare(
	ctx context.Context, net *nn.Net, b Block, want Trajectories, l Loss, repeats int, cases ...Case,
) (Comparison, error) {
	c := Comparison{Reference: Reference(), Repeats: max(repeats, 1)}
	if err := want.Validate(); err != nil {
		return c, err
	}
	b, err := b.of(net)
	if err != nil {
		return c, err
	}
	ref, err := c.Reference.take(ctx, b, l, want, 0)
	if err != nil {
		return c, err
	}
	if c.FiniteDifference, err = c.Reference.difference(ctx, net, b, l, want, ref.loss, ref.theta); err != nil {
		return c, err
	}
	for _, cs := range cases {
		got, err := cs.take(ctx, b, l, want, c.Repeats)
		if err != nil {
			return c, err
		}
		got.ThetaError, got.X0Error = relative(got.theta, ref.theta), relative(got.x0, ref.x0)
		c.Rows = append(c.Rows, got.Row)
	}
	return c, nil
}

// taken is a row with its gradients.
type taken struct {
	Row
	loss      float64
	theta, x0 []float64
}

// take takes the gradient of the case 1+repeats times.
func (cs Case) take(ctx context.Context, b Block, l Loss, want Trajectories, repeats int) (taken, error) {
	b.Gradient, b.Solver, b.Back = cs.Gradient, cs.Solver, cs.Back
	r := taken{Row: Row{Case: cs, Seconds: math.Inf(1)}}
	for k := range 1 + repeats {
		r.theta = make([]float64, b.Field.NumParams())
		start := time.Now()
		var err error
		r.loss, r.x0, r.Forward, r.Back, err = b.lossGradient(ctx, l, want, r.theta,
			func(p *Pass) { r.States = p.States() })
		if err != nil {
			return r, fmt.Errorf("neuralode: case %q: %w", cs.Name, err)
		}
		if k > 0 {
			r.Seconds = min(r.Seconds, time.Since(start).Seconds())
		}
	}
	return r, nil
}

// difference compares g, along itself, with the central difference of order 4, whose
// steps are such that the loss moves by 0.3 %.
func (cs Case) difference(
	ctx context.Context, net *nn.Net, b Block, l Loss, want Trajectories, loss float64, g []float64,
) (float64, error) {
	w, err := net.Weights()
	if err != nil {
		return 0, err
	}
	b.Solver = cs.Solver
	size := norm(g)
	if size == 0 || loss == 0 {
		return 0, nil
	}
	step, change, predicted := min(1e-2, 3e-3*loss/size), 0.0, 0.0
	for _, stencil := range []struct{ at, weight float64 }{{-2, 1}, {-1, -8}, {1, 8}, {2, -1}} {
		moved := make([]float32, len(w))
		for i, wi := range w {
			moved[i] = float32(float64(wi) + stencil.at*step*g[i]/size)
			// What it really moves by, after the rounding, is what counts.
			predicted += stencil.weight * (float64(moved[i]) - float64(wi)) * g[i]
		}
		other, err := net.WithWeights(moved)
		if err != nil {
			return 0, err
		}
		got, err := b.Predict(ctx, other, want.X[0], want.T)
		if err != nil {
			return 0, err
		}
		value, _, err := l.Mean(got, want)
		if err != nil {
			return 0, err
		}
		change += stencil.weight * value
	}
	return math.Abs(change-predicted) / math.Abs(predicted), nil
}

func norm(x []float64) float64 { return math.Sqrt(float64(len(x))) * ode.RMS(x) }

func relative(got, want []float64) float64 {
	d := make([]float64, len(got))
	for i := range d {
		d[i] = got[i] - want[i]
	}
	return norm(d) / norm(want)
}

// Experiment is the classical example: fit a network to one trajectory of a system,
// with either gradient.
type Experiment struct {
	System System
	Points int       // of the trajectory, at equal distances; 0: 1000
	Net    nn.Config // Dim is that of the system; Hidden empty: [64, 64]; Activation empty: gelu
	// Fit is the fit of both gradients; its Data is set, and its Block.Gradient. A
	// Block.Solver without a Method is dopri5 at 1e-5. Block.Autonomous is set.
	Fit Fit
	// Tolerances are those of dopri5 that gradients are compared at, with the network of
	// the last fit: of the mean square of its states at five times of the whole
	// trajectory, so that many steps lie between the times. (The error of a good fit has
	// hardly a gradient: it would drown in that of the solve forward.) None: no comparison.
	Tolerances []float64
	Repeats    int // of each timing; 0: 1
}

// Fitted is one fit of an experiment.
type Fitted struct {
	Gradient Gradient
	Curve    []Point
	Before   Trajectories // of the network at its random start; empty if it failed
	After    Trajectories // of the averaged weights at the end
}

// Report is all that an experiment finds out.
type Report struct {
	System    string
	Truth     Trajectories
	Gradients Comparison
	Fits      []Fitted
}

// Run runs the experiment on an engine. gradients are those that are fitted with; none:
// both. Everything but seconds is a function of Fit.Seed.
func (e Experiment) Run(ctx context.Context, eng *nn.Engine, gradients ...Gradient) (Report, error) {
	e = e.defaults()
	if e.System.F == nil || e.System.Dim() < 1 || e.Points < 2 {
		return Report{}, fmt.Errorf("neuralode: %w: Experiment.System %q has dimension %d and Points is %d; it needs "+
			"a Start, an F, and 2 points at least", ErrInvalid, e.System.Name, e.System.Dim(), e.Points)
	}
	r := Report{System: e.System.Name}
	exact := ode.Solver{Method: ode.Dopri8, Control: ode.Adaptive{RTol: 1e-10, ATol: 1e-10}}
	x0 := flow.Batch{N: 1, D: e.System.Dim(), X: e.System.Start}
	var err error
	if r.Truth, err = Simulate(ctx, exact, e.System, x0, Times(0, e.System.End, e.Points)); err != nil {
		return r, err
	}
	net, err := nn.New(eng, e.Net, e.Fit.Seed)
	if err != nil {
		return r, err
	}
	e.Fit.Data = r.Truth
	if len(gradients) == 0 {
		gradients = []Gradient{Adjoint, Backprop}
	}
	var learnt *nn.Net
	for _, g := range gradients {
		fit := e.Fit
		fit.Block.Gradient = g
		fitted, after, err := fit.fitted(ctx, net)
		if err != nil {
			return r, err
		}
		r.Fits, learnt = append(r.Fits, fitted), after
	}
	if len(e.Tolerances) > 0 {
		few := r.Truth.every(max(1, (e.Points-1)/5))
		for i := range few.X[1:] {
			few.X[i+1] = flow.NewBatch(1, x0.D)
		}
		cases := Cases(ode.Dopri5, e.Tolerances...)
		r.Gradients, err = Compare(ctx, learnt, e.Fit.Block, few, SquaredError, e.Repeats, cases...)
	}
	return r, err
}

func (e Experiment) defaults() Experiment {
	if e.Points == 0 {
		e.Points = 1000
	}
	e.Net.Dim = e.System.Dim()
	if len(e.Net.Hidden) == 0 {
		e.Net.Hidden = []int{64, 64}
	}
	if e.Net.Activation == "" {
		e.Net.Activation = "gelu"
	}
	if e.Fit.Block.Solver.Method == nil {
		e.Fit.Block.Solver = ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5},
			MaxNFE: 100_000}
	}
	e.Fit.Block.Autonomous = true
	return e
}
