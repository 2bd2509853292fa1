package coupling

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"

	"flowmatch/flow"
	"flowmatch/internal/assign"
)

// The meaning of a zero field of [Sinkhorn].
const (
	defaultReg     = 0.05
	defaultMaxIter = 10000
	defaultTol     = 1e-3
)

// warm is the Reg from which smaller ones are approached; larger ones start cold.
const warm = 0.05

// ErrNotConverged is returned when [Sinkhorn] has used up its iterations.
var ErrNotConverged = errors.New("coupling: sinkhorn did not converge")

// Sinkhorn is entropic minibatch transport (Cuturi 2013): the plan
//
//	π = argmin Σ_ij π_ij C_ij + ε Σ_ij π_ij log π_ij,   C_ij = |x0_i − x1_j|²,
//
// over the plans with both marginals uniform, where ε = Reg · mean(C): Reg is
// relative, so one value means the same for points of the plane and for images.
// Reg → 0 is [OT], Reg → ∞ is [Independent].
//
// src[j] is drawn from the conditional π(·|x1_j), one uniform number of rng a row,
// so the marginal of x1 is kept by construction and that of x0 in expectation,
// within Tol. Unlike with [OT], a row of x0 may be used twice or not at all.
//
// The plan is iterated in the log domain, small ε after larger ones; between updates
// of the potentials the kernel is scaled as in Schmitzer 2019 (1610.06519), with
// which an iteration costs two products of a matrix and a vector.
type Sinkhorn struct {
	Reg float64 // ε relative to the mean cost of the batch (of the class, with LabelAware); 0 means 0.05
	// Epsilon is ε itself, in squared units of the points, in place of Reg: 2σ² makes a
	// Schrödinger bridge. 0: not set.
	Epsilon    float64
	MaxIter    int     // of all iterations together; 0 means 10000
	Tol        float64 // of the marginal of x0, Σ_i |Σ_j π_ij − 1/N|, in (0, 1); 0 means 1e-3
	LabelAware bool    // transport within classes, see the package's section on labels
	Cost       Cost    // C_ij in the place of the squared distance; nil: that
}

func (s Sinkhorn) withDefaults() Sinkhorn {
	if s.Reg == 0 {
		s.Reg = defaultReg
	}
	if s.MaxIter == 0 {
		s.MaxIter = defaultMaxIter
	}
	if s.Tol == 0 {
		s.Tol = defaultTol
	}
	return s
}

// Match implements [Coupling]. The error is [ErrNotConverged] with the marginal
// error reached, or names a setting out of range or a point that is not finite.
func (s Sinkhorn) Match(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error {
	if err := check(src, x0, x1, label); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return err
	}
	transport := func(src []int, x0, x1 flow.Batch) error {
		p, err := s.plan(x0, x1)
		if err != nil {
			return err
		}
		p.sample(src, rng)
		return nil
	}
	if s.LabelAware {
		return withinClasses(src, x0, x1, label, rng, transport)
	}
	return transport(src, x0, x1)
}

// plan is N·π, a matrix whose rows and columns sum to one, in the form
//
//	N π_ij = u_i exp((f_i + g_j − C_ij)/ε) v_j
//
// where the scalings u, v are what has not been folded into f, g yet. Everything that is
// a matrix is kept twice, by rows and by columns, so that all passes are contiguous.
type plan struct {
	n                int
	eps              float64
	cost, costT      []float64 // C_ij at i*n+j and at j*n+i
	kernel, kernelT  []float64 // exp((f_i + g_j − C_ij)/ε), likewise
	f, g, u, v, sums []float64
}

// plan solves the entropic problem for one batch.
func (s Sinkhorn) plan(x0, x1 flow.Batch) (*plan, error) {
	s = s.withDefaults()
	n := x0.N
	p := &plan{n: n, cost: make([]float64, n*n), costT: make([]float64, n*n),
		kernel: make([]float64, n*n), kernelT: make([]float64, n*n),
		f: make([]float64, n), g: make([]float64, n), u: make([]float64, n), v: make([]float64, n),
		sums: make([]float64, n)}
	if n == 0 {
		return p, nil
	}
	costs(s.Cost, p.cost, x0, x1, false)
	costs(s.Cost, p.costT, x0, x1, true)
	mean, err := p.meanCost()
	if err != nil {
		return nil, err
	}
	if mean == 0 {
		mean = 1 // all points coincide: any ε gives the uniform plan
	}
	if s.Epsilon > 0 {
		s.Reg = s.Epsilon / mean
	}
	// From large ε to small: each problem starts from the potentials of the one
	// before, which bring it near its solution where a cold start would need of
	// the order of 1/Reg iterations.
	left := s.MaxIter
	for reg := max(s.Reg, warm); reg > s.Reg; reg /= 4 {
		const coarse, few = 0.05, 50
		p.setReg(reg * mean)
		_, used := p.iterate(coarse, min(few, left))
		left -= used
	}
	p.setReg(s.Reg * mean)
	marginal, _ := p.iterate(s.Tol, left)
	if !(marginal <= s.Tol) {
		return p, fmt.Errorf("%w: marginal error %.3g after max_iter = %d iterations, tol = %g, reg = %g: raise reg, "+
			"max_iter or tol, or use coupling ot, which is the limit of reg to 0",
			ErrNotConverged, marginal, s.MaxIter, s.Tol, s.Reg)
	}
	return p, nil
}

