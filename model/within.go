package model

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
)

// Within limits a model to a region, such as the support of a prior: samples outside are drawn
// again, and a log-density is that of the points inside alone: log p minus the logarithm of the
// mass inside, which is estimated for each context by samples. The zero value is everywhere.
type Within struct {
	// Inside says whether a point [D], in data units, is in the region; nil: every point is. See
	// [flowmatch/data.Bounds.Inside] and [flowmatch/data.Support].
	Inside func(x []float64) bool
	// Draws is the most samples of a context that estimate the mass inside; 0: 1000. There are fewer
	// where these tell its logarithm to 0.01 nats.
	Draws int
	// Tries is how many samples of a context are drawn for one inside, on average, before drawing
	// gives up with [ErrMass]; 0: 1000.
	Tries int
	Seed  uint64 // of the samples that estimate the mass
}

// The defaults of Within.
const defaultDraws, defaultTries = 1000, 1000

// ErrMass is returned where a region has too little of the mass of a model to draw from it, or to
// divide by it.
var ErrMass = errors.New("model: hardly any sample is within the bounds")

// Acceptance counts the samples that were drawn within a region.
type Acceptance struct {
	Drawn  int `json:"drawn"`  // all of them
	Inside int `json:"inside"` // those in the region
	// Contexts is how many different things they are given: labels, contexts and what is shown.
	Contexts int `json:"contexts"`
	// Least is the smallest share of a context that was inside.
	Least float64 `json:"least"`
}

// Mass is how much of a model lies in a region, as samples estimate it, over the contexts of some
// points.
type Mass struct {
	Contexts int     `json:"contexts"` // different ones
	Draws    int     `json:"draws"`    // all of them
	Mean     float64 `json:"mean"`
	Least    float64 `json:"least"`
	// StdErr is the largest standard error of the logarithm of a mass, in nats.
	StdErr  float64 `json:"log_std_err"`
	Outside int     `json:"outside"` // points that are not in the region, whose density is 0
}

// within returns the region of a call: its own or, where that is nil, the bounds of the model; nil
// is everywhere.
func (m *Model) within(w *Within) *Within {
	switch {
	case w == nil && len(m.spec.Bounds) > 0:
		w = &Within{Inside: m.spec.Bounds.Inside}
	case w == nil || w.Inside == nil:
		return nil
	}
	filled := *w
	if filled.Draws == 0 {
		filled.Draws = defaultDraws
	}
	if filled.Tries == 0 {
		filled.Tries = defaultTries
	}
	return &filled
}

// checkBounds reports a box that is none of the points.
func (s Spec) checkBounds() error {
	if n := len(s.Bounds); n != 0 && n != s.Net.Dim {
		return fmt.Errorf("%w: bounds of %d coordinates for points of dimension %d", ErrSpec, n, s.Net.Dim)
	}
	for d, b := range s.Bounds {
		if err := b.Validate(); err != nil {
			return fmt.Errorf("%w: bounds: coordinate %d: %w", ErrSpec, d, err)
		}
	}
	return nil
}

func (w Within) check() error {
	if w.Draws < 1 || w.Tries < 1 {
		return fmt.Errorf("model: Within has %d draws and %d tries; want 1 at least, or 0 for the default", w.Draws,
			w.Tries)
	}
	return nil
}

// alike are the points that are given the same.
type alike struct {
	rows          []int // their numbers
	pending       []int // those of which no sample is inside yet
	drawn, inside int
	why           error // they cannot be solved for; nil: they can
}

// alikes returns n points by what they are given, and the number of that of each.
func alikes(g flow.Given, n int) (groups []*alike, of []int) {
	byKey := map[string]int{}
	of = make([]int, n)
	var key []byte
	for i := range n {
		one := g.Slice(i, i+1)
		key = key[:0]
		for _, l := range one.Label {
			key = binary.LittleEndian.AppendUint32(key, uint32(l))
		}
		for _, v := range one.Context.X {
			key = binary.LittleEndian.AppendUint64(key, math.Float64bits(v))
		}
		for _, v := range one.Shown.X {
			if math.IsNaN(v) { // of any bits: it is not known
				v = math.NaN()
			}
			key = binary.LittleEndian.AppendUint64(key, math.Float64bits(v))
		}
		k, known := byKey[string(key)]
		if !known {
			k = len(groups)
			byKey[string(key)] = k
			groups = append(groups, &alike{})
		}
		groups[k].rows, of[i] = append(groups[k].rows, i), k
	}
	return groups, of
}

