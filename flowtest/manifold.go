package flowtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"flowmatch/internal/seed"
	"flowmatch/manifold"
)

// TestManifold fails t unless m is a Riemannian manifold as [manifold.Manifold] wants it. At
// random points, around those of wrapped normal distributions about its origin,
//
//   - points and tangent vectors stay what they are under projection, and projections of
//     differences are tangent;
//   - Exp and Log are inverse to 1e-10, also of tiny vectors; lengths from both ends agree;
//   - geodesics have the velocity that they say, keep its length (isometry), and go on from
//     where they are;
//   - Pull is the derivative of Log, and keeps what is along a geodesic (the lemma of Gauss);
//   - LogVolume and LogJacobian are the determinants of Inner and of Pull, and Curvature is the
//     acceleration of projected lines;
//   - the densities of wrapped normal distributions integrate to one, and LogTotal is the
//     volume, within five standard errors of 4000 draws.
func TestManifold(t *testing.T, m manifold.Manifold) {
	t.Helper()
	if err := checkManifold(m); err != nil {
		t.Errorf("%s: %v", m, err)
	}
}

// space is what is checked, with its random draws.
type space struct {
	manifold.Manifold
	rng *rand.Rand
	law manifold.Normal
}

func checkManifold(m manifold.Manifold) error {
	if m.Dim() < 1 || m.Dim() > m.Ambient() {
		return fmt.Errorf("dimension %d in a space of %d", m.Dim(), m.Ambient())
	}
	s := space{Manifold: m, rng: seed.Rand(1, "flowtest/manifold", 0)}
	origin := s.vector()
	if m.Origin(origin); m.Check(origin) != nil {
		return fmt.Errorf("the origin: %w", m.Check(origin))
	}
	s.law = manifold.NewNormal(m, origin, 0.6)
	for range 20 {
		x, v, w := s.vector(), s.vector(), s.vector()
		s.law.Draw(x, s.rng)
		s.tangent(v, x, 0.7)
		s.tangent(w, x, 1)
		for _, law := range []func(x, v, w []float64) error{s.projections, s.inverse, s.geodesics, s.pulls, s.volumes,
			s.curvature} {
			if err := law(x, v, w); err != nil {
				return fmt.Errorf("at %.4g with velocity %.4g: %w", x, v, err)
			}
		}
	}
	return s.masses()
}

func (s space) vector() []float64 { return make([]float64, s.Ambient()) }

// tangent draws a normal tangent vector at x, no longer than three quarters of what half a turn is.
func (s space) tangent(v, x []float64, std float64) {
	dim := s.Ambient()
	e := make([]float64, s.Dim()*dim)
	manifold.MetricFrame(s, e, x)
	clear(v)
	for k := range s.Dim() {
		a := std * s.rng.NormFloat64()
		for i := range v {
			v[i] += a * e[k*dim+i]
		}
	}
	if n, most := manifold.Norm(s, x, v), 0.75*math.Pi; n > most {
		for i := range v {
			v[i] *= most / n
		}
	}
}

// differ reports numbers that are further apart than tol times the size of want, at least 1.
func differ(what string, got, want []float64, tol float64) error {
	size := 1.0
	for _, v := range want {
		size = max(size, math.Abs(v))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tol*size) {
			return fmt.Errorf("%s is %.12g, want %.12g", what, got, want)
		}
	}
	return nil
}

func number(what string, got, want, tol float64) error {
	return differ(what, []float64{got}, []float64{want}, tol)
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func minus(a, b []float64, by float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = (a[i] - b[i]) / by
	}
	return out
}

func (s space) projections(x, v, _ []float64) error {
	p, u := slices.Clone(x), slices.Clone(v)
	if err := s.Project(p); err != nil {
		return fmt.Errorf("method Project of a point: %w", err)
	}
	s.Tangent(u, x)
	if err := first(s.Check(x), differ("Project of a point", p, x, 1e-12),
		differ("Tangent of a tangent vector", u, v, 1e-12)); err != nil {
		return err
	}
	const h = 1e-5
	a, b := slices.Clone(x), slices.Clone(x)
	for i := range x {
		by := h * s.rng.NormFloat64()
		a[i], b[i] = a[i]+by, b[i]-by
	}
	if err := first(s.Project(a), s.Project(b)); err != nil {
		return fmt.Errorf("method Project of what is near: %w", err)
	}
	along := minus(a, b, 2*h)
	u = slices.Clone(along)
	s.Tangent(u, x)
	return differ("Tangent of a derivative of Project", u, along, 1e-7)
}

func (s space) inverse(x, v, _ []float64) error {
	y, back, again := s.vector(), s.vector(), s.vector()
	for _, c := range []float64{1, 1e-6, 1e-13, 0} {
		short := minus(v, s.vector(), 1)
		for i := range short {
			short[i] *= c
		}
		manifold.Exp(s, y, x, short)
		if err := s.Log(back, x, y); err != nil {
			return fmt.Errorf("method Log: %w", err)
		}
		manifold.Exp(s, again, x, back)
		if err := first(s.Check(y), differ("Log(Exp(v))", back, short, 1e-10),
			differ("Exp(Log(y))", again, y, 1e-10)); err != nil {
			return err
		}
	}
	manifold.Exp(s, y, x, v)
	there, err := manifold.Distance(s, x, y)
	if err != nil {
		return err
	}
	here, err := manifold.Distance(s, y, x)
	if err != nil {
		return err
	}
	return first(number("the distance to Exp(v)", there, manifold.Norm(s, x, v), 1e-10),
		number("the distance back", here, there, 1e-10))
}

