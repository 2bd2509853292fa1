package classify

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"flowmatch/flow"
)

// grown returns a forest and what it says of points.
func grown(t *testing.T, x flow.Batch, y []float64, o ForestOptions, asked flow.Batch) []float64 {
	t.Helper()
	f, err := NewForest(t.Context(), x, y, o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Predict(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// right returns the share of answers that are equal.
func right(got, want []float64) float64 {
	n := 0.0
	for i := range got {
		if got[i] == want[i] {
			n++
		}
	}
	return n / float64(len(got))
}

// noise returns n points in [0, 1)^3.
func noise(n int, seed uint64) flow.Batch {
	x, rng := flow.NewBatch(n, 3), rand.New(rand.NewPCG(seed, 0))
	for i := range x.X {
		x.X[i] = rng.Float64()
	}
	return x
}

func TestAForestLearnsWhatLinesDoNot(t *testing.T) {
	xor := func(x flow.Batch) []float64 {
		y := make([]float64, x.N)
		for i := range y {
			if (x.Row(i)[0] > 0.5) != (x.Row(i)[1] > 0.5) {
				y[i] = 1
			}
		}
		return y
	}
	x, asked := noise(500, 1), noise(300, 2)
	if got := right(grown(t, x, xor(x), ForestOptions{Classes: 2}, asked), xor(asked)); got < 0.93 {
		t.Errorf("xor: %g of 1 are right", got)
	}
	// Numbers of a far mean: R² of a product.
	product := func(x flow.Batch) (y []float64) {
		for i := range x.N {
			y = append(y, 1e9+x.Row(i)[0]*x.Row(i)[1])
		}
		return y
	}
	want := product(asked)
	got := grown(t, x, product(x), ForestOptions{}, asked)
	square, total := 0.0, 0.0
	for i := range got {
		square += (got[i] - want[i]) * (got[i] - want[i])
		total += (want[i] - 1e9 - 0.25) * (want[i] - 1e9 - 0.25)
	}
	if r2 := 1 - square/total; r2 < 0.85 {
		t.Errorf("a product: R² is %g", r2)
	}
}

// A tree of one coordinate asks where the classes part, and what is missing is with the smallest.
func TestWhereTreesAsk(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name        string
		x, y, asked []float64
		want        []float64
	}{
		{"two values", []float64{1, 1, 1, 3, 3, 3}, []float64{0, 0, 0, 1, 1, 1}, []float64{0, 1.9, 2.1, 9},
			[]float64{0, 0, 1, 1}},
		{"missing and there", []float64{nan, nan, nan, 3, 3, 3}, []float64{0, 0, 0, 1, 1, 1}, []float64{nan, -9, 9},
			[]float64{0, 1, 1}},
		{"nothing to ask", []float64{1, 1, 1, 1}, []float64{2, 2, 2, 0}, []float64{1}, []float64{2}},
	} {
		x, asked := flow.Batch{N: len(c.x), D: 1, X: c.x}, flow.Batch{N: len(c.asked), D: 1, X: c.asked}
		if got := grown(t, x, c.y, ForestOptions{Classes: 3}, asked); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAForestIsAFunctionOfItsSeed(t *testing.T) {
	x, asked := noise(60, 1), noise(50, 2)
	y := make([]float64, x.N)
	for i := range y {
		y[i] = x.Row(i)[2]
	}
	first := grown(t, x, y, ForestOptions{Trees: 7, Seed: 1}, asked)
	if again := grown(t, x, y, ForestOptions{Trees: 7, Seed: 1}, asked); !slices.Equal(first, again) {
		t.Errorf("got %v and %v", first, again)
	}
	if other := grown(t, x, y, ForestOptions{Trees: 7, Seed: 2}, asked); slices.Equal(first, other) {
		t.Error("the seed has no effect")
	}
}

func TestForestsThatCannotBeGrown(t *testing.T) {
	x := noise(2, 1)
	for name, c := range map[string]struct {
		x flow.Batch
		y []float64
		o ForestOptions
	}{
		"no points": {flow.NewBatch(0, 1), nil, ForestOptions{}}, "too few answers": {x, []float64{1}, ForestOptions{}},
		"no number":    {x, []float64{1, math.NaN()}, ForestOptions{}},
		"no class":     {x, []float64{0, 2}, ForestOptions{Classes: 2}},
		"half a class": {x, []float64{0, 0.5}, ForestOptions{Classes: 2}},
		"infinite":     {flow.Batch{N: 1, D: 1, X: []float64{math.Inf(1)}}, []float64{0}, ForestOptions{}},
	} {
		if _, err := NewForest(t.Context(), c.x, c.y, c.o); !errors.Is(err, ErrSample) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f, err := NewForest(t.Context(), x, []float64{0, 1}, ForestOptions{Trees: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Predict(t.Context(), flow.NewBatch(1, 2)); !errors.Is(err, ErrDim) {
		t.Errorf("of another dimension: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := NewForest(ended, x, []float64{0, 1}, ForestOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := f.Predict(ended, x); !errors.Is(err, context.Canceled) {
		t.Errorf("a prediction after the end: %v", err)
	}
	// A tree is left as it is.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	many, begin := noise(200000, 5), time.Now()
	_, err = NewForest(ctx, many, column(many, 0), ForestOptions{Trees: 1})
	if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// column returns a coordinate of all points.
func column(x flow.Batch, k int) []float64 {
	v := make([]float64, x.N)
	for i := range v {
		v[i] = x.Row(i)[k]
	}
	return v
}

// Two samples of one law are not told apart; a moved one, or one without the missing values of the other, is.
func TestAForestTellsSamplesApart(t *testing.T) {
	x, same, moved, holes := noise(200, 1), noise(200, 2), noise(200, 3), noise(200, 4)
	for i := range moved.N {
		moved.Row(i)[1] += 0.5
		if i%2 == 0 {
			holes.Row(i)[2] = math.NaN()
		}
	}
	for _, c := range []struct {
		name   string
		x      flow.Batch
		lo, hi float64
	}{{"one law", same, 0.4, 0.6}, {"moved", moved, 0.68, 0.82}, {"half of it missing", holes, 0.68, 0.82}} {
		got, err := TwoSampleForest(t.Context(), x, c.x, C2STOptions{Seed: 1})
		if err != nil || got.Accuracy < c.lo || got.Accuracy > c.hi || len(got.Folds) != 5 || got.Chance != 0.5 {
			t.Errorf("%s: got %+v, %v; want %g to %g", c.name, got, err, c.lo, c.hi)
		}
	}
	for name, bad := range map[string]flow.Batch{
		"other columns": flow.NewBatch(20, 2), "none": {D: 3},
		"infinite": {N: 9, D: 3, X: slices.Repeat([]float64{math.Inf(1)}, 27)},
	} {
		if _, err := TwoSampleForest(t.Context(), x, bad, C2STOptions{}); !errors.Is(err, ErrSample) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