// sampleWithin is Sample of a region: what is outside is drawn again. The samples that are inside
// at once are those of Sample without the region.
func (m *Model) sampleWithin(ctx context.Context, o SampleOptions, w Within) (s Samples, err error) {
	if err := w.check(); err != nil {
		return s, err
	}
	if how, ok := o.Sampler.(ODE); ok && how.Hold != nil {
		return s, fmt.Errorf("%w: points that are known in part cannot be drawn again until they are in a region",
			ErrSampler)
	}
	if err := m.spec.Net.CheckGiven(o.Given, o.N); err != nil {
		return s, fmt.Errorf("model: %w", err)
	}
	groups, of := alikes(o.Given, o.N)
	for _, g := range groups {
		g.pending = g.rows
	}
	s.X, s.X0 = flow.NewBatch(o.N, m.Dim()), flow.NewBatch(o.N, m.Dim())
	report := rising(o.Progress)
	var failed ode.PointsError
	for round, rows := uint64(0), upTo(0, o.N); len(rows) > 0; round++ {
		part, err := m.candidates(ctx, o, rows, round, report)
		var some *ode.PointsError
		switch {
		case errors.As(err, &some): // of what they are given, so that trying again is of no use
			for k, i := range some.Points {
				groups[of[rows[i]]].why = some.Errs[k]
			}
		case err != nil && round > 0 && failedByItself(err): // of all that are left
			for _, i := range rows {
				groups[of[i]].why = err
			}
			rows = s.missing(groups, w, &failed)
			continue
		case err != nil:
			return Samples{}, err
		}
		s.Stats = s.Stats.Max(part.Stats)
		if part.LogP != nil && s.LogP == nil {
			s.LogP = make([]float64, o.N)
		}
		s.accept(part, rows, groups, of, w, round == 0)
		rows = s.missing(groups, w, &failed)
	}
	if len(failed.Points) == o.N {
		return Samples{}, failed.Errs[0]
	}
	s.Inside = acceptanceOf(groups)
	how, density := o.Sampler.(Density)
	if !density {
		return s, failed.Err()
	}
	weigh := LikelihoodOptions{Given: o.Given, Solver: how.Solver, Batch: o.Batch}
	if failed.Points == nil {
		s.Mass, err = m.normalize(ctx, s.X, s.LogP, weigh, w)
		return s, err
	}
	return s, m.normalizeSome(ctx, &s, weigh, w, failed)
}

// acceptanceOf counts the draws of all points.
func acceptanceOf(groups []*alike) *Acceptance {
	a := &Acceptance{Least: 1, Contexts: len(groups)}
	for _, g := range groups {
		a.Drawn, a.Inside = a.Drawn+g.drawn, a.Inside+g.inside
		if g.why == nil {
			a.Least = min(a.Least, float64(g.inside)/float64(max(1, g.drawn)))
		}
	}
	return a
}

// candidates draws a sample for each of the points of these numbers; those of another round
// are others.
func (m *Model) candidates(ctx context.Context, o SampleOptions, rows []int, round uint64,
	report func(done float64, nfe int, round uint64)) (Samples, error) {
	o.Within, o.N, o.Given = &Within{}, len(rows), o.Given.Rows(rows)
	if round > 0 {
		o.Seed = seed.Rand(o.Seed, "sample/again", round).Uint64()
	}
	o.Progress = func(done float64, nfe int) { report(done, nfe, round) }
	return m.Sample(ctx, o)
}

// rising returns a report of rounds of a sampling, of which each is half of what is left, so that
// it does not fall.
func rising(p Progress) func(done float64, nfe int, round uint64) {
	spent, before, last := 0, 0, uint64(0)
	return func(done float64, nfe int, round uint64) {
		if round != last {
			before, last = spent, round
		}
		spent = before + nfe
		if left := math.Pow(0.5, float64(round)); p != nil {
			p(1-left+left/2*done, spent)
		}
	}
}

