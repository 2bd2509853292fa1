package sde

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

// Errors of sampling, wrapped with what is wrong and where.
var (
	// ErrInvalid says that the sampler or its arguments make no sense.
	ErrInvalid = errors.New("invalid sampler")
	// ErrNonFinite says that a point has become NaN or infinite.
	ErrNonFinite = errors.New("value not finite")
)

// Sampler is a method with its steps. It is a value without hidden state.
type Sampler struct {
	Method Method // zero: EulerMaruyama
	// Steps is the number of equal steps over Span.
	Steps int
	// Grid, if not nil, are the times of the steps instead: increasing, in Span,
	// the first of them the time of the points given.
	Grid []float64
	// Spaced, if it has shares, are the steps instead: at these shares of Span.
	Spaced ode.Spaced
	// Diffusion is g of EulerMaruyama and Heun; nil means Own{}.
	Diffusion Diffusion
	// Eta in [0,1] is the share of the ancestral noise that DDIM adds.
	Eta float64
	// Denoise replaces the last step by the data point predicted at its beginning,
	// x = x̂_1: no noise is left, and no evaluation added. It is SiT's "last step"
	// of the kind Tweedie. Its bias is the spread of x_1 given x_t there, which is lost.
	Denoise bool
	// MaxNFE bounds the number of evaluations of the prediction; 0: no bound.
	MaxNFE int
	// Cost, if not nil, says how much an evaluation at t counts in NFE and MaxNFE; nil: 1.
	Cost func(t float64) int
	// Scale is the root mean square of the coordinates of the data; 0 means 1. It says how
	// near to a singular start Span begins: see [path.SpanOf]. Data wider than 10 outweigh
	// the noise before the first of many equal steps would end: on a path from pure noise
	// the Steps are then those of data of scale 1, by [path.AtScale].
	Scale float64
	// Seed of the noise. Row i draws from stream First+i, step after step, so that
	// a batch may be cut into pieces without changing a bit; First is where a
	// piece begins.
	Seed, First uint64
	// Of, if not nil, says which each row is, in the place of Seed and First: so those of several seeds share a solve.
	Of []Row
	// Observe, if not nil, is called at the start and after each step.
	Observe func(ode.Step)
}

// Row names the row of a seed that noise is drawn for.
type Row struct {
	Seed   uint64
	Number uint64 // among those of the seed, from 0
}

// String names the sampler as a report does: "ddim eta=0.5, 50 steps".
func (s Sampler) String() string {
	name := s.Method.String()
	switch s.Method {
	case EulerMaruyama, Heun:
		name += " g=" + s.diffusion().String()
	case DDIM:
		name += fmt.Sprintf(" eta=%g", s.Eta)
	}
	if s.Spaced.Shares != nil {
		return fmt.Sprintf("%s, %v", name, s.Spaced)
	}
	return fmt.Sprintf("%s, %d steps", name, s.steps())
}

// Sample takes the points x, [N, D], in place from the start of Span (where they
// are draws of [path.Source]) to its end. f predicts p along the path sched; it may be a
// prediction with guidance (field.Guided). Of Stats, NFE counts the calls of f, by
// Cost, and Accepted the steps. With an error, x are the points at Stats.LastT. The context is looked at
// before every evaluation; nothing is allocated per step.
func (s Sampler) Sample(ctx context.Context, f flow.Field, sched path.Scheduler, p path.Prediction,
	x flow.Batch) (ode.Stats, error) {
	return s.sample(ctx, f, sched, p, x, s.rows(x))
}

// Span returns the times between which the sampler works: [path.SpanOf], from
// [path.Start] on where the first step is infinite: the
// drift or noise of an SDE where α = 0, for Own; the data point that a velocity
// implies where α = α̇ = 0. The end may be singular (σ = 0 has no score), since
// nothing is evaluated there.
func (s Sampler) Span(sched path.Scheduler, p path.Prediction) (lo, hi float64) {
	lo, hi = path.SpanOf(sched, p, s.Scale)
	if first, _ := sched.Domain(); lo == first && s.singular(sched, p, lo) {
		lo = path.Start(sched, s.Scale)
	}
	return lo, hi
}

// singular has the bound of path.Span: far above every deliberate start, far below
// what an α of zero up to rounding gives.
func (s Sampler) singular(sched path.Scheduler, p path.Prediction, t float64) bool {
	const maxGain = 1e6
	a, b, g2 := drift(sched, p, s.diffusion(), t)
	if s.Method.ancestral() {
		a, b = sched.At(t).Convert(p, path.Data)
		g2 = 0
	}
	return !(math.Abs(a) <= maxGain && math.Abs(b) <= maxGain) || math.IsNaN(g2) || math.IsInf(g2, 0)
}

