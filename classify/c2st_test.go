package classify

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
)

func opened(t *testing.T) *nn.Engine {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

// Two normal laws a distance s apart are told apart by the best rule with probability
// Φ(s/2), and samples of one law by no rule.
func TestTwoSampleFindsTheBestRule(t *testing.T) {
	eng, n := opened(t), 2000
	for _, shift := range []float64{0, 1, 2, 8} {
		reference, x := normal(31, n, 2), each(normal(32, n, 2), func(_ int, row []float64) { row[1] += shift })
		got, err := TwoSample(t.Context(), eng, reference, x, C2STOptions{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		want := 0.5 * math.Erfc(-shift/2/math.Sqrt2)
		if tolerance := 4 * math.Sqrt(want*(1-want)/float64(2*n)); math.Abs(got.Accuracy-want) > tolerance+0.005 {
			t.Errorf("%g apart: accuracy %.4f, want %.4f within %.4f", shift, got.Accuracy, want, tolerance+0.005)
		}
		if got.Chance != 0.5 || len(got.Folds) != 5 || got.StdErr < 0 || got.StdErr > 0.02 {
			t.Errorf("%g apart: %+v", shift, got)
		}
	}
}

// The result is a function of samples and seed, and not of the units of the coordinates.
func TestTwoSampleIsRepeatable(t *testing.T) {
	eng := opened(t)
	reference, x := normal(33, 300, 2), each(normal(34, 200, 2), linear(1.5, 0))
	run := func(reference, x flow.Batch, o C2STOptions) C2ST {
		t.Helper()
		got, err := TwoSample(t.Context(), eng, reference, x, o)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	var done []float64
	o := C2STOptions{Seed: 3, Folds: 3, Progress: func(d float64) { done = append(done, d) }}
	first := run(reference, x, o)
	if want := []float64{1.0 / 3, 2.0 / 3, 1}; !slices.Equal(done, want) {
		t.Errorf("progress %v, want %v", done, want)
	}
	o.Progress = nil
	if again := run(reference, x, o); !slices.Equal(first.Folds, again.Folds) {
		t.Errorf("the same seed: folds %v, then %v", first.Folds, again.Folds)
	}
	if first.Chance != 0.6 || first.Reference != 300 || first.Points != 200 {
		t.Errorf("of 300 and 200 points: %+v", first)
	}
	o.Seed = 4
	if other := run(reference, x, o); slices.Equal(first.Folds, other.Folds) {
		t.Error("another seed, and the same folds")
	}
	// A power of two changes no bit of what is scaled.
	o.Seed = 3
	far := run(each(reference.Clone(), linear(1024, 0)), each(x.Clone(), linear(1024, 0)), o)
	if !slices.Equal(first.Folds, far.Folds) {
		t.Errorf("in other units: folds %v, want %v", far.Folds, first.Folds)
	}
	o.Unscaled = true
	if plain := run(each(reference.Clone(), linear(1024, 0)), each(x.Clone(), linear(1024, 0)), o); slices.Equal(
		first.Folds, plain.Folds) {
		t.Error("Unscaled has no effect")
	}
}

// A column that is constant in both samples tells nothing, and is no error.
func TestTwoSampleTakesAConstantColumn(t *testing.T) {
	constant := func(x flow.Batch, v float64) flow.Batch {
		return each(x, func(_ int, row []float64) { row[1] = v })
	}
	for _, c := range []struct{ here, there, least, most float64 }{{5, 5, 0.4, 0.6}, {5, 7, 0.99, 1}} {
		got, err := TwoSample(t.Context(), opened(t), constant(normal(35, 300, 2), c.here),
			constant(normal(36, 300, 2), c.there), C2STOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Accuracy < c.least || got.Accuracy > c.most {
			t.Errorf("a column of %g and %g: accuracy %g", c.here, c.there, got.Accuracy)
		}
	}
}

func TestTwoSampleReportsWhatDoesNotFit(t *testing.T) {
	eng := opened(t)
	x := normal(37, 20, 2)
	nan := x.Clone()
	nan.X[5] = math.NaN()
	for _, c := range []struct {
		name         string
		reference, x flow.Batch
		o            C2STOptions
		want         string
	}{
		{"nothing", flow.Batch{}, x, C2STOptions{}, "reference sample is of shape [0, 0]"},
		{"NaN", x, nan, C2STOptions{}, "coordinate 1 of point 2 of the other sample is NaN"},
		{"two dimensions", x, normal(1, 20, 3), C2STOptions{}, "dimension 2 and points of dimension 3"},
		{"few points", x.Slice(0, 4), x.Slice(0, 4), C2STOptions{}, "needs at least 10"},
		{"one fold", x, x, C2STOptions{Folds: 1}, "at least 2 folds"},
		{"no units", x, x, C2STOptions{Hidden: []int{0}}, "hidden layers of at least 1"},
	} {
		_, err := TwoSample(t.Context(), eng, c.reference, c.x, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := TwoSample(gone, eng, x, x, C2STOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: got %v", err)
	}
	if _, err := TwoSample(t.Context(), nil, x, x, C2STOptions{}); err == nil {
		t.Error("no engine is no error")
	}
}

// simulations are of θ ~ N(0, 1) and x = θ + N(0, 1/4), with a sample each of N(0.8 x, 0.2)
// whose standard deviation is multiplied by what width says of x.
func simulations(s uint64, n int, width func(x float64) float64) (truth, x, samples flow.Batch) {
	rng := seed.Rand(s, "classify/simulations", 0)
	truth, x, samples = flow.NewBatch(n, 1), flow.NewBatch(n, 1), flow.NewBatch(n, 1)
	for i := range n {
		truth.X[i] = rng.NormFloat64()
		x.X[i] = truth.X[i] + 0.5*rng.NormFloat64()
		samples.X[i] = 0.8*x.X[i] + math.Sqrt(0.2)*width(x.X[i])*rng.NormFloat64()
	}
	return truth, x, samples
}

// atOne draws m samples of such a posterior at the observation x.
func atOne(s uint64, m int, x, width float64) flow.Batch {
	rng, b := seed.Rand(s, "classify/at-one", 0), flow.NewBatch(m, 1)
	for i := range b.X {
		b.X[i] = 0.8*x + math.Sqrt(0.2)*width*rng.NormFloat64()
	}
	return b
}

// A posterior that is right for x below 0 and too narrow above is found wrong above, by a
// statistic that is much larger there.
func TestLocalC2STIsLocal(t *testing.T) {
	width := func(x float64) float64 {
		if x > 0 {
			return 0.5
		}
		return 1
	}
	truth, x, samples := simulations(1, 1000, width)
	l, err := NewLocalC2ST(t.Context(), opened(t), truth, x, samples, LocalOptions{Seed: 1, Nulls: 39})
	if err != nil {
		t.Fatal(err)
	}
	var right float64 // the largest statistic where the posterior is right
	for _, at := range []float64{-1, -0.7, 0.7, 1} {
		points := atOne(2, 500, at, width(at))
		got, err := l.Test(points, []float64{at})
		if err != nil {
			t.Fatal(err)
		}
		if at < 0 {
			right = max(right, got.Statistic)
			continue
		}
		if got.P != 1.0/40 || got.Statistic < 5*right {
			t.Errorf("at x = %g: p = %.3f, statistic %.2g; where the posterior is right it is %.2g", at, got.P,
				got.Statistic, right)
		}
		// Too narrow: too much mass in the middle, too little outside.
		middle, outside := 0.0, 0.0
		for i, d := range got.D {
			if z := math.Abs(points.X[i]-0.8*at) / math.Sqrt(0.2); z < 0.3 {
				middle = max(middle, d)
			} else if z > 1 {
				outside = max(outside, d)
			}
		}
		if middle < 0.55 || outside > middle {
			t.Errorf("at x = %g: d is %.3f in the middle and at most %.3f outside", at, middle, outside)
		}
	}
}

// Of the exact posterior p-values are uniform: of 20 simulations with 9 classifiers of the
// null hypothesis each, their mean is 0.55 ± 0.064.
func TestLocalC2STPassesTheExactPosterior(t *testing.T) {
	if testing.Short() {
		t.Skip("trains 200 classifiers")
	}
	const runs = 20
	exact, mean := func(float64) float64 { return 1 }, 0.0
	for i := range uint64(runs) {
		truth, x, samples := simulations(10+i, 200, exact)
		l, err := NewLocalC2ST(t.Context(), opened(t), truth, x, samples, LocalOptions{Seed: i, Nulls: 9, Epochs: 50})
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Test(atOne(i, 200, 0.5, 1), []float64{0.5})
		if err != nil {
			t.Fatal(err)
		}
		mean += got.P / runs
	}
	if math.Abs(mean-0.55) > 4*0.064 {
		t.Errorf("the mean p-value of %d is %.3f, want 0.55 within 0.26", runs, mean)
	}
}

// Truths and samples are scaled as one sample is: exchanging them, as the null hypothesis does, changes nothing
// of what the classifiers see but their kinds.
func TestTheScaleOfALocalC2STDoesNotTellTruthsFromSamples(t *testing.T) {
	truth, x, samples := simulations(1, 50, func(float64) float64 { return 3 })
	o := LocalOptions{Nulls: 1, Epochs: 1}
	a, err := NewLocalC2ST(t.Context(), opened(t), truth, x, samples, o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewLocalC2ST(t.Context(), opened(t), samples, x, truth, o)
	if err != nil {
		t.Fatal(err)
	}
	if d := a.theta.std[0] - b.theta.std[0]; math.Abs(d) > 1e-12 || math.Abs(a.theta.mean[0]-b.theta.mean[0]) > 1e-12 {
		t.Errorf("scaled by %+v, and exchanged by %+v", a.theta, b.theta)
	}
}

func TestLocalC2STReportsWhatDoesNotFit(t *testing.T) {
	eng := opened(t)
	truth, x, samples := simulations(1, 20, func(float64) float64 { return 1 })
	for name, err := range map[string]error{
		"fewer observations": errorOf(NewLocalC2ST(t.Context(), eng, truth, x.Slice(0, 10), samples, LocalOptions{})),
		"more samples":       errorOf(NewLocalC2ST(t.Context(), eng, truth, x, normal(1, 40, 1), LocalOptions{})),
		"another dimension":  errorOf(NewLocalC2ST(t.Context(), eng, truth, x, normal(1, 20, 2), LocalOptions{})),
	} {
		if !errors.Is(err, ErrSample) {
			t.Errorf("%s: got %v, want ErrSample", name, err)
		}
	}
	l, err := NewLocalC2ST(t.Context(), eng, truth, x, samples, LocalOptions{Nulls: 1, Epochs: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"two numbers observed": errorOf(l.Test(samples, []float64{1, 2})),
		"NaN observed":         errorOf(l.Test(samples, []float64{math.NaN()})),
		"no samples":           errorOf(l.Test(flow.Batch{}, []float64{1})),
	} {
		if !errors.Is(err, ErrSample) {
			t.Errorf("%s: got %v, want ErrSample", name, err)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }
