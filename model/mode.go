package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/stat"
	"flowmatch/likelihood"
	"flowmatch/ode"
)

// ModeOptions says how to look for the most likely point. The Solver must be set.
type ModeOptions struct {
	// Given is what the points are conditioned on, in model units: one mode is looked for of each
	// entry, one of a model without.
	Given      flow.Given
	Solver     ode.Solver            // of the log-densities; its Control must be set
	Divergence likelihood.Divergence // nil: exact
	// Draws is how many samples of each entry are looked at for where to start, and Starts from how
	// many of them, the most likely ones, the ascent starts; 0: 200 and 3.
	Draws, Starts int
	// Steps is the most steps of an ascent; 0: 200.
	Steps    int
	Seed     uint64  // of the samples
	Within   *Within // as in LikelihoodOptions; ascents keep to it
	Progress Progress
}

// Modes are the most likely points that were found, one for each entry of ModeOptions.Given.
type Modes struct {
	X     flow.Batch // [N, D], in data units
	LogP  []float64  // nats, in data units
	Steps []int      // of the ascent that led there
	// Settled says whether that came to a point where log p does not rise any more; else Steps ended it.
	Settled []bool
	Mass    *Mass // as in Samples
	NFE     int   // evaluations of the network, of the dearest point
}

// The defaults of ModeOptions, and when an ascent has settled: its next step is shorter than
// modeShort deviations.
const (
	modeDraws, modeStarts, modeSteps = 200, 3, 200
	modeShort                        = 1e-3
	// modeSpan is half the distance of the points that a slope is of, in deviations: long beside the
	// errors of a solve, short beside a deviation.
	modeSpan = 1e-2
	// leastDeviation is the least of a deviation, in model units: what a float32 still tells apart.
	leastDeviation = 1e-4
)

// Mode returns the most likely point of each entry of what is given, the maximum a posteriori
// estimate: log p(x | given) is climbed by its gradient from the most likely of some samples, with
// steps of Barzilai and Borwein that keep to the bounds (spectral projected gradient, Birgin,
// Martínez and Raydan 2000). The gradient is of central differences. A density of several peaks may
// have a higher one where no sample was. A table with a [Spec.Schema] has no mode, which is an error.
func (m *Model) Mode(ctx context.Context, o ModeOptions) (Modes, error) {
	if err := m.made(); err != nil {
		return Modes{}, err
	}
	if err := m.HasDensity(); err != nil {
		return Modes{}, err
	}
	if m.manifold != nil {
		return Modes{}, fmt.Errorf("%w: the climb to the most likely point goes straight, which leads off a %v",
			ErrCurved, m.manifold)
	}
	if m.spec.Schema != nil {
		return Modes{}, errors.New("model: a most likely point is one of numbers; in a table with a schema a point " +
			"between two levels is no row, however high its density is")
	}
	if o.Draws < 0 || o.Starts < 0 || o.Steps < 0 {
		return Modes{}, fmt.Errorf("model: %d draws, %d starts and %d steps of a mode; want 1 at least, or 0 for the "+
			"default", o.Draws, o.Starts, o.Steps)
	}
	o.Draws, o.Steps = cmp.Or(o.Draws, modeDraws), cmp.Or(o.Steps, modeSteps)
	o.Starts = min(cmp.Or(o.Starts, modeStarts), o.Draws)
	n := max(1, len(o.Given.Label), o.Given.Context.N)
	a := &ascent{m: m, o: o, n: n}
	if err := a.start(ctx); err != nil {
		return Modes{}, err
	}
	for step := 0; step < o.Steps && a.active() > 0; step++ {
		if o.Progress != nil {
			o.Progress(float64(step)/float64(o.Steps), a.nfe)
		}
		if err := a.climb(ctx); err != nil {
			return Modes{}, fmt.Errorf("model: step %d towards a mode: %w", step+1, err)
		}
	}
	return a.best(ctx)
}

// ascent is n·Starts ascents at once, of points in model units: those of entry i are i·Starts and on.
// Slopes and steps are in deviations of the samples of the entry, which may be much narrower than the data.
type ascent struct {
	m     *Model
	o     ModeOptions
	n     int
	nfe   int
	given flow.Given // of each ascent
	at    []climber
}

// climber is one ascent.
type climber struct {
	x, g    []float64 // where it is, and the slope there
	scale   []float64 // deviations, in model units
	f       float64   // log p there
	length  float64   // of the next step, as a multiple of g
	short   float64   // the share of that step which is tried
	steps   int
	settled bool
}

