package manifold

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Product is the product of manifolds: a point is a point of each in turn, and the metric the
// sum of theirs.
type Product []Manifold

// String implements [Manifold], as the other methods do.
func (m Product) String() string {
	names := make([]string, len(m))
	for i, f := range m {
		names[i] = f.String()
	}
	return "product of " + strings.Join(names, ", ")
}

// Ambient returns the sum of those of the factors.
func (m Product) Ambient() (dim int) {
	for _, f := range m {
		dim += f.Ambient()
	}
	return dim
}

// Dim returns the sum of those of the factors.
func (m Product) Dim() (dim int) {
	for _, f := range m {
		dim += f.Dim()
	}
	return dim
}

// each calls fn with each factor and where its numbers are.
func (m Product) each(fn func(i int, f Manifold, lo, hi int)) {
	lo := 0
	for i, f := range m {
		fn(i, f, lo, lo+f.Ambient())
		lo += f.Ambient()
	}
}

// try is each with an error, which it says the factor of.
func (m Product) try(fn func(f Manifold, lo, hi int) error) (err error) {
	m.each(func(i int, f Manifold, lo, hi int) {
		if err != nil {
			return
		}
		if err = fn(f, lo, hi); err != nil {
			err = fmt.Errorf("factor %d: %w", i+1, err)
		}
	})
	return err
}

// sum adds up a figure of the factors.
func (m Product) sum(fn func(f Manifold, lo, hi int) float64) (sum float64) {
	m.each(func(_ int, f Manifold, lo, hi int) { sum += fn(f, lo, hi) })
	return sum
}

// Origin is that of each factor.
func (m Product) Origin(x []float64) {
	m.each(func(_ int, f Manifold, lo, hi int) { f.Origin(x[lo:hi]) })
}

// Check names the factor at fault.
func (m Product) Check(x []float64) error {
	return m.try(func(f Manifold, lo, hi int) error { return f.Check(x[lo:hi]) })
}

// Project projects to each factor.
func (m Product) Project(x []float64) error {
	return m.try(func(f Manifold, lo, hi int) error { return f.Project(x[lo:hi]) })
}

// Tangent projects in each factor.
func (m Product) Tangent(v, x []float64) {
	m.each(func(_ int, f Manifold, lo, hi int) { f.Tangent(v[lo:hi], x[lo:hi]) })
}

// Geodesic is one of each factor.
func (m Product) Geodesic(y, u, x, v []float64, t float64) {
	m.each(func(_ int, f Manifold, lo, hi int) {
		var to []float64
		if u != nil {
			to = u[lo:hi]
		}
		f.Geodesic(y[lo:hi], to, x[lo:hi], v[lo:hi], t)
	})
}

// Log is that of each factor.
func (m Product) Log(v, x, y []float64) error {
	return m.try(func(f Manifold, lo, hi int) error { return f.Log(v[lo:hi], x[lo:hi], y[lo:hi]) })
}

// Pull is that of each factor.
func (m Product) Pull(w, x, v []float64) {
	m.each(func(_ int, f Manifold, lo, hi int) { f.Pull(w[lo:hi], x[lo:hi], v[lo:hi]) })
}

// Inner is the sum over the factors.
func (m Product) Inner(x, u, v []float64) float64 {
	return m.sum(func(f Manifold, lo, hi int) float64 { return f.Inner(x[lo:hi], u[lo:hi], v[lo:hi]) })
}

// LogVolume is the sum over the factors.
func (m Product) LogVolume(x []float64) float64 {
	return m.sum(func(f Manifold, lo, hi int) float64 { return f.LogVolume(x[lo:hi]) })
}

// Curvature is that of each factor.
func (m Product) Curvature(h, x []float64) {
	m.each(func(_ int, f Manifold, lo, hi int) { f.Curvature(h[lo:hi], x[lo:hi]) })
}

// LogJacobian is the sum over the factors.
func (m Product) LogJacobian(x, v []float64) float64 {
	return m.sum(func(f Manifold, lo, hi int) float64 { return f.LogJacobian(x[lo:hi], v[lo:hi]) })
}

// Inside is the product over the factors.
func (m Product) Inside(std float64) float64 {
	p := 1.0
	for _, f := range m {
		p *= f.Inside(std)
	}
	return p
}

// compact is a product of compact manifolds, which is one.
type compact struct{ Product }

// CompactOf returns m as a [Compact], or false: a product is one if its factors are.
func CompactOf(m Manifold) (Compact, bool) {
	p, ok := m.(Product)
	if !ok {
		c, ok := m.(Compact)
		return c, ok
	}
	for _, f := range p {
		if _, ok := CompactOf(f); !ok {
			return nil, false
		}
	}
	return compact{p}, true
}

// Uniform draws in each factor.
func (m compact) Uniform(x []float64, rng *rand.Rand) {
	m.each(func(_ int, f Manifold, lo, hi int) {
		c, _ := CompactOf(f)
		c.Uniform(x[lo:hi], rng)
	})
}

// LogTotal is the sum over the factors.
func (m compact) LogTotal() float64 {
	return m.sum(func(f Manifold, _, _ int) float64 {
		c, _ := CompactOf(f)
		return c.LogTotal()
	})
}