func (s space) geodesics(x, v, _ []float64) error {
	const t, h = 0.6, 1e-5
	y, u, a, b := s.vector(), s.vector(), s.vector(), s.vector()
	s.Geodesic(y, u, x, v, t)
	s.Geodesic(a, nil, x, v, t+h)
	s.Geodesic(b, nil, x, v, t-h)
	tangent := slices.Clone(u)
	s.Tangent(tangent, y)
	if err := first(differ("the velocity of a geodesic", u, minus(a, b, 2*h), 1e-7),
		differ("its tangent part", tangent, u, 1e-10),
		number("the length of the velocity", manifold.Norm(s, y, u), manifold.Norm(s, x, v), 1e-10)); err != nil {
		return err
	}
	s.Geodesic(a, nil, y, u, 1-t)
	manifold.Exp(s, b, x, v)
	return differ("the end of a geodesic from its middle", a, b, 1e-10)
}

func (s space) pulls(x, v, w []float64) error {
	const h = 1e-5
	y, u, z, a, b := s.vector(), s.vector(), s.vector(), s.vector(), s.vector()
	s.Geodesic(y, u, x, v, 1)
	s.tangent(w, y, 0.5)
	for _, c := range []struct {
		to []float64
		by float64
	}{{a, h}, {b, -h}} {
		s.Geodesic(z, nil, y, w, c.by)
		if err := s.Log(c.to, x, z); err != nil {
			return fmt.Errorf("method Log: %w", err)
		}
	}
	pulled := slices.Clone(w)
	s.Pull(pulled, x, v)
	return first(differ("Pull", pulled, minus(a, b, 2*h), 1e-6),
		number("Pull along the geodesic", s.Inner(x, pulled, v), s.Inner(y, w, u), 1e-10))
}

func (s space) volumes(x, v, _ []float64) error {
	dim, d := s.Ambient(), s.Dim()
	e, g := make([]float64, d*dim), mat.NewDense(d, d, nil)
	manifold.Frame(s, e, x)
	row := func(f []float64, k int) []float64 { return f[k*dim : (k+1)*dim] }
	for i := range d {
		for j := range d {
			g.Set(i, j, s.Inner(x, row(e, i), row(e, j)))
		}
	}
	volume, _ := mat.LogDet(g)
	y, f := s.vector(), make([]float64, d*dim)
	manifold.Exp(s, y, x, v)
	manifold.MetricFrame(s, e, x)
	manifold.MetricFrame(s, f, y)
	for i := range d {
		w := slices.Clone(row(f, i))
		s.Pull(w, x, v)
		for j := range d {
			g.Set(i, j, s.Inner(x, w, row(e, j)))
		}
	}
	jacobian, _ := mat.LogDet(g)
	return first(number("LogVolume", s.LogVolume(x), volume/2, 1e-9),
		number("LogJacobian", s.LogJacobian(x, v), -jacobian, 1e-9))
}

func (s space) curvature(x, _, _ []float64) error {
	const h = 1e-4
	dim := s.Ambient()
	e, want := make([]float64, s.Dim()*dim), s.vector()
	manifold.Frame(s, e, x)
	for k := range s.Dim() {
		a, b, bend := slices.Clone(x), slices.Clone(x), s.vector()
		for i := range x {
			a[i], b[i] = a[i]+h*e[k*dim+i], b[i]-h*e[k*dim+i]
		}
		if err := first(s.Project(a), s.Project(b)); err != nil {
			return fmt.Errorf("method Project of what is near: %w", err)
		}
		for i := range x {
			bend[i] = (a[i] - x[i] - (x[i] - b[i])) / (h * h)
		}
		tangent := slices.Clone(bend)
		s.Tangent(tangent, x)
		for i := range want {
			want[i] += bend[i] - tangent[i]
		}
	}
	got := s.vector()
	s.Curvature(got, x)
	return differ("Curvature", got, want, 1e-6)
}

// masses integrates densities by draws of others.
func (s space) masses() error {
	at := s.vector()
	s.law.Draw(at, s.rng)
	narrow := manifold.NewNormal(s.Manifold, at, 0.4)
	wide := manifold.Mixture{Parts: []manifold.Law{manifold.NewNormal(s.Manifold, at, 0.6), s.law}}
	if err := s.mass(narrow, wide); err != nil {
		return err
	}
	if c, ok := manifold.CompactOf(s.Manifold); ok {
		return first(s.mass(narrow, manifold.Uniform{M: c}), s.mass(wide, manifold.Uniform{M: c}))
	}
	return nil
}

// mass is the mean of p/q over draws of q.
func (s space) mass(p, q manifold.Law) error {
	const n = 4000
	mean, square, x := 0.0, 0.0, s.vector()
	for range n {
		q.Draw(x, s.rng)
		r := math.Exp(p.LogDensity(x) - q.LogDensity(x))
		mean, square = mean+r/n, square+r*r/n
	}
	if se := math.Sqrt(math.Max(0, square-mean*mean) / n); !(math.Abs(mean-1) <= 5*se+1e-9) {
		return fmt.Errorf("the density integrates to %.4g, want 1 within five standard errors of %.2g", mean, se)
	}
	return nil
}
