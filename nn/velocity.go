package nn

import (
	"errors"
	"fmt"
	"sync"

	"flowmatch/flow"
)

// Velocity is a network as a velocity field f_θ(x, t | given): what [Net.Bind] returns.
// Every network has the products of its Jacobians with a vector, and is safe for
// concurrent use. One that can carry tangents forward, as perceptrons can, is a
// [flow.Diverger] too: its exact divergence takes one pass forward, or for large D a few,
// rather than D passes back.
//
// Its VJPAug is that of a log-likelihood through a solver. Only a [flow.Diverger] has it
// for the exact divergence, and GoMLX has no second derivatives of networks of images.
type Velocity interface {
	flow.Differentiable
	flow.Parametric
}

// velocity is a network with what it is given at the points.
type velocity struct {
	net   *Net
	given flow.Given
	ts    []float64 // of each point; nil: that of the evaluation

	once  sync.Once // embeds the contexts, at the first evaluation that needs it
	embed flow.Given
	fault error
}

// forwardVelocity is a velocity whose network carries tangents forward.
type forwardVelocity struct{ *velocity }

var (
	_ Velocity      = (*velocity)(nil)
	_ Velocity      = forwardVelocity{}
	_ flow.Diverger = forwardVelocity{}
	_ flow.Timed    = (*velocity)(nil)
	_ flow.Timed    = forwardVelocity{}
)

// Bind returns the velocity field of n for points with these labels, contexts and shown coordinates: one
// entry of each for all points, or one for each point, of a network that has them. It
// keeps all, which must not change afterwards. The error is [flow.ErrLabels],
// [flow.ErrContext] or [flow.ErrShown] where they do not fit the network; if they do not fit the
// points, evaluating the field returns it.
func (n *Net) Bind(g flow.Given) (Velocity, error) {
	if err := n.made(); err != nil {
		return nil, err
	}
	f, err := n.bind(g)
	if err != nil {
		return nil, err
	}
	if n.arch.hasTangents() {
		return forwardVelocity{f}, nil
	}
	return f, nil
}

func (n *Net) bind(g flow.Given) (*velocity, error) {
	if err := n.arch.cfg.checkGiven(g, max(1, len(g.Label), g.Context.N, g.Shown.N)); err != nil {
		return nil, err
	}
	return &velocity{net: n, given: g}, nil
}

// AtTimes implements [flow.Timed].
func (f *velocity) AtTimes(rows []int, ts []float64) (flow.Field, error) {
	if f == nil || f.net == nil {
		return nil, errNoField
	}
	if len(rows) != len(ts) {
		return nil, fmt.Errorf("nn: %d times of %d points", len(ts), len(rows))
	}
	g := &velocity{net: f.net, given: f.given.Rows(rows), ts: ts}
	if f.net.progs.embed != nil {
		all, err := f.embedded()
		g.once.Do(func() { g.embed, g.fault = all.Rows(rows), err })
	}
	return g, nil
}

// AtTimes implements [flow.Timed].
func (f forwardVelocity) AtTimes(rows []int, ts []float64) (flow.Field, error) {
	v, err := f.velocity.AtTimes(rows, ts)
	if err != nil {
		return nil, err
	}
	return forwardVelocity{v.(*velocity)}, nil
}

var errNoField = errors.New("nn: the field is nil or empty; make one by Net.Bind or Net.BindAverage")

// programs returns those of the network; an error for a field that Bind did not make.
func (f *velocity) programs() (*programs, error) {
	if f == nil || f.net == nil {
		return nil, errNoField
	}
	return f.net.progs, nil
}

// Dim returns D.
func (f *velocity) Dim() int {
	if f == nil {
		return 0
	}
	return f.net.Config().Dim
}

// NumParams returns P, the number of weights.
func (f *velocity) NumParams() int {
	if f == nil {
		return 0
	}
	return f.net.NumWeights()
}