// start draws samples, and starts from the most likely ones.
func (a *ascent) start(ctx context.Context) error {
	rows := make([]int, 0, a.n*a.o.Draws)
	for i := range a.n {
		rows = append(rows, slices.Repeat([]int{i}, a.o.Draws)...)
	}
	given := a.o.Given.Rows(rows)
	drawn, err := a.m.Sample(ctx, SampleOptions{N: len(rows), Seed: a.o.Seed, Given: given,
		Sampler: ODE{Solver: a.o.Solver}, Within: a.o.Within})
	if err != nil {
		return err
	}
	logp, st, err := a.m.LogProb(ctx, drawn.X, LikelihoodOptions{Given: given, Solver: a.o.Solver,
		Divergence: a.o.Divergence, Within: &Within{}})
	if err != nil && !failedPoints(err) {
		return err
	}
	a.nfe += drawn.Stats.NFE + st.NFE
	z := a.m.toModelUnits(drawn.X)
	var from []int
	for i := range a.n {
		best := upTo(i*a.o.Draws, (i+1)*a.o.Draws)
		slices.SortStableFunc(best, func(p, q int) int { return cmp.Compare(logp[q], logp[p]) })
		scale := deviations(z.Slice(i*a.o.Draws, (i+1)*a.o.Draws))
		for _, k := range best[:a.o.Starts] {
			from = append(from, i)
			a.at = append(a.at, climber{x: slices.Clone(z.Row(k)), scale: scale, short: 1})
		}
	}
	a.given = a.o.Given.Rows(from)
	slopes, err := a.slopes(ctx, upTo(0, len(a.at)), func(k int) []float64 { return a.at[k].x })
	if err != nil {
		return err
	}
	for k, s := range slopes {
		c := &a.at[k]
		c.f, c.g = s.f, s.g
		c.length = 0.1 / max(1e-9, norm(s.g))
	}
	return nil
}

// active counts the ascents that go on.
func (a *ascent) active() (n int) {
	for _, c := range a.at {
		if !c.settled {
			n++
		}
	}
	return n
}

// slope is log p and its gradient at a point, by coordinates in deviations.
type slope struct {
	f float64
	g []float64
}

// slopes returns those at the points of these ascents.
func (a *ascent) slopes(ctx context.Context, rows []int, at func(k int) []float64) ([]slope, error) {
	d := a.m.Dim()
	each := 2*d + 1
	x, of := flow.NewBatch(len(rows)*each, d), make([]int, 0, len(rows)*each)
	for j, k := range rows {
		for e := range each {
			row := x.Row(j*each + e)
			copy(row, at(k))
			if e > 0 {
				axis := (e - 1) / 2
				row[axis] += modeSpan * a.at[k].scale[axis] * float64(1-2*((e-1)%2))
			}
			of = append(of, k)
		}
	}
	if s := a.m.spec.Standardizer; s != nil {
		s.Invert(x)
	}
	logp, st, err := a.m.LogProb(ctx, x, LikelihoodOptions{Given: a.given.Rows(of), Solver: a.o.Solver,
		Divergence: a.o.Divergence, Within: &Within{}})
	a.nfe += st.NFE
	if err != nil && !failedPoints(err) {
		return nil, err
	}
	out := make([]slope, len(rows))
	for j := range rows {
		v := logp[j*each : (j+1)*each]
		s := slope{f: v[0], g: make([]float64, d)}
		for i := range d {
			s.g[i] = (v[1+2*i] - v[2+2*i]) / (2 * modeSpan)
		}
		out[j] = s
	}
	return out, nil
}

// climb takes a step of each ascent that goes on, or tries a shorter one.
func (a *ascent) climb(ctx context.Context) error {
	var rows []int
	to := map[int][]float64{}
	for k := range a.at {
		c := &a.at[k]
		if c.settled {
			continue
		}
		target := slices.Clone(c.x)
		for i := range target {
			target[i] += c.length * c.g[i] * c.scale[i]
		}
		a.project(target)
		step := 0.0
		for i := range target {
			target[i] = c.x[i] + c.short*(target[i]-c.x[i])
			step = max(step, math.Abs(target[i]-c.x[i])/c.scale[i])
		}
		if step < modeShort {
			c.settled = true
			continue
		}
		rows, to[k] = append(rows, k), target
	}
	if len(rows) == 0 {
		return nil
	}
	slopes, err := a.slopes(ctx, rows, func(k int) []float64 { return to[k] })
	if err != nil {
		return err
	}
	for j, k := range rows {
		a.at[k].take(to[k], slopes[j], a.allows(to[k]))
	}
	return nil
}

