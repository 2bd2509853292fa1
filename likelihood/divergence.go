package likelihood

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"flowmatch/flow"
	"flowmatch/internal/memory"
	"flowmatch/internal/seed"
)

// ErrNoDivergence is returned, wrapped with the field's type and what it lacks, when
// the divergence asked for cannot be had from the field.
var ErrNoDivergence = errors.New("the field does not offer this divergence")

// Divergence is how ∇·v = tr ∂v/∂x is found: [Exact] or [Hutchinson].
type Divergence interface {
	// String names the divergence as a report does.
	String() string
	// probes returns the fixed probes of the n points of these numbers, of dimension d,
	// one [n, d] array each; none for an exact divergence.
	probes(numbers []int, d int) ([][]float64, error)
	validate() error
}

// Exact is the exact divergence: from the field itself if it is a [flow.Diverger],
// else as Σ_j e_jᵀ (∂v/∂x) e_j over all D basis vectors, D vector-Jacobian products.
type Exact struct{}

// Hutchinson is the unbiased estimate (Hutchinson 1990; Grathwohl et al. 2019)
//
//	∇·v ≈ 1/K · Σ_k ε_kᵀ (∂v/∂x) ε_k,   E[ε εᵀ] = I,
//
// with K = Probes probes ε_k, drawn once per solve from Seed, the point's index in
// the batch and k. A point's probes therefore do not depend on BatchSize; but equal
// indices in different calls get equal probes: give the calls different seeds where
// independent errors matter.
type Hutchinson struct {
	Probes int // K; 0: 1
	Kind   Kind
	Seed   uint64
}

// Kind is the distribution of a probe's entries.
type Kind int

const (
	// Rademacher is ±1 with equal probability: the least variance among independent
	// entries, 2·Σ_{i≠j} S_ij² with S the symmetric part of ∂v/∂x; exact in one
	// dimension.
	Rademacher Kind = iota
	// Gaussian is N(0, 1), of variance 2·Σ_ij S_ij².
	Gaussian
)

func (k Kind) String() string {
	switch k {
	case Rademacher:
		return "rademacher"
	case Gaussian:
		return "gaussian"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

func (Exact) validate() error                        { return nil }
func (Exact) probes([]int, int) ([][]float64, error) { return nil, nil }
func (h Hutchinson) validate() error {
	if h.Probes < 0 {
		return fmt.Errorf("likelihood: %w: Hutchinson.Probes is %d; it must be positive, or 0 for 1",
			ErrInvalid, h.Probes)
	}
	if h.Kind != Rademacher && h.Kind != Gaussian {
		return fmt.Errorf("likelihood: %w: Hutchinson.Kind is %d; it must be Rademacher (%d) or Gaussian (%d)",
			ErrInvalid, int(h.Kind), int(Rademacher), int(Gaussian))
	}
	return nil
}

func (h Hutchinson) probes(numbers []int, d int) ([][]float64, error) {
	k := max(h.Probes, 1)
	bytes := 8 * float64(k) * float64(len(numbers)) * float64(d)
	if err := memory.Check(fmt.Sprintf("probes %d, of %d points,", k, len(numbers)), bytes); err != nil {
		return nil, fmt.Errorf("likelihood: %w", err)
	}
	es := make([][]float64, k)
	for j := range es {
		es[j] = make([]float64, len(numbers)*d)
		for i, number := range numbers {
			rng := seed.Rand(h.Seed, "likelihood/probe", uint64(number)*uint64(k)+uint64(j))
			h.Kind.fill(es[j][i*d:(i+1)*d], rng)
		}
	}
	return es, nil
}

func (k Kind) fill(e []float64, rng *rand.Rand) {
	for i := range e {
		if k == Gaussian {
			e[i] = rng.NormFloat64()
		} else {
			e[i] = float64(2*int(rng.Uint64()>>63) - 1)
		}
	}
}

// rates writes v_t(x) into v, [N, D], the divergence of each point into div, [N],
// and |∂v/∂x|² of each point into jac, [N], unless it is nil.
type rates func(v, div, jac []float64, t float64, x []float64) error

// drift returns the rates of a field, by the probes es or exactly; jacobian says that
// jac will be asked for. They own scratch memory, so they are for one solve at a time.
func drift(f flow.Field, es [][]float64, n int, jacobian bool) (rates, error) {
	if f, ok := f.(flow.Diverger); ok && len(es) == 0 && !jacobian {
		return func(v, div, _ []float64, t float64, x []float64) error { return f.VelocityDiv(v, div, t, x) }, nil
	}
	if f, ok := f.(flow.Prober); ok && len(es) > 0 && !jacobian {
		one := make([]float64, n)
		return func(v, div, _ []float64, t float64, x []float64) error { return probed(f, es, one, v, div, t, x) }, nil
	}
	df, ok := f.(flow.Differentiable)
	switch {
	case !ok && len(es) > 0:
		return nil, fmt.Errorf("likelihood: %w: %T has no VJP, which Hutchinson needs; use Exact if it has VelocityDiv",
			ErrNoDivergence, f)
	case !ok && jacobian:
		return nil, fmt.Errorf("likelihood: %w: %T has no VJP (flow.Differentiable), which Regularizer.Jacobian needs",
			ErrNoDivergence, f)
	case !ok:
		return nil, fmt.Errorf(
			"likelihood: %w: %T has neither VelocityDiv nor VJP (flow.Diverger, flow.Differentiable)",
			ErrNoDivergence, f)
	}
	d := f.Dim()
	g := make([]float64, n*d)
	if len(es) > 0 {
		return func(v, div, jac []float64, t float64, x []float64) error {
			return hutchinson(df, es, g, v, div, jac, t, x)
		}, nil
	}
	e := make([]float64, n*d)
	return func(v, div, jac []float64, t float64, x []float64) error { return basis(df, e, g, v, div, jac, t, x) }, nil
}

// hutchinson writes v and the means of εᵀ (∂v/∂x) ε and |εᵀ ∂v/∂x|² over the probes.
func hutchinson(f flow.Differentiable, es [][]float64, g, v, div, jac []float64, t float64, x []float64) error {
	d := f.Dim()
	clear(div)
	clear(jac)
	for _, e := range es {
		if err := f.VJP(v, g, t, x, e); err != nil {
			return err
		}
		for i := range div {
			sum := 0.0
			for j := i * d; j < (i+1)*d; j++ {
				sum += g[j] * e[j]
			}
			div[i] += sum / float64(len(es))
		}
		for i := range jac {
			jac[i] += square(g[i*d:(i+1)*d]) / float64(len(es))
		}
	}
	return nil
}

// probed writes v and the mean of a field's own estimates of its divergence.
func probed(f flow.Prober, es [][]float64, one, v, div []float64, t float64, x []float64) error {
	clear(div)
	for _, e := range es {
		if err := f.VelocityProbe(v, one, t, x, e); err != nil {
			return err
		}
		for i, d := range one {
			div[i] += d / float64(len(es))
		}
	}
	return nil
}

// basis writes v, the trace of ∂v/∂x and its square, one of all D rows at a time.
func basis(f flow.Differentiable, e, g, v, div, jac []float64, t float64, x []float64) error {
	d := f.Dim()
	clear(div)
	clear(jac)
	for j := range d {
		clear(e)
		for i := range div {
			e[i*d+j] = 1
		}
		if err := f.VJP(v, g, t, x, e); err != nil {
			return err
		}
		for i := range div {
			div[i] += g[i*d+j]
		}
		for i := range jac {
			jac[i] += square(g[i*d : (i+1)*d])
		}
	}
	return nil
}