// meanCost returns the mean of C, or which pair has no finite cost.
func (p *plan) meanCost() (float64, error) {
	mean := 0.0
	for k, c := range p.cost {
		if math.IsNaN(c) || math.IsInf(c, 0) {
			return 0, fmt.Errorf("coupling: sinkhorn: the cost between row %d of x_0 and row %d of x_1 is %g: check "+
				"the data for NaN and huge values", k/p.n, k%p.n, c)
		}
		mean += c / float64(len(p.cost))
	}
	return mean, nil
}

// iterate runs Sinkhorn's iteration for the current ε until the marginal of x0 is
// within tol or limit iterations are used; it returns the marginal error, as in
// [Sinkhorn].Tol, and the iterations used. The columns then sum to one.
func (p *plan) iterate(tol float64, limit int) (marginal float64, used int) {
	for ; ; used++ {
		p.multiply(p.sums, p.kernel, p.v)
		marginal = 0
		for i, r := range p.sums {
			marginal += math.Abs(p.u[i]*r-1) / float64(p.n)
		}
		if marginal <= tol || used >= limit {
			return marginal, used
		}
		for i, r := range p.sums {
			p.u[i] = 1 / r
		}
		p.multiply(p.sums, p.kernelT, p.u)
		for j, c := range p.sums {
			p.v[j] = 1 / c
		}
		if tooFar(p.u) || tooFar(p.v) {
			p.setReg(p.eps)
		}
	}
}

// tooFar reports whether a scaling has left the range in which entries of the
// kernel that underflowed to zero still do not matter.
func tooFar(u []float64) bool {
	const limit = 1e20
	for _, x := range u {
		if !(x < limit && x > 1/limit) {
			return true
		}
	}
	return false
}

// setReg moves the scalings into the potentials, as far as they are numbers,
// changes ε, makes one iteration in the log domain, which is safe from any start,
// and tabulates the kernel of the potentials found. Its columns sum to one.
func (p *plan) setReg(eps float64) {
	for i := range p.n {
		p.f[i] += p.eps * finiteLog(p.u[i])
		p.g[i] += p.eps * finiteLog(p.v[i])
		p.u[i], p.v[i] = 1, 1
	}
	p.eps = eps
	p.softmin(p.f, p.cost, p.g)
	p.softmin(p.g, p.costT, p.f)
	n := p.n
	assign.Parallel(n, rowsAtOnce, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			for j, c := range p.cost[i*n : (i+1)*n] {
				p.kernel[i*n+j] = math.Exp((p.f[i] + p.g[j] - c) / eps)
			}
		}
	})
	assign.Parallel(n, rowsAtOnce, func(lo, hi int) {
		for i := range n {
			for j := lo; j < hi; j++ {
				p.kernelT[j*n+i] = p.kernel[i*n+j]
			}
		}
	})
}

const rowsAtOnce = 32

// finiteLog is log x, and 0 where x is no positive number: 0 before the first
// iteration, and 0 or infinite where a scaling overflowed.
func finiteLog(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) {
		return 0
	}
	return math.Log(x)
}

// softmin writes f_i = −ε log Σ_j exp((g_j − C_ij)/ε), after which the rows of the
// plan sum to one.
func (p *plan) softmin(f, cost, g []float64) {
	assign.Parallel(p.n, rowsAtOnce, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			c := cost[i*p.n : (i+1)*p.n]
			top := math.Inf(-1)
			for j, gj := range g {
				top = max(top, gj-c[j])
			}
			sum := 0.0
			for j, gj := range g {
				sum += math.Exp((gj - c[j] - top) / p.eps)
			}
			f[i] = -top - p.eps*math.Log(sum)
		}
	})
}

// multiply writes y = K x.
func (p *plan) multiply(y, k, x []float64) {
	rows := rowsAtOnce
	if p.n <= 256 {
		rows = p.n // too little work to share
	}
	assign.Parallel(p.n, rows, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := k[i*p.n : (i+1)*p.n]
			var s0, s1, s2, s3 float64
			j := 0
			for ; j+4 <= len(row); j += 4 {
				s0 += row[j] * x[j]
				s1 += row[j+1] * x[j+1]
				s2 += row[j+2] * x[j+2]
				s3 += row[j+3] * x[j+3]
			}
			for ; j < len(row); j++ {
				s0 += row[j] * x[j]
			}
			y[i] = (s0 + s1) + (s2 + s3)
		}
	})
}

// sample draws src[j] from the j-th column of the plan.
func (p *plan) sample(src []int, rng *rand.Rand) {
	upTo := make([]float64, p.n)
	for j := range src {
		sum := 0.0
		for i, k := range p.kernelT[j*p.n : (j+1)*p.n] {
			sum += k * p.u[i]
			upTo[i] = sum
		}
		at := rng.Float64() * sum // below sum, unless it rounds up to it
		i := sort.Search(p.n, func(i int) bool { return upTo[i] > at })
		src[j] = min(i, sort.SearchFloat64s(upTo, sum))
	}
}
