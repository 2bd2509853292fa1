package run

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"flowmatch/calibration"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/plot"
)

const (
	// pitSamples is how many samples the held-out points of an unconditional run are ranked
	// among, and pitGiven how many each point of another, which is given what that is.
	pitSamples, pitGiven = 4000, 99
	// kolmogorov is the 95 % quantile of the Kolmogorov distribution, which the largest
	// distance of two distribution functions has, times the root of the number of points.
	kolmogorov = 1.3581
	// pitColumns is the most columns that have a line, and pitPlaces the values of a line.
	pitColumns, pitPlaces = 8, 100
)

// pit draws the calibration of each column: how the shares of samples below held-out values (the
// probability integral transform) are distributed, less the uniform distribution, which they
// have if the model is right.
func (a *artist) pit(ctx context.Context, w io.Writer) error {
	if a.Model.Spec().Image() != nil {
		return fmt.Errorf("run: a picture of kind pit is for tables and other points, and these are images")
	}
	set, err := a.Run.Data()
	if err != nil {
		return err
	}
	a.subject.Set = set
	truth, given, err := a.subject.TestPoints(min(a.N, set.Test.Len()))
	if err != nil {
		return err
	}
	shares, variance, err := a.shares(ctx, truth, given)
	if err != nil {
		return err
	}
	series, hidden := pitSeries(shares, kolmogorov*math.Sqrt(variance), a.Model.Spec().Columns)
	o := a.options()
	if hidden > 0 && o.Title == "" {
		o.Title = fmt.Sprintf("the %d columns farthest from uniform, of %d", pitColumns, truth.D)
	}
	return plot.Lines(w, series, plot.LineOptions{
		Options: o, LinearX: true, LinearY: true, XName: "PIT", YName: "distribution function less uniform",
	})
}

// shares returns the PIT of each coordinate of held-out points, [N, D], and the variance of
// their distribution function at its largest, in units of 1/4: one over the number of points
// and, where all are ranked among the same samples, one over the number of these.
func (a *artist) shares(ctx context.Context, truth flow.Batch, given flow.Given) (flow.Batch, float64, error) {
	p, err := a.prompt(1)
	if err != nil {
		return flow.Batch{}, 0, err
	}
	rng := seed.Rand(a.Seed, "pit", 0)
	if given.Empty() {
		x, err := a.sample(ctx, p, pitSamples, a.Seed)
		if err != nil {
			return flow.Batch{}, 0, err
		}
		return sharesBelow(truth, x, rng), 1/float64(truth.N) + 1/float64(x.N), nil
	}
	if err := a.fits("pit", 3*pitGiven); err != nil {
		return flow.Batch{}, 0, err
	}
	index := make([]int, truth.N*pitGiven)
	for i := range index {
		index[i] = i / pitGiven
	}
	p.Given = given.Rows(index)
	x, err := a.sample(ctx, p, len(index), a.Seed)
	if err != nil {
		return flow.Batch{}, 0, err
	}
	ranks, err := calibration.SBC(truth, x, rng)
	return ranks.U, 1 / float64(truth.N), err
}

// sharesBelow returns for each coordinate of points the share of the samples that lie below it,
// and a random part of those that are equal: of whole numbers too it is uniform if the model is
// right.
func sharesBelow(truth, samples flow.Batch, rng *rand.Rand) flow.Batch {
	out := flow.NewBatch(truth.N, truth.D)
	column := make([]float64, samples.N)
	for j := range truth.D {
		for i := range column {
			column[i] = samples.X[i*samples.D+j]
		}
		slices.Sort(column)
		for i := range truth.N {
			v := truth.X[i*truth.D+j]
			below, _ := slices.BinarySearch(column, v)
			upTo := atMost(column, v)
			out.X[i*out.D+j] = (float64(below) + rng.Float64()*float64(upTo-below)) / float64(len(column))
		}
	}
	return out
}

// atMost returns how many of sorted numbers are at most v.
func atMost(sorted []float64, v float64) int {
	n, _ := slices.BinarySearch(sorted, math.Nextafter(v, math.Inf(1)))
	return n
}

// pitSeries returns a line for each column of the shares, of many columns for those farthest
// from uniform, after the band that 95 % of right models stay within; and how many have none.
func pitSeries(shares flow.Batch, band float64, names []string) (series []plot.Series, hidden int) {
	right := plot.Series{Name: "right (95 %)", Bare: true, Neutral: true}
	for k := range pitPlaces + 1 {
		right.X = append(right.X, float64(k)/pitPlaces)
		right.Y, right.SD = append(right.Y, 0), append(right.SD, band)
	}
	type line struct {
		plot.Series
		far float64
	}
	var lines []line
	for j := range shares.D {
		l := line{Series: plot.Series{Name: fmt.Sprintf("x%d", j+1), X: right.X, Bare: true}}
		if j < len(names) {
			l.Name = names[j]
		}
		u := make([]float64, shares.N)
		for i := range u {
			u[i] = shares.X[i*shares.D+j]
		}
		slices.Sort(u)
		for _, x := range right.X {
			n := atMost(u, x)
			y := float64(n)/float64(len(u)) - x
			l.Y, l.far = append(l.Y, y), max(l.far, math.Abs(y))
		}
		lines = append(lines, l)
	}
	if hidden = max(0, len(lines)-pitColumns); hidden > 0 {
		slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(b.far, a.far) })
		lines = lines[:pitColumns]
	}
	series = append(series, right)
	for _, l := range lines {
		series = append(series, l.Series)
	}
	return series, hidden
}
