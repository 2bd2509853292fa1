package field

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"flowmatch/flow"
	"flowmatch/path"
)

// Component is one Gaussian of a [Mixture]: N(Mean, S) with probability Weight.
type Component struct {
	Weight float64   // π_k > 0; the weights of a mixture sum to 1
	Mean   []float64 // m_k, [D]
	Cov    []float64 // S_k, [D, D] row-major, symmetric positive definite; nil for Std² I
	Std    float64   // used without Cov, > 0
}

// Mixture is the exact field and density of a Gaussian mixture pushed along a
// schedule, from x_1 ~ Σ_k π_k N(m_k, S_k) and x_0 ~ N(0, I):
//
//	p_t = Σ_k π_k N(α m_k, C_k),   C_k = α² S_k + σ² I
//	u_t = Σ_k r_k u_k,   u_k(x) = α̇ m_k + ½ Ċ_k C_k⁻¹ (x − α m_k)
//
// with r_k(x) the probability of component k given x, and ½Ċ_k = αα̇ S_k + σσ̇ I,
// which commutes with C_k. Each S_k is diagonalised once, so every time costs the
// same. Nothing is singular at σ = 0. Make one with [NewMixture]. Safe for
// concurrent use.
type Mixture struct {
	s    path.Scheduler
	d    int
	comp []gaussian
}

// gaussian is a component with S = Q diag(lambda) Qᵀ; Q is nil for I.
type gaussian struct {
	logw, weight float64
	mean, lambda []float64
	q            []float64
}

// NewMixture returns the field of the mixture along s. It copies the components.
// The error names the component at fault: a weight that is not positive, weights
// that do not sum to one (within 1e-9), a wrong length, an S that is not
// symmetric or not positive definite.
func NewMixture(s path.Scheduler, components ...Component) (*Mixture, error) {
	if len(components) == 0 || len(components[0].Mean) == 0 {
		return nil, fmt.Errorf("field: a mixture needs at least one component, with a mean of at least one coordinate")
	}
	m := &Mixture{s: s, d: len(components[0].Mean)}
	total := 0.0
	for k, c := range components {
		g, err := newGaussian(c, m.d)
		if err != nil {
			return nil, fmt.Errorf("field: mixture component %d: %w", k, err)
		}
		m.comp = append(m.comp, g)
		total += c.Weight
	}
	if math.Abs(total-1) > 1e-9 {
		return nil, fmt.Errorf(
			"field: the weights of the mixture's %d components sum to %g, want 1: divide each by the sum",
			len(components), total)
	}
	return m, nil
}

func newGaussian(c Component, d int) (gaussian, error) {
	g := gaussian{logw: math.Log(c.Weight), weight: c.Weight, mean: append([]float64(nil), c.Mean...)}
	if !(c.Weight > 0 && c.Weight <= 1+1e-9) {
		return g, fmt.Errorf("weight %g: want a number in (0, 1]", c.Weight)
	}
	if len(c.Mean) != d {
		return g, fmt.Errorf("mean of %d coordinates, component 0 has %d", len(c.Mean), d)
	}
	for i, v := range c.Mean {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return g, fmt.Errorf("mean[%d] is %g", i, v)
		}
	}
	g.lambda = make([]float64, d)
	if c.Cov == nil {
		if !(c.Std > 0) || math.IsInf(c.Std, 0) {
			return g, fmt.Errorf("standard deviation %g: want a positive number, or Cov", c.Std)
		}
		for i := range g.lambda {
			g.lambda[i] = c.Std * c.Std
		}
		return g, nil
	}
	if len(c.Cov) != d*d {
		return g, fmt.Errorf("covariance of %d values, want %d x %d", len(c.Cov), d, d)
	}
	return g, g.diagonalise(c.Cov)
}

func (g *gaussian) diagonalise(cov []float64) error {
	d := len(g.mean)
	sym := mat.NewSymDense(d, nil)
	for i := range d {
		for j := range i + 1 {
			a, b := cov[i*d+j], cov[j*d+i]
			if math.Abs(a-b) > 1e-12*(math.Abs(a)+math.Abs(b)) {
				return fmt.Errorf("covariance is not symmetric: [%d, %d] is %g, [%d, %d] is %g", i, j, a, j, i, b)
			}
			if math.IsNaN(a) || math.IsInf(a, 0) {
				return fmt.Errorf("covariance[%d, %d] is %g", i, j, a)
			}
			sym.SetSym(i, j, a)
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(sym, true) {
		return fmt.Errorf("covariance has no eigenvalues to working precision: rescale it")
	}
	eig.Values(g.lambda) // ascending
	if least, most := g.lambda[0], g.lambda[d-1]; !(least > 1e-14*math.Abs(most)) {
		return fmt.Errorf("covariance is not positive definite: its smallest eigenvalue is %g, its largest %g", least,
			most)
	}
	var q mat.Dense
	eig.VectorsTo(&q)
	g.q = append(g.q, q.RawMatrix().Data...)
	return nil
}

// Dim returns D.
func (m *Mixture) Dim() int { return m.d }

// Sample fills x1, [N, D], with independent draws of the mixture itself (the data). It
// panics for points of another dimension than [Mixture.Dim].
func (m *Mixture) Sample(x1 flow.Batch, rng *rand.Rand) {
	if x1.D != m.d {
		panic(fmt.Sprintf("field: Mixture.Sample: points of dimension %d, want %d", x1.D, m.d))
	}
	z := make([]float64, m.d)
	for i := range x1.N {
		g := &m.comp[m.pick(rng.Float64())]
		for k, l := range g.lambda {
			z[k] = math.Sqrt(l) * rng.NormFloat64()
		}
		row := x1.Row(i)
		copy(row, g.mean)
		g.rotateAdd(row, z, 1)
	}
}

func (m *Mixture) pick(u float64) int {
	for k, g := range m.comp {
		if u -= g.weight; u < 0 {
			return k
		}
	}
	return len(m.comp) - 1
}

// rotate writes Qᵀ x into y.
func (g *gaussian) rotate(y, x []float64) {
	if g.q == nil {
		copy(y, x)
		return
	}
	clear(y)
	for i, v := range x {
		axpy(v, g.q[i*len(x):(i+1)*len(x)], y)
	}
}

// rotateAdd adds w Q z to y.
func (g *gaussian) rotateAdd(y, z []float64, w float64) {
	if g.q == nil {
		axpy(w, z, y)
		return
	}
	for i := range y {
		y[i] += w * dot(g.q[i*len(z):(i+1)*len(z)], z)
	}
}