// accept keeps the candidates inside: in the first round each is for its own point, later for the
// next point of its kind that has none.
func (s *Samples) accept(part Samples, rows []int, groups []*alike, of []int, w Within, first bool) {
	rest := make([][]int, len(groups))
	for k, i := range rows {
		g := groups[of[i]]
		g.drawn++
		at := i
		if inside := w.Inside(part.X.Row(k)); inside {
			g.inside++
		} else {
			if first {
				rest[of[i]] = append(rest[of[i]], i)
			}
			continue
		}
		if !first {
			if len(g.pending) == 0 {
				continue // more than were needed
			}
			at, g.pending = g.pending[0], g.pending[1:]
		}
		copy(s.X.Row(at), part.X.Row(k))
		copy(s.X0.Row(at), part.X0.Row(k))
		if s.LogP != nil {
			s.LogP[at] = part.LogP[k]
		}
	}
	if first {
		for k, g := range groups {
			g.pending = rest[k]
		}
	}
}

// mostCandidates bounds the candidates of one kind of point in a round.
const mostCandidates = 256

// missing returns the numbers of the points that the next round draws candidates for, as many as
// are likely to be needed. Points of which too few samples are inside have failed, and are NaN.
func (s *Samples) missing(groups []*alike, w Within, failed *ode.PointsError) (rows []int) {
	for _, g := range groups {
		left := len(g.pending)
		if left == 0 {
			continue
		}
		why := g.why
		if why == nil && g.drawn > w.Tries*(g.inside+1) {
			why = fmt.Errorf("%w: %d of %d samples for point %d are inside, less than 1 in %d", ErrMass, g.inside,
				g.drawn, g.pending[0]+1, w.Tries)
		}
		if why != nil {
			for _, i := range g.pending {
				failed.Points, failed.Errs = append(failed.Points, i), append(failed.Errs, why)
				nan(s.X.Row(i))
				if s.LogP != nil {
					s.LogP[i] = math.NaN()
				}
			}
			g.pending = nil
			continue
		}
		rate := float64(g.inside+1) / float64(g.drawn+2)
		n := min(int(math.Ceil(1.1*float64(left)/rate)), max(left, mostCandidates))
		for range n {
			rows = append(rows, g.pending[0])
		}
	}
	return rows
}

// normalizeSome is normalize of samples of which some failed, which have no log-density. It returns
// the error of those.
func (m *Model) normalizeSome(ctx context.Context, s *Samples, o LikelihoodOptions, w Within,
	failed ode.PointsError) error {
	var rows []int
	for i, v := range s.LogP {
		if !math.IsNaN(v) {
			rows = append(rows, i)
		}
	}
	logp := make([]float64, len(rows))
	for k, i := range rows {
		logp[k] = s.LogP[i]
	}
	var err error
	o.Given = o.Given.Rows(rows)
	if s.Mass, err = m.normalize(ctx, s.X.Rows(rows), logp, o, w); err != nil {
		return err
	}
	for k, i := range rows {
		s.LogP[i] = logp[k]
	}
	return failed.Err()
}

// Normalize turns log-densities logp of points x [N, D], in data units, as LogProb returns them with
// the zero Within, into those of the points inside: it subtracts the logarithm of the mass inside,
// and writes -Inf for points outside. The region is that of o or, where that has none, the bounds of
// the model; without either nothing changes, and the Mass is nil. Points whose context has no mass
// inside become NaN, and the error is an [*ode.PointsError] with [ErrMass]; where that are all, it is
// that alone.
func (m *Model) Normalize(ctx context.Context, x flow.Batch, logp []float64, o LikelihoodOptions) (*Mass, error) {
	if err := m.made(); err != nil {
		return nil, err
	}
	if err := m.fits("points", x); err != nil {
		return nil, err
	}
	if len(logp) != x.N {
		return nil, fmt.Errorf("model: %d log-densities of %d points to normalise", len(logp), x.N)
	}
	w := m.within(o.Within)
	if w == nil {
		return nil, nil
	}
	if err := w.check(); err != nil {
		return nil, err
	}
	return m.normalize(ctx, x, logp, o, *w)
}

