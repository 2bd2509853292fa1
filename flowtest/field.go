package flowtest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// FieldOptions says where and how closely [TestField] looks. The zero value is
// right for an analytic float64 field on [0,1].
type FieldOptions struct {
	Lo, Hi float64 // times, ends included; both zero means [0,1]
	Scale  float64 // standard deviation of the points; zero means 1
	Step   float64 // of the finite differences, in units of x; zero means 1e-5
	// Tol is the error allowed, relative to the size of the numbers compared;
	// zero means 1e-6. A float32 network wants about 1e-2 with a Step of 1e-2.
	Tol  float64
	Seed uint64
}

func (o FieldOptions) withDefaults() FieldOptions {
	if o.Lo == 0 && o.Hi == 0 {
		o.Hi = 1
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.Step == 0 {
		o.Step = 1e-5
	}
	if o.Tol == 0 {
		o.Tol = 1e-6
	}
	return o
}

// TestField fails t unless f is a velocity field as [flow.Field] promises: it
// answers for any N (0 and 1 too), a point's velocity does not depend on the
// points beside it, x is left alone, nothing is NaN or infinite, and concurrent
// calls give the same bits. If f is [flow.Differentiable] or a [flow.Diverger],
// the Jacobian and the divergence are compared with central differences and
// with each other; what a [flow.Parametric] field says of x is compared with its
// VJP, and that it adds to what it is given; a [flow.Timed] one is compared with itself,
// a time after the other.
func TestField(t *testing.T, f flow.Field, o FieldOptions) {
	t.Helper()
	if err := checkField(f, o); err != nil {
		t.Error(err)
	}
}

func checkField(f flow.Field, o FieldOptions) error {
	o = o.withDefaults()
	if f.Dim() < 1 {
		return fmt.Errorf("Dim() = %d, want at least 1", f.Dim())
	}
	var errs []error
	for i := range 5 {
		t := o.Lo + (o.Hi-o.Lo)*float64(i)/4
		if i == 4 {
			t = o.Hi
		}
		p := probe{f: f, o: o, t: t, n: 5, rng: seed.Rand(o.Seed, "flowtest field", uint64(i))}
		p.x = p.normals(p.n*f.Dim(), o.Scale)
		for _, check := range []func() error{
			p.shape, p.rows, p.concurrent, p.vjp, p.divergence, p.parametric, p.timed,
		} {
			if err := check(); err != nil {
				errs = append(errs, fmt.Errorf("t = %g, seed %d: %w", t, o.Seed, err))
				break // what follows builds on it: a field that writes to x would race with itself
			}
		}
	}
	return errors.Join(errs...)
}

// probe is one time at which a field is examined, on n points x.
type probe struct {
	f   flow.Field
	o   FieldOptions
	t   float64
	n   int
	x   []float64
	rng *rand.Rand
}

func (p probe) normals(n int, std float64) []float64 {
	x := make([]float64, n)
	flow.Gaussian{Std: std}.Sample(flow.Batch{N: 1, D: n, X: x}, p.rng)
	return x
}

func (p probe) velocity(x []float64) ([]float64, error) {
	v := make([]float64, len(x))
	for i := range v {
		v[i] = math.NaN() // so that an element never written shows
	}
	err := p.f.Velocity(v, p.t, x)
	return v, err
}

func (p probe) shape() error {
	if err := p.f.Velocity(nil, p.t, nil); err != nil {
		return fmt.Errorf("Velocity of no points: %w", err)
	}
	before := append([]float64(nil), p.x...)
	v, err := p.velocity(p.x)
	if err != nil {
		return fmt.Errorf("Velocity: %w", err)
	}
	for i := range v {
		if math.IsNaN(v[i]) || math.IsInf(v[i], 0) {
			return fmt.Errorf("Velocity: element %d is %g", i, v[i])
		}
		if p.x[i] != before[i] {
			return fmt.Errorf("Velocity changed x: element %d was %g, is %g", i, before[i], p.x[i])
		}
	}
	return nil
}

func (p probe) rows() error {
	all, err := p.velocity(p.x)
	if err != nil {
		return err
	}
	d := p.f.Dim()
	for i := range p.n {
		alone, err := p.velocity(p.x[i*d : (i+1)*d])
		if err != nil {
			return fmt.Errorf("Velocity of one point: %w", err)
		}
		if err := near("point alone beside point in a batch", alone, all[i*d:(i+1)*d], p.o.Tol); err != nil {
			return err
		}
	}
	return nil
}

func (p probe) concurrent() error {
	want, err := p.velocity(p.x)
	if err != nil {
		return err
	}
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			got, err := p.velocity(p.x)
			errs[i] = err
			for k := range got {
				if got[k] != want[k] {
					errs[i] = fmt.Errorf("concurrent Velocity: element %d is %g, alone it was %g", k, got[k], want[k])
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sameVelocity checks that v, which a method of another name wrote, is what Velocity
// writes; it returns the latter.
func (p probe) sameVelocity(by string, v []float64) ([]float64, error) {
	plain, err := p.velocity(p.x)
	if err != nil {
		return nil, err
	}
	return plain, near("velocity of "+by+" beside Velocity", v, plain, p.o.Tol)
}

// vjp compares g = eᵀ J with eᵀ (v(x + h e_d) − v(x − h e_d))/2h for coordinate
// directions d, or for random ones where there are more than 16.
func (p probe) vjp() error {
	f, ok := p.f.(flow.Differentiable)
	if !ok {
		return nil
	}
	d := f.Dim()
	e := p.normals(len(p.x), 1)
	v, g := make([]float64, len(p.x)), make([]float64, len(p.x))
	if err := f.VJP(v, g, p.t, p.x, e); err != nil {
		return fmt.Errorf("VJP: %w", err)
	}
	plain, err := p.sameVelocity("VJP", v)
	if err != nil {
		return err
	}
	for k := range min(d, 16) {
		dir := make([]float64, len(p.x))
		for i := range p.n {
			if d <= 16 {
				dir[i*d+k] = 1
			} else {
				copy(dir[i*d:(i+1)*d], p.normals(d, 1/math.Sqrt(float64(d))))
			}
		}
		dv, err := p.along(dir)
		if err != nil {
			return err
		}
		got, want := make([]float64, p.n), make([]float64, p.n)
		for i := range got {
			got[i] = dot(g[i*d:(i+1)*d], dir[i*d:(i+1)*d])
			want[i] = dot(e[i*d:(i+1)*d], dv[i*d:(i+1)*d])
		}
		what := fmt.Sprintf("VJP beside finite differences, direction %d", k)
		if err := near(what, got, want, p.tol(plain)); err != nil {
			return err
		}
	}
	return nil
}

// along is the directional derivative ∂v/∂x·dir by central differences.
func (p probe) along(dir []float64) ([]float64, error) {
	up, down := make([]float64, len(p.x)), make([]float64, len(p.x))
	for i, x := range p.x {
		up[i], down[i] = x+p.o.Step*dir[i], x-p.o.Step*dir[i]
	}
	v1, err := p.velocity(up)
	if err != nil {
		return nil, err
	}
	v0, err := p.velocity(down)
	for i := range v1 {
		v1[i] = (v1[i] - v0[i]) / (2 * p.o.Step)
	}
	return v1, err
}

// tol adds to Tol what a difference quotient loses to rounding in v.
func (p probe) tol(v []float64) float64 {
	return p.o.Tol + 1e-15*largest(v)/p.o.Step
}

// divergence compares ∇·v with the trace of a numeric Jacobian.
func (p probe) divergence() error {
	f, ok := p.f.(flow.Diverger)
	if !ok {
		return nil
	}
	d := f.Dim()
	v, div := make([]float64, len(p.x)), make([]float64, p.n)
	if err := f.VelocityDiv(v, div, p.t, p.x); err != nil {
		return fmt.Errorf("VelocityDiv: %w", err)
	}
	plain, err := p.sameVelocity("VelocityDiv", v)
	if err != nil {
		return err
	}
	want := make([]float64, p.n)
	for k := range d {
		dir := make([]float64, len(p.x))
		for i := range p.n {
			dir[i*d+k] = 1
		}
		dv, err := p.along(dir)
		if err != nil {
			return err
		}
		for i := range want {
			want[i] += dv[i*d+k]
		}
	}
	return near("divergence beside finite differences", div, want, p.tol(plain)*math.Sqrt(float64(d)))
}

// near compares relative to the largest number in want, or to 1 where all are small.
func near(what string, got, want []float64, rel float64) error {
	tol := rel * max(1, largest(want))
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tol) {
			return fmt.Errorf("%s: element %d: got %.12g, want %.12g, tolerance %g", what, i, got[i], want[i], tol)
		}
	}
	return nil
}

func largest(x []float64) float64 {
	m := 0.0
	for _, v := range x {
		m = max(m, math.Abs(v))
	}
	return m
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i, v := range a {
		s += v * b[i]
	}
	return s
}