// Velocity writes f(x, t) into v; see [flow.Field].
func (f *velocity) Velocity(v []float64, t float64, x []float64) error {
	progs, err := f.programs()
	if err != nil {
		return err
	}
	d := f.Dim()
	return f.evaluate(progs.solve.velocity, 0, t, x, nil, func(out *frame, i, j int) {
		out.read(v[i*d:j*d], 0)
	})
}

// VJP writes f into v and eᵀ ∂f/∂x into g; see [flow.Differentiable].
func (f *velocity) VJP(v, g []float64, t float64, x, e []float64) error {
	progs, err := f.programs()
	if err != nil {
		return err
	}
	d := f.Dim()
	fill := func(in *frame, at, i, j int) { in.set(at, e[i*d:j*d]) }
	return f.evaluate(progs.solve.vjp, 0, t, x, fill, func(out *frame, i, j int) {
		out.read(v[i*d:j*d], 0)
		out.read(g[i*d:j*d], 1)
	})
}

// VelocityDiv writes f into v and the exact divergence into div; see [flow.Diverger].
// The Jacobian's diagonal is carried forward through the layers, a block of basis vectors
// at a time, so any D fits in memory.
func (f forwardVelocity) VelocityDiv(v, div []float64, t float64, x []float64) error {
	progs, err := f.programs()
	if err != nil {
		return err
	}
	d := f.Dim()
	clear(div)
	return eachBasis(d, len(x)/d, func(basis []float64, k int) error {
		fill := func(in *frame, at, _, _ int) { in.set(at, basis) }
		return f.evaluate(progs.solve.div, k, t, x, fill, func(out *frame, i, j int) {
			out.read(v[i*d:j*d], 0)
			out.add(div[i:j], 1)
		})
	})
}

// VJPParams writes f into v unless that is nil, and adds aᵀ ∂f/∂x to gx and aᵀ ∂f/∂θ to
// gtheta; see [flow.Parametric].
func (f *velocity) VJPParams(v, gx, gtheta []float64, t float64, x, a []float64) error {
	progs, err := f.programs()
	if err != nil {
		return err
	}
	if f.net.layout.halves {
		return errHalves
	}
	d := f.Dim()
	fill := func(in *frame, at, i, j int) { in.set(at, a[i*d:j*d]) }
	return f.evaluate(progs.vjpTheta, 0, t, x, fill, func(out *frame, i, j int) {
		if v != nil {
			out.read(v[i*d:j*d], 0)
		}
		out.add(gx[i*d:j*d], 1)
		out.add(gtheta, 2)
	})
}

// VJPAug adds to gx and gtheta the gradient of the terms that a weighs; see
// [flow.Parametric]. The terms of Kinetic and Jacobian cost something only where one of
// them is given.
func (f *velocity) VJPAug(gx, gtheta []float64, t float64, x []float64, a flow.Adjoint) error {
	progs, err := f.programs()
	if err != nil {
		return err
	}
	if f.net.layout.halves {
		return errHalves
	}
	d := f.Dim()
	add := func(out *frame, i, j int) {
		out.add(gx[i*d:j*d], 0)
		out.add(gtheta, 1)
	}
	probe, exact := progs.augProbe, progs.augExact
	regularised := a.Kinetic != nil || a.Jacobian != nil
	if regularised {
		probe, exact = progs.regProbe, progs.regExact
	}
	fill := func(a flow.Adjoint, basis []float64) func(in *frame, at, i, j int) {
		return func(in *frame, at, i, j int) {
			in.set(at, a.Velocity[i*d:j*d])
			in.set(at+1, a.Div[i:j])
			if a.Probe != nil {
				in.set(at+2, a.Probe[i*d:j*d])
			} else {
				in.set(at+2, basis)
			}
			if regularised {
				k, l := a.Kinetic, a.Jacobian
				in.set(at+3, k[min(i, len(k)):min(j, len(k))])
				in.set(at+4, l[min(i, len(l)):min(j, len(l))])
			}
		}
	}
	if a.Probe != nil {
		return f.evaluate(probe, 0, t, x, fill(a, nil), add)
	}
	if !f.net.arch.hasTangents() {
		return errNoExactDivergence
	}
	first := true
	return eachBasis(d, len(a.Div), func(basis []float64, tangents int) error {
		each := a
		if !first { // the terms of f alone are counted once
			each.Velocity, each.Kinetic = make([]float64, len(a.Velocity)), nil
		}
		first = false
		return f.evaluate(exact, tangents, t, x, fill(each, basis), add)
	})
}

