package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/path"
)

// Quality compares samples with as many held-out points. What could not be measured is
// nil; without an error everything is there.
type Quality struct {
	Points int `json:"points"`
	NFE    int `json:"nfe,omitempty"` // of the samples
	// Chosen says that fewer samples than the settings say fitted the budget; nil: as many as they say.
	Chosen *Chosen `json:"chosen,omitempty"`
	*Distances
	*Paths
	// Restoration compares the samples with the images that their contexts are of.
	Restoration *Restoration `json:"restoration,omitempty"`
	// Doubts say why the figures are not to be trusted; empty: they are.
	Doubts []string `json:"doubts,omitempty"`
}

// Distances are those between samples and held-out points. Columns of a table with a schema have units of their
// own, dates and grams, and are measured in model units: in deviations of the columns.
type Distances struct {
	Unit     string   `json:"unit"`                // [UnitData], [UnitModel] or [UnitSpace]
	W2       *float64 `json:"w2,omitempty"`        // exact 2-Wasserstein distance
	SlicedW2 *float64 `json:"sliced_w2,omitempty"` // over 128 directions
	// MMD is squared, of an RBF kernel with the median distance as its bandwidth; nil of one
	// point, which has none.
	MMD *float64 `json:"mmd,omitempty"`
}

// The units of distances.
const (
	UnitData  = "data"  // those of the data
	UnitModel = "model" // standard deviations of the columns, after their transforms
	UnitSpace = "space" // of the space around a manifold: lengths of chords
)

// Paths measure the paths from the source points of the samples, in model units and in
// time scaled to [0, 1], along Euler steps; see [metrics.Trajectories].
type Paths struct {
	PathEnergy   float64  `json:"path_energy"`
	NPE          *float64 `json:"npe,omitempty"` // |path energy - W2²(source, target)| / W2²
	Straightness float64  `json:"straightness"`
}

// slicedDirections is the number of projections of SlicedW2.
const slicedDirections = 128

// pathSteps is the number of Euler steps along which path energy and straightness are
// measured, as in torchcfm's protocol.
const pathSteps = 100

// Quality compares Settings.Samples samples with as many held-out points, each given what
// the point is given. Beside an error, which names what failed, there is what was
// measured all the same.
func (s Subject) Quality(ctx context.Context) (*Quality, error) {
	q, _, err := s.quality(ctx)
	return q, err
}

// quality is Quality, with what model.Astray says of the samples where their steps are not too few.
func (s Subject) quality(ctx context.Context) (q *Quality, astray string, err error) {
	if s, err = s.checked(); err != nil {
		return nil, "", err
	}
	sampler, err := s.Settings.Sampler()
	if err != nil {
		return nil, "", err
	}
	test, given, err := s.TestPoints(s.Settings.Samples)
	if err != nil {
		return nil, "", err
	}
	drawn, err := s.draw(ctx, sampler, test.N, given)
	if ctx.Err() != nil {
		return nil, "", err
	}
	q = &Quality{Points: test.N, Doubts: append(few(test.N, "held-out points"), s.unlikeUnits(test)...)}
	var errs [4]error
	if errs[0] = err; err == nil {
		q.NFE = drawn.Stats.NFE
		if s.Model.TooFew(sampler) == "" {
			astray = s.Model.Astray(drawn.X, true)
		}
		errs[1], errs[2] = s.compareWith(ctx, q, drawn.X, test, given.Context)
	} else { // their paths begin where they would
		drawn.X0 = s.Model.SourcePoints(test.N, s.Seed)
	}
	if s.Model.Manifold() == nil { // straightness is that of lines
		q.Paths, errs[3] = s.paths(ctx, drawn.X0, test, given)
	}
	for i, what := range []string{"samples", "restoration", "distances to the data", "paths"} {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("%s: %w", what, errs[i])
		}
	}
	if q.Restoration == nil && q.Distances == nil && q.Paths == nil {
		q = nil
	}
	return q, astray, errors.Join(errs[:]...)
}

// compareWith measures samples x beside the test points, both in data units, whose contexts
// are given.
func (s Subject) compareWith(ctx context.Context, q *Quality, x, test, context flow.Batch) (restoration,
	distances error) {
	if c := s.Model.Conditioner(); c != nil {
		if err := c.Keep(x, context); err != nil {
			return err, nil
		}
		q.Restoration, restoration = s.restoration(x, test, context)
	}
	q.Distances, distances = s.distances(ctx, x, test)
	return restoration, distances
}

// draw draws n samples with the seed of the subject.
func (s Subject) draw(ctx context.Context, sampler model.Sampler, n int, given flow.Given) (model.Samples, error) {
	return s.Model.Sample(ctx, model.SampleOptions{
		N: n, Seed: s.Seed, Given: given, Sampler: sampler, Progress: s.watch("samples", n),
	})
}

// unlike is by how much deviations of columns may differ for distances between rows to say something of each.
const unlike = 10

