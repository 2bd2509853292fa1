package manifold

import (
	"errors"
	"fmt"

	"flowmatch/flow"
)

// Field keeps a velocity field F on R^D tangent to M: it is the projection of F at the nearest
// point of M. Its divergence is that of M with the volume that the space around gives it, the sum
// over d orthogonal tangent directions e
//
//	Σ eᵀ (∂F/∂x) e + H·F
//
// with H the mean curvature vector, from d vector-Jacobian products of F. It has the divergence
// of [flow.Diverger] and the estimate of [flow.Prober], where F is [flow.Differentiable].
type Field struct {
	M Manifold
	F flow.Field
}

// ErrNoJacobian is returned where a divergence is asked for of a field F that has no
// vector-Jacobian products.
var ErrNoJacobian = errors.New("manifold: the divergence on a manifold needs vector-Jacobian products " +
	"(flow.Differentiable)")

// Dim returns D.
func (f Field) Dim() int { return f.M.Ambient() }

// at returns the points of M that are nearest to x.
func (f Field) at(x []float64) ([]float64, error) {
	z, d := append([]float64(nil), x...), f.M.Ambient()
	for i := 0; i+d <= len(z); i += d {
		if err := f.M.Project(z[i : i+d]); err != nil {
			return nil, fmt.Errorf("point %d: %w", i/d, err)
		}
	}
	return z, nil
}

// tangent projects v at z.
func (f Field) tangent(v, z []float64) {
	d := f.M.Ambient()
	for i := 0; i+d <= len(z); i += d {
		f.M.Tangent(v[i:i+d], z[i:i+d])
	}
}

// Velocity implements [flow.Field].
func (f Field) Velocity(v []float64, t float64, x []float64) error {
	z, err := f.at(x)
	if err != nil {
		return err
	}
	if err := f.F.Velocity(v, t, z); err != nil {
		return err
	}
	f.tangent(v, z)
	return nil
}

// VelocityDiv implements [flow.Diverger].
func (f Field) VelocityDiv(v, div []float64, t float64, x []float64) error {
	z, err := f.at(x)
	if err != nil {
		return err
	}
	dim, d := f.M.Ambient(), f.M.Dim()
	frames := make([]float64, len(div)*d*dim)
	for i := range div {
		Frame(f.M, frames[i*d*dim:(i+1)*d*dim], z[i*dim:(i+1)*dim])
	}
	e := make([]float64, len(z))
	clear(div)
	for k := range d {
		for i := range div {
			copy(e[i*dim:(i+1)*dim], frames[(i*d+k)*dim:])
		}
		if err := f.add(v, div, t, z, e); err != nil {
			return err
		}
	}
	f.bend(v, div, z)
	return nil
}

// VelocityProbe implements [flow.Prober]: with the projections of the probes.
func (f Field) VelocityProbe(v, div []float64, t float64, x, e []float64) error {
	z, err := f.at(x)
	if err != nil {
		return err
	}
	along := append([]float64(nil), e...)
	f.tangent(along, z)
	clear(div)
	if err := f.add(v, div, t, z, along); err != nil {
		return err
	}
	f.bend(v, div, z)
	return nil
}

// add writes F into v and adds eᵀ (∂F/∂x) e to div.
func (f Field) add(v, div []float64, t float64, z, e []float64) error {
	df, ok := f.F.(flow.Differentiable)
	if !ok {
		return ErrNoJacobian
	}
	g, dim := make([]float64, len(z)), f.M.Ambient()
	if err := df.VJP(v, g, t, z, e); err != nil {
		return err
	}
	for i := range div {
		div[i] += dot(g[i*dim:(i+1)*dim], e[i*dim:(i+1)*dim])
	}
	return nil
}

// bend adds H·F to div, and projects F in v.
func (f Field) bend(v, div, z []float64) {
	dim := f.M.Ambient()
	h := make([]float64, dim)
	for i := range div {
		f.M.Curvature(h, z[i*dim:(i+1)*dim])
		div[i] += dot(h, v[i*dim:(i+1)*dim])
	}
	f.tangent(v, z)
}

// AtTimes implements [flow.Timed].
func (f Field) AtTimes(rows []int, ts []float64) (flow.Field, error) {
	at, err := flow.AtTimes(f.F, rows, ts)
	return Field{f.M, at}, err
}

// Steps is a manifold as a solver needs it, for points one after the other: it is an
// ode.Space.
type Steps struct{ M Manifold }

// Move writes the points that steps xi lead to from x along geodesics into y.
func (s Steps) Move(y, x, xi []float64) error {
	d := s.M.Ambient()
	for i := 0; i+d <= len(x); i += d {
		s.M.Geodesic(y[i:i+d], nil, x[i:i+d], xi[i:i+d], 1)
	}
	return nil
}

// Pull turns velocities v at the ends of steps xi from x into those of the steps, in place.
func (s Steps) Pull(v, x, xi []float64) {
	d := s.M.Ambient()
	for i := 0; i+d <= len(x); i += d {
		s.M.Pull(v[i:i+d], x[i:i+d], xi[i:i+d])
	}
}

// Project moves points to those of the manifold that are nearest, in place.
func (s Steps) Project(x []float64) error {
	d := s.M.Ambient()
	for i := 0; i+d <= len(x); i += d {
		if err := s.M.Project(x[i : i+d]); err != nil {
			return err
		}
	}
	return nil
}