var errNoExactDivergence = errors.New(
	"nn: this network has no exact divergence to go back through; use Hutchinson's estimate")

// tangentRows bounds N·K, the rows of the tangents of an exact divergence.
const tangentRows = 16384

// eachBasis calls fn with the standard basis of R^d, cut into blocks of k
// vectors [k, d] such that n·k stays within tangentRows.
func eachBasis(d, n int, fn func(basis []float64, k int) error) error {
	most := min(d, max(1, tangentRows/max(1, min(n, 1024))))
	for from := 0; from < d; from += most {
		k := min(most, d-from)
		basis := make([]float64, k*d)
		for i := range k {
			basis[i*d+from+i] = 1
		}
		if err := fn(basis, k); err != nil {
			return err
		}
	}
	return nil
}

// embedded returns what is given, with the contexts embedded: once for all evaluations.
func (f *velocity) embedded() (flow.Given, error) {
	f.once.Do(func() {
		theta, err := f.net.weights()
		if err != nil {
			f.fault = err
			return
		}
		n, d, e := f.given.Context.N, f.given.Context.D, f.net.arch.embedded()
		f.embed = flow.Given{Label: f.given.Label, Context: flow.NewBatch(n, e), Shown: f.given.Shown}
		f.fault = f.net.blocks().run(f.net.progs.embed, n, 0, func(in *frame, i, j int) {
			in.give(0, theta)
			in.set(1, f.given.Context.X[i*d:j*d])
		}, func(out *frame, i, j int) { out.read(f.embed.Context.X[i*e:j*e], 0) })
	})
	return f.embed, f.fault
}

// evaluate runs a program over the points of x, a block at a time. rest sets the inputs
// from number at on, which come after those that all programs have, for points i to j;
// take reads the results, whose first rows are those of points i to j.
func (f *velocity) evaluate(p *program, tangents int, t float64, x []float64,
	rest func(in *frame, at, i, j int), take func(out *frame, i, j int)) (err error) {
	defer rescue(&err, p.name)
	d := f.Dim()
	n := len(x) / d
	if len(x) != n*d {
		return fmt.Errorf("nn: %d coordinates are no whole number of points of dimension %d", len(x), d)
	}
	if err := f.net.arch.cfg.checkGiven(f.given, n); err != nil {
		return err
	}
	theta, err := f.net.weights()
	if err != nil {
		return err
	}
	cfg, given := f.net.arch.cfg, f.given
	if p.embedded {
		cfg.Context = f.net.arch.embedded()
		if given, err = f.embedded(); err != nil {
			return err
		}
	}
	if f.ts != nil && len(f.ts) != n {
		return fmt.Errorf("nn: %d points, of which %d have a time", n, len(f.ts))
	}
	return f.net.blocks().run(p, n, tangents, func(in *frame, i, j int) {
		in.give(0, theta)
		in.set(1, x[i*d:j*d])
		ts := in.floats(2)
		for k := range ts {
			ts[k] = float32(t)
		}
		if f.ts != nil {
			for k, t := range f.ts[i:j] {
				ts[k] = float32(t)
			}
		}
		at := cfg.setGiven(in, headInputs, given.Slice(i, j))
		if rest != nil {
			rest(in, at, i, j)
		}
	}, take)
}