// unlikeUnits says which column of points in data units decides distances, where others hardly matter to them.
func (s Subject) unlikeUnits(x flow.Batch) []string {
	spec := s.Model.Spec()
	if spec.Schema != nil || spec.Space != nil || len(spec.Columns) < 2 || x.N < 2 {
		return nil
	}
	least, most, at := math.Inf(1), 0.0, 0
	for k := range x.D {
		column := make([]float64, x.N)
		for i := range column {
			column[i] = x.Row(i)[k]
		}
		_, stdErr := stat.MeanStdErr(column)
		std := stdErr * math.Sqrt(float64(x.N))
		if std > most {
			most, at = std, k
		}
		if std > 0 {
			least = min(least, std)
		}
	}
	if most <= unlike*least {
		return nil
	}
	return []string{fmt.Sprintf("distances are in the units of the columns, whose deviations are from %.3g to %.3g: "+
		"%s decides them; a run with schema: auto (data.schema) has distances in deviations of each column", least,
		most, choice.Quote(spec.Columns[at]))}
}

// distances compares samples with as many points; both in data units. Beside an error there
// are those that were measured.
func (s Subject) distances(ctx context.Context, x, test flow.Batch) (*Distances, error) {
	d := Distances{Unit: UnitData}
	if s.Model.Manifold() != nil {
		d.Unit = UnitSpace
	}
	if sch := s.Model.Spec().Schema; sch != nil {
		d.Unit, x, test = UnitModel, x.Clone(), test.Clone()
		sch.Apply(x)
		sch.Apply(test)
	}
	w2, err := until(ctx, func() (float64, error) { return metrics.W2(x, test) })
	errs := []error{figure("", err, map[**float64]float64{&d.W2: w2})}
	sliced, err := until(ctx, func() (float64, error) {
		return metrics.SlicedW2(x, test, slicedDirections, seed.Rand(s.Seed, "run/quality", 0))
	})
	errs = append(errs, figure("", err, map[**float64]float64{&d.SlicedW2: sliced}))
	mmd, err := until(ctx, func() (float64, error) { return metrics.MMD(x, test) })
	errs = append(errs, figure("", err, map[**float64]float64{&d.MMD: mmd}))
	if d == (Distances{Unit: d.Unit}) {
		return nil, errors.Join(errs...)
	}
	return &d, errors.Join(errs...)
}

// paths measures how straight and how short the paths from source points x0, in model
// units, to the data are, of which test are some points, in data units.
func (s Subject) paths(ctx context.Context, x0, test flow.Batch, given flow.Given) (*Paths, error) {
	f, err := s.Model.Field(given)
	if err != nil {
		return nil, err
	}
	x1 := test.Clone()
	if u := s.Model.Spec().Units(); u != nil {
		u.Apply(x1)
	}
	steps := cmp.Or(s.EulerSteps, pathSteps)
	lo, hi := s.Model.Span()
	var p Paths
	p.PathEnergy, p.Straightness, err = metrics.Trajectories(stoppable{onUnitTime(f, lo, hi, steps), ctx}, x0, steps)
	if err != nil {
		return nil, err
	}
	w2, err := until(ctx, func() (float64, error) { return metrics.W2(x0, x1) })
	return &p, figure("", err, map[**float64]float64{&p.NPE: metrics.NPE(p.PathEnergy, w2)})
}

// stoppable is a field that has the error of ctx when that ends.
type stoppable struct {
	flow.Field
	ctx context.Context
}

// Velocity implements [flow.Field].
func (f stoppable) Velocity(v []float64, t float64, x []float64) error {
	if err := f.ctx.Err(); err != nil {
		return err
	}
	return f.Field.Velocity(v, t, x)
}

// onUnitTime returns a field of [lo, hi] as one of [0, 1], for so many Euler steps, which
// evaluate it at k/steps, k < steps. A field of [0, 1] is returned as it is, and so is one
// whose last times are cut off by no more than [path.Span] trims, if no step falls into
// them: its figures are then those of the published protocol. Any other is evaluated
// within [lo, hi] alone.
func onUnitTime(f flow.Field, lo, hi float64, steps int) flow.Field {
	last := float64(steps-1) / float64(steps)
	if lo == 0 && last <= hi && math.Abs(1-hi) <= 2*path.Trim {
		return f
	}
	return unitTime{f, lo, hi}
}

// unitTime is a field of [lo, hi] in the time u = (t - lo)/(hi - lo). A trajectory is the
// same curve, run through in one unit of time.
type unitTime struct {
	flow.Field
	lo, hi float64
}

// Velocity implements [flow.Field].
func (f unitTime) Velocity(v []float64, u float64, x []float64) error {
	if err := f.Field.Velocity(v, f.lo+(f.hi-f.lo)*u, x); err != nil {
		return err
	}
	for i := range v {
		v[i] *= f.hi - f.lo
	}
	return nil
}