// NeedsScore reports whether the method adds noise, and so needs the score and not
// only the velocity: see the caveat on couplings.
func (s Sampler) NeedsScore() bool {
	none, isConstant := s.Diffusion.(Constant)
	return !(s.Method == DDIM && s.Eta == 0 || !s.Method.ancestral() && isConstant && none.G == 0)
}

func (s Sampler) diffusion() Diffusion {
	if s.Diffusion == nil {
		return Own{}
	}
	return s.Diffusion
}

func (s Sampler) steps() int {
	switch {
	case s.Grid != nil:
		return len(s.Grid) - 1
	case s.Spaced.Shares != nil:
		return s.Spaced.Steps()
	}
	return s.Steps
}

// wide is the Scale from which on Steps are not even in t.
const wide = 10

// times returns the times before the steps from lo to hi, and hi.
func (s Sampler) times(sched path.Scheduler, lo, hi float64) []float64 {
	if s.Grid != nil {
		return s.Grid
	}
	if s.Spaced.Shares != nil {
		t := make([]float64, s.steps()+1)
		for k := range t {
			t[k] = s.Spaced.At(k, lo, hi)
		}
		return t
	}
	first, _ := sched.Domain()
	pure := sched.At(first)
	even := s.Scale <= wide || math.Abs(pure.Alpha)*s.Scale > path.Trim*pure.Sigma
	t := make([]float64, s.Steps+1)
	for k := range t {
		t[k] = lo + (hi-lo)*float64(k)/float64(s.Steps)
		if !even {
			t[k] = max(lo, path.AtScale(sched, t[k], s.Scale))
		}
	}
	t[0], t[s.Steps] = lo, hi // exactly, whatever the rounding
	return t
}

// rows returns the noise of the rows of x, made on first use.
func (s Sampler) rows(x flow.Batch) func(z []float64, step int) {
	var rng []*rand.Rand
	return func(z []float64, _ int) {
		if rng == nil {
			rng = make([]*rand.Rand, x.N)
			for i := range rng {
				of := Row{s.Seed, s.First + uint64(i)}
				if s.Of != nil {
					of = s.Of[i]
				}
				rng[i] = seed.Rand(of.Seed, "sde/noise", of.Number)
			}
		}
		for i, r := range rng {
			for j := range x.D {
				z[i*x.D+j] = r.NormFloat64()
			}
		}
	}
}

// sample is Sample with the noise of each step given, which tests use.
func (s Sampler) sample(ctx context.Context, f flow.Field, sched path.Scheduler, p path.Prediction,
	x flow.Batch, noise func([]float64, int)) (ode.Stats, error) {
	if err := s.check(f, sched, p, x); err != nil {
		return ode.Stats{}, err
	}
	lo, hi := s.Span(sched, p)
	r := &run{Sampler: s, ctx: ctx, field: f, path: sched, pred: p, x: x.X[:x.N*x.D], noise: noise}
	slab := make([]float64, 3*len(r.x))
	r.f, r.y, r.z = slab[:len(r.x)], slab[len(r.x):2*len(r.x)], slab[2*len(r.x):]
	times := s.times(sched, lo, hi)
	r.st.LastT = times[0]
	if err := r.finite(); err != nil {
		return r.st, err
	}
	r.observe()
	for k := range s.steps() {
		from, to := times[k], times[k+1]
		if err := r.step(from, to); err != nil {
			return r.st, err
		}
		r.st.Accepted, r.st.LastT, r.st.LastH = k+1, to, to-from
		if err := r.finite(); err != nil {
			return r.st, err
		}
		r.observe()
	}
	return r.st, nil
}