// take moves to a point where log p is s, if it has risen enough, or makes the next step shorter.
func (c *climber) take(x []float64, s slope, allowed bool) {
	const enough = 1e-4
	c.steps++
	rise, ss, sy, ok := 0.0, 0.0, 0.0, allowed && !math.IsNaN(s.f)
	for i := range x {
		d := (x[i] - c.x[i]) / c.scale[i]
		rise += c.g[i] * d
		ss += d * d
		sy += d * (s.g[i] - c.g[i])
		ok = ok && !math.IsNaN(s.g[i])
	}
	if !ok || s.f < c.f+enough*rise {
		c.short /= 2
		return
	}
	c.x, c.f, c.g, c.short = x, s.f, s.g, 1
	c.length = 1e2
	if sy < 0 { // the density bends down along the step
		c.length = min(1e2, max(1e-4, -ss/sy))
	}
}

// project moves a point, in model units, into the bounds of the model.
func (a *ascent) project(z []float64) {
	b := a.m.spec.Bounds
	if len(b) == 0 || a.o.Within != nil {
		return
	}
	one := flow.Batch{N: 1, D: len(z), X: z}
	s := a.m.spec.Standardizer
	if s != nil {
		s.Invert(one)
	}
	for i := range z {
		z[i] = min(max(z[i], b[i][0]), b[i][1])
	}
	if s != nil {
		s.Apply(one)
	}
}

// allows says whether a point, in model units, is in the region that was given in Go.
func (a *ascent) allows(z []float64) bool {
	w := a.o.Within
	if w == nil || w.Inside == nil {
		return true
	}
	x := flow.Batch{N: 1, D: len(z), X: slices.Clone(z)}
	if s := a.m.spec.Standardizer; s != nil {
		s.Invert(x)
	}
	return w.Inside(x.X)
}

// best returns the highest point of each entry.
func (a *ascent) best(ctx context.Context) (Modes, error) {
	out := Modes{X: flow.NewBatch(a.n, a.m.Dim()), NFE: a.nfe}
	for i := range a.n {
		some := a.at[i*a.o.Starts : (i+1)*a.o.Starts]
		top := slices.MaxFunc(some, func(p, q climber) int { return cmp.Compare(p.f, q.f) })
		if math.IsNaN(top.f) {
			return out, fmt.Errorf("model: the log-density of the samples of entry %d cannot be solved for", i+1)
		}
		copy(out.X.Row(i), top.x)
		out.LogP, out.Steps = append(out.LogP, top.f), append(out.Steps, top.steps)
		out.Settled = append(out.Settled, top.settled)
	}
	if s := a.m.spec.Standardizer; s != nil {
		s.Invert(out.X)
	}
	keepWithin(out.X, a.m.spec.Bounds)
	var err error
	out.Mass, err = a.m.Normalize(ctx, out.X, out.LogP, LikelihoodOptions{Given: a.o.Given, Solver: a.o.Solver,
		Within: a.o.Within})
	return out, err
}

// keepWithin undoes the rounding that takes a point on the side of a box out of it.
func keepWithin(x flow.Batch, b data.Bounds) {
	const rounding = 1e-9
	for i := range x.N {
		for d, v := range x.Row(i) {
			if d >= len(b) {
				return
			}
			if at := min(max(v, b[d][0]), b[d][1]); math.Abs(at-v) <= rounding*max(1, math.Abs(v)) {
				x.Row(i)[d] = at
			}
		}
	}
}

// deviations are the standard deviations of samples z in model units, coordinate by coordinate, between
// leastDeviation and 1, that of the data; that of a single sample is 1. Samples that could not be drawn,
// NaN, are none.
func deviations(z flow.Batch) []float64 {
	scale := make([]float64, z.D)
	for d := range scale {
		var column []float64
		for i := range z.N {
			if v := z.Row(i)[d]; !math.IsNaN(v) {
				column = append(column, v)
			}
		}
		scale[d] = 1
		if n := len(column); n > 1 {
			_, stdErr := stat.MeanStdErr(column)
			scale[d] = min(1, max(leastDeviation, stdErr*math.Sqrt(float64(n))))
		}
	}
	return scale
}

// norm is the largest number of v, by size.
func norm(v []float64) (most float64) {
	for _, x := range v {
		most = max(most, math.Abs(x))
	}
	return most
}