func (m *Model) normalize(ctx context.Context, x flow.Batch, logp []float64, o LikelihoodOptions, w Within) (
	*Mass, error,
) {
	if err := m.spec.Net.CheckGiven(o.Given, x.N); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	groups, of := alikes(o.Given, x.N)
	if err := m.weigh(ctx, groups, o, w); err != nil {
		return nil, err
	}
	mass, failed := &Mass{Least: 1}, ode.PointsError{}
	for _, g := range groups {
		if g.inside == 0 {
			why := fmt.Errorf("%w: none of %d samples for point %d is inside, so that its density cannot be divided "+
				"by the mass inside", ErrMass, g.drawn, g.rows[0]+1)
			for _, i := range g.rows {
				failed.Points, failed.Errs = append(failed.Points, i), append(failed.Errs, why)
			}
			continue
		}
		mass.Contexts++
		p := float64(g.inside) / float64(g.drawn)
		mass.Mean += p
		mass.Draws += g.drawn
		mass.Least, mass.StdErr = min(mass.Least, p), max(mass.StdErr, g.logErr())
	}
	if mass.Contexts == 0 && len(groups) > 0 {
		return nil, failed.Errs[0]
	}
	mass.Mean /= float64(max(1, mass.Contexts))
	for i := range logp {
		g := groups[of[i]]
		if g.inside == 0 {
			logp[i] = math.NaN()
		} else if w.Inside(x.Row(i)) {
			logp[i] -= math.Log(float64(g.inside) / float64(g.drawn))
		} else {
			mass.Outside++
			logp[i] = math.Inf(-1)
		}
	}
	return mass, failed.Err()
}

// weighed is about how many samples weigh is at a time.
const weighed = 1 << 18

// The first draws of a context, and the standard error of the logarithm of a mass, in nats, at
// which they are enough.
const firstDraws, closeEnough = 200, 0.01

// weigh counts for each kind of point how many samples are inside: of a few draws and, where these
// do not tell the mass closely, of w.Draws. All kinds start from the same source points, so that
// the mass of one does not depend on the others.
func (m *Model) weigh(ctx context.Context, groups []*alike, o LikelihoodOptions, w Within) error {
	x0 := flow.NewBatch(w.Draws, m.Dim())
	m.source.Sample(x0, seed.Rand(w.Seed, "mass", 0))
	few, report, round := min(w.Draws, firstDraws), rising(o.Progress), uint64(0)
	o.Progress = func(done float64, nfe int) { report(done, nfe, round) }
	if err := m.weighFrom(ctx, x0.Slice(0, few), groups, o, w); err != nil || few == w.Draws {
		return err
	}
	var rest []*alike
	for _, g := range groups {
		if g.logErr() > closeEnough {
			rest = append(rest, g)
		}
	}
	round = 1
	return m.weighFrom(ctx, x0.Slice(few, w.Draws), rest, o, w)
}

// logErr is the standard error of the logarithm of the mass inside: of none outside, as if one had
// been; of none inside, +Inf.
func (g *alike) logErr() float64 {
	n := float64(g.drawn)
	q := min(float64(g.inside), n-1) / n
	return math.Sqrt((1 - q) / (q * n))
}

// weighFrom is weigh with these source points.
func (m *Model) weighFrom(ctx context.Context, x0 flow.Batch, groups []*alike, o LikelihoodOptions, w Within) error {
	most := max(1, weighed/x0.N)
	for from := 0; from < len(groups); from += most {
		some := groups[from:min(from+most, len(groups))]
		rows, start := make([]int, 0, len(some)*x0.N), flow.NewBatch(len(some)*x0.N, m.Dim())
		for k, g := range some {
			copy(start.X[k*len(x0.X):], x0.X)
			rows = append(rows, slices.Repeat(g.rows[:1], x0.N)...)
		}
		solver := o.Solver
		solver.Observe = nil
		progress := func(done float64, nfe int) {
			o.Progress((float64(from)+done*float64(len(some)))/float64(len(groups)), nfe)
		}
		s, err := m.SampleFrom(ctx, start, SampleOptions{Given: o.Given.Rows(rows), Sampler: ODE{Solver: solver},
			Batch: o.Batch, Progress: progress})
		if err != nil && !failedPoints(err) { // which are NaN, and so not inside
			return fmt.Errorf("model: the mass inside: %w", err)
		}
		for i := range rows {
			g := some[i/x0.N]
			if g.drawn++; w.Inside(s.X.Row(i)) {
				g.inside++
			}
		}
	}
	return nil
}

// failedPoints says whether an error is that of some points.
func failedPoints(err error) bool {
	var some *ode.PointsError
	return errors.As(err, &some)
}