// Validate reports the first setting that no path could make sense of.
func (s Sampler) Validate() error {
	switch {
	case s.Method < 0 || int(s.Method) >= len(methodNames):
		return fmt.Errorf("sde: %w: Method is %v; it must be one of the package's", ErrInvalid, s.Method)
	case s.Grid != nil && s.Steps != 0 && s.Steps != len(s.Grid)-1:
		return fmt.Errorf("sde: %w: Steps is %d and Grid has %d times; set one of them", ErrInvalid,
			s.Steps, len(s.Grid))
	case s.Spaced.Shares != nil && (s.Grid != nil || s.Steps != 0 && s.Steps != s.Spaced.Steps()):
		return fmt.Errorf("sde: %w: Spaced has %d steps, and Steps is %d or Grid is set; set one of them", ErrInvalid,
			s.Spaced.Steps(), s.Steps)
	case s.Spaced.Shares != nil && s.Spaced.Check() != nil:
		return fmt.Errorf("sde: %w: %w", ErrInvalid, s.Spaced.Check())
	case s.steps() < 1:
		return fmt.Errorf("sde: %w: %d steps; there must be at least 1", ErrInvalid, s.steps())
	case s.MaxNFE < 0:
		return fmt.Errorf("sde: %w: MaxNFE is %d; it must be positive, or 0 for no bound", ErrInvalid, s.MaxNFE)
	case s.MaxNFE > 0 && s.steps() > s.MaxNFE/s.Method.evaluations():
		return fmt.Errorf("sde: %w: %d steps of %v, which evaluates %d times in each, and max_nfe is %d: take fewer "+
			"steps, or raise max_nfe", ErrInvalid, s.steps(), s.Method, s.Method.evaluations(), s.MaxNFE)
	case !(s.Eta >= 0 && s.Eta <= 1):
		return fmt.Errorf("sde: %w: eta is %g; it must be in [0, 1]", ErrInvalid, s.Eta)
	case s.Eta != 0 && s.Method != DDIM:
		return fmt.Errorf("sde: %w: eta is %g, but only ddim has one, not %v", ErrInvalid, s.Eta, s.Method)
	case !(s.Scale >= 0) || math.IsInf(s.Scale, 0):
		return fmt.Errorf("sde: %w: Scale is %g; it must be that of the data, or 0 for 1", ErrInvalid, s.Scale)
	case s.Diffusion != nil && s.Method.ancestral():
		return fmt.Errorf("sde: %w: a diffusion is for the SDE methods, not for %v", ErrInvalid, s.Method)
	}
	return nil
}

func (s Sampler) check(f flow.Field, sched path.Scheduler, p path.Prediction, x flow.Batch) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if f == nil || sched == nil {
		return fmt.Errorf("sde: %w: the prediction's field or the path is nil", ErrInvalid)
	}
	if x.D != f.Dim() || len(x.X) < x.N*x.D {
		return fmt.Errorf("sde: %w: points of shape [%d, %d] with %d values for a field of dimension %d",
			ErrInvalid, x.N, x.D, len(x.X), f.Dim())
	}
	if s.Of != nil && len(s.Of) != x.N {
		return fmt.Errorf("sde: %w: Of names %d rows of %d; name each, or leave it out", ErrInvalid, len(s.Of), x.N)
	}
	lo, hi := s.Span(sched, p)
	for k, t := range s.Grid {
		if !(t >= lo && t <= hi) || k > 0 && t <= s.Grid[k-1] {
			return fmt.Errorf("sde: %w: Grid[%d] is %g; times must increase within [%g, %g]", ErrInvalid, k, t, lo, hi)
		}
	}
	return nil
}

// run is one sampling under way.
type run struct {
	Sampler
	ctx   context.Context
	field flow.Field
	path  path.Scheduler
	pred  path.Prediction
	noise func(z []float64, step int)

	x, f, y, z []float64 // points, prediction, predictor, noise
	st         ode.Stats
}

// predict writes the prediction at t and y into r.f, unless the context has ended.
func (r *run) predict(t float64, y []float64) error {
	if err := r.ctx.Err(); err != nil {
		return fmt.Errorf("sde: stopped at t=%g in step %d of %d: %w", r.st.LastT, r.st.Accepted+1, r.steps(), err)
	}
	cost := 1
	if r.Cost != nil {
		cost = r.Cost(t)
	}
	if r.MaxNFE > 0 && r.st.NFE+cost > r.MaxNFE {
		return fmt.Errorf("sde: %w at t=%g in step %d of %d after %d evaluations: take fewer steps, or raise max_nfe",
			ode.ErrMaxNFE, t, r.st.Accepted+1, r.steps(), r.st.NFE)
	}
	r.st.NFE += cost
	if err := r.field.Velocity(r.f, t, y); err != nil {
		return fmt.Errorf("sde: the prediction failed at t=%g, step %d: %w", t, r.st.Accepted+1, err)
	}
	return nil
}

func (r *run) observe() {
	if r.Observe != nil {
		r.Observe(ode.Step{T: r.st.LastT, H: r.st.LastH, X: r.x, Stats: r.st})
	}
}

func (r *run) finite() error {
	for i, v := range r.x {
		if v-v != 0 { // NaN − NaN and Inf − Inf are NaN
			err := fmt.Errorf("sde: %w: coordinate %d of point %d is %g at t=%g after step %d of %d with %v",
				ErrNonFinite, i%r.field.Dim(), i/r.field.Dim(), v, r.st.LastT, r.st.Accepted, r.steps(), r.Sampler)
			if why := r.Stiff(r.path, r.pred); why != "" {
				err = fmt.Errorf("%w: %s", err, why)
			}
			return err
		}
	}
	return nil
}
