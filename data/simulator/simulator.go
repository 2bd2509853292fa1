// Package simulator has the ten simulators of the benchmark of simulation-based inference
// (Lueckmann et al., arXiv 2101.04653; its Python package is sbibm): parameters θ have a
// prior, a simulator draws data x given θ, and inference asks for p(θ | x).
//
// There are only a few types. A [Simulator] is a prior with a way to draw x given θ:
// [Simulator.Prior], [Simulator.Simulate], and [Simulator.Draw] for both, where simulation
// number i is a pure function of the seed and i. [ByName] has the ten. A [Prior] is a
// [flow.Source], with the [Box] that it lies in. An [Observation] is one of the ten of each
// task whose posteriors are known, read from sbibm's files by [ReadObservation].
//
// # Beside sbibm
//
// The laws are those of sbibm 1.1.0; the random numbers are not. What sbibm drew once and
// keeps in files (the stimulus of bernoulli_glm, the law and the order of slcp_distractors)
// is drawn again here, the same, since it comes from NumPy's generator with seed 42. Numbers
// are float64, where sbibm's are float32.
//
// The equations of sir and lotka_volterra are solved by Tsit5 with tolerances of 1e-8, as
// sbibm's are, but for the logarithms of the populations, to within 1e-5 of them. With
// sbibm's absolute tolerance populations near 0 are less exact: of data drawn of the prior of
// lotka_volterra, some 3 in 1000 are then off by more than a hundredth, where the noise is
// a tenth.
//
// # Caveats
//
// sbibm returns rows of NaN where the equations could not be solved. So does [Simulator.Simulate],
// with an error that says which rows and why: the caller decides whether to go on without them.
package simulator

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
)

// Simulator draws data x [Dim of Data] given parameters θ [Dim of Params] of a prior. Those
// of another module are made by filling in the fields. It is safe for concurrent use.
type Simulator struct {
	Name string
	// Params and Data are the names of the numbers of θ and of x, one each.
	Params, Data []string
	Prior        Prior
	// One draws one x given one θ, both of finite numbers. It must not write to theta, nor
	// keep either slice, and be safe for concurrent use.
	One func(x, theta []float64, rng *rand.Rand) error
}

// Simulate fills row i of x [N, len(s.Data)] with data drawn given row i of theta
// [N, len(s.Params)].
//
// Where a simulation fails, or θ has a NaN or an Inf, the row is all NaN, the others are
// drawn all the same, and the error is an [*ode.PointsError], whose points are the rows.
// Other errors are shapes that do not fit; x is then as it was.
func (s *Simulator) Simulate(x, theta flow.Batch, rng *rand.Rand) error {
	if err := s.check(x, theta); err != nil {
		return err
	}
	return s.rows(x, theta, func(int) *rand.Rand { return rng })
}

// Draw fills theta [N, len(s.Params)] with draws of the prior, and x [N, len(s.Data)] with
// data given them: row i is simulation number first+i, which is a pure function of the seed
// and that number, however simulations are cut into batches. Errors are those of Simulate.
func (s *Simulator) Draw(theta, x flow.Batch, seedValue, first uint64) error {
	if err := s.check(x, theta); err != nil {
		return err
	}
	return s.rows(x, theta, func(i int) *rand.Rand {
		rng := seed.Rand(seedValue, "simulator "+s.Name, first+uint64(i))
		s.Prior.Sample(theta.Slice(i, i+1), rng)
		return rng
	})
}

// rows simulates row by row, with the generator that at returns for each.
func (s *Simulator) rows(x, theta flow.Batch, at func(i int) *rand.Rand) error {
	var failed ode.PointsError
	for i := range theta.N {
		rng := at(i)
		to, from := x.Row(i), theta.Row(i)
		err := finite(s.Params, from)
		if err == nil {
			err = s.One(to, from, rng)
		}
		if err != nil {
			for k := range to {
				to[k] = math.NaN()
			}
			err = fmt.Errorf("simulator %s: %w", s.Name, err)
			failed.Append(ode.PointsError{Points: []int{0}, Errs: []error{err}}, i)
		}
	}
	return failed.Err()
}

// check reports shapes that do not fit.
func (s *Simulator) check(x, theta flow.Batch) error {
	for _, b := range []struct {
		what string
		flow.Batch
		d int
	}{{"parameters", theta, len(s.Params)}, {"data", x, len(s.Data)}} {
		switch {
		case b.D != b.d:
			return fmt.Errorf("simulator %s: points of %d %s; it has %d", s.Name, b.D, b.what, b.d)
		case b.N < 0 || len(b.X) != b.N*b.D:
			return fmt.Errorf("simulator %s: %d numbers are not %d points of %d %s", s.Name, len(b.X), b.N, b.D, b.what)
		}
	}
	if x.N != theta.N {
		return fmt.Errorf("simulator %s: room for %d simulations of %d rows of parameters", s.Name, x.N, theta.N)
	}
	return nil
}

// finite reports the first of the numbers that is NaN or infinite.
func finite(names []string, v []float64) error {
	for i, a := range v {
		if a-a != 0 {
			return fmt.Errorf("%s is %g; it must be a finite number", names[i], a)
		}
	}
	return nil
}
