package data_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// withGiven is n points x_i = i with the labels i and the contexts (10 i, -i).
func withGiven(n int) data.Points {
	p := counting(n)
	p.Given.Context = flow.NewBatch(n, 2)
	for i := range n {
		copy(p.Given.Context.Row(i), []float64{10 * float64(i), -float64(i)})
	}
	return p
}

func TestPointsComeWithWhatTheyAreGiven(t *testing.T) {
	p := withGiven(20)
	if p.Classes() != 20 || p.Context() != 2 {
		t.Errorf("%d classes and %d numbers of context, want 20 and 2", p.Classes(), p.Context())
	}
	check := func(what string, x flow.Batch, given flow.Given) {
		t.Helper()
		for i, v := range x.X {
			if float64(given.Label[i]) != v || !slices.Equal(given.Context.Row(i), []float64{10 * v, -v}) {
				t.Errorf("%s: point %g has label %d and context %v", what, v, given.Label[i], given.Context.Row(i))
			}
		}
	}
	x, given, err := data.Rows(data.Subset(p, []int{7, 2, 11}), 1, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	check("rows", x, given)
	s := data.Shuffle(p, 3)
	y, all := flow.NewBatch(50, 1), flow.NewGiven(50, true, 2)
	if err := s.Fill(y, all, 4); err != nil {
		t.Fatal(err)
	}
	check("stream", y, all)
	// The points do not depend on what is asked for beside them.
	for name, part := range map[string]flow.Given{"nothing": {}, "labels": {Label: make([]int32, 50)},
		"contexts": flow.NewGiven(50, false, 2)} {
		bare := flow.NewBatch(50, 1)
		if err := s.Fill(bare, part, 4); err != nil || !slices.Equal(bare.X, y.X) {
			t.Errorf("%s asked for: other points (error %v)", name, err)
		}
		if part.Label != nil && !slices.Equal(part.Label, all.Label) || part.Context.N > 0 &&
			!slices.Equal(part.Context.X, all.Context.X) {
			t.Errorf("%s asked for: others than with all", name)
		}
	}
	if err := s.Fill(y, flow.NewGiven(50, false, 3), 4); err == nil || errors.Is(err, data.ErrNoContext) {
		t.Errorf("contexts of another width: %v", err)
	}
	// One entry holds for all points.
	one := data.Points{X: flow.NewBatch(5, 1), Given: flow.Given{Label: []int32{3},
		Context: flow.Batch{N: 1, D: 1, X: []float64{7}}}}
	_, given, err = data.Rows(one, 1, 4, nil)
	if err != nil || !slices.Equal(given.Label, []int32{3, 3, 3}) ||
		!slices.Equal(given.Context.X, []float64{7, 7, 7}) {
		t.Errorf("one for all: %v (error %v)", given, err)
	}
}

// noisy makes contexts (x_0 + u, x_0) with u from the generator.
type noisy struct{}

func (noisy) Dim() int { return 2 }

func (noisy) Fill(context, x flow.Batch, rng *rand.Rand) error {
	for i := range x.N {
		context.Row(i)[0], context.Row(i)[1] = x.Row(i)[0]+rng.Float64(), x.Row(i)[0]
	}
	return nil
}

func TestASetWithContextsGivesThemInEveryPart(t *testing.T) {
	for _, c := range []dataset.Config{
		{Name: "moons", Val: new(30.0), Test: new(20.0)},
		{Name: "8gaussians", N: 40, Val: new(30.0), Test: new(20.0)},
	} {
		plain, err := c.Open("", 5)
		if err != nil {
			t.Fatal(err)
		}
		s, err := plain.WithContext(noisy{}, 9)
		if err != nil {
			t.Fatal(err)
		}
		if plain.Context != 0 || s.Context != 2 || s.Val.Context() != 2 || s.Classes != plain.Classes ||
			(s.TrainSet == nil) != (c.N == 0) {
			t.Errorf("%s: %d and %d numbers of context, training set %v", c.Name, plain.Context, s.Context, s.TrainSet)
		}
		for step := range uint64(3) {
			x, given := flow.NewBatch(16, 2), flow.NewGiven(16, true, 2)
			y, label := flow.NewBatch(16, 2), flow.NewGiven(16, true, 0)
			if err := errors.Join(s.Train.Fill(x, given, step), plain.Train.Fill(y, label, step)); err != nil {
				t.Fatal(err)
			}
			want := flow.NewBatch(16, 2)
			if err := (noisy{}).Fill(want, y, seed.Rand(9, "train/condition", step)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(x.X, y.X) || !slices.Equal(given.Label, label.Label) ||
				!slices.Equal(given.Context.X, want.X) {
				t.Errorf("%s, step %d: other points, labels or contexts", c.Name, step)
			}
			if err := s.Train.Fill(x, flow.Given{}, step); err != nil || !slices.Equal(x.X, y.X) {
				t.Errorf("%s, step %d: without contexts: %v", c.Name, step, err)
			}
		}
		for name, part := range map[string]data.Finite{"val": s.Val, "test": s.Test, "train": s.TrainSet} {
			if part == nil {
				continue
			}
			x, given, err := data.Rows(part, 0, part.Len(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range x.N {
				u := seed.Rand(9, "data/context", uint64(i)).Float64()
				if want := []float64{x.Row(i)[0] + u, x.Row(i)[0]}; !slices.Equal(given.Context.Row(i), want) {
					t.Fatalf("%s, %s: context %d is %v, want %v", c.Name, name, i, given.Context.Row(i), want)
				}
			}
			// A point's context does not depend on the others that are read.
			_, some, err := data.Rows(part, 3, 5, nil)
			if err != nil || !slices.Equal(some.Context.X, given.Context.X[6:10]) ||
				!slices.Equal(some.Label, given.Label[3:5]) {
				t.Errorf("%s, %s: rows 3 and 4 alone have other contexts (error %v)", c.Name, name, err)
			}
		}
	}
}

func TestContextsOfImagesAreAConditionOfThem(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	pix := make([]byte, 30*16)
	for i := range pix {
		pix[i] = byte(rng.Uint32())
	}
	m, err := image.New([]int{4, 4}, pix, nil, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := image.ConditionConfig{Kind: image.SuperRes, Factor: 2}.New([]int{4, 4}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := (&data.Set{Dim: 16, Train: data.Shuffle(m, 1), TrainSet: m, Val: m, Test: m}).WithContext(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	x, given, err := data.Rows(s.Test, 0, 30, rng)
	if err != nil {
		t.Fatal(err)
	}
	want := flow.NewBatch(30, c.Dim())
	if err := c.Fill(want, x, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(given.Context.X, want.X) || given.Label != nil {
		t.Error("the contexts of held-out images are not their conditions")
	}
	if err := s.Train.Fill(flow.NewBatch(2, 16), flow.NewGiven(2, true, 0), 0); !errors.Is(err, data.ErrNoLabels) {
		t.Errorf("labels: %v, want ErrNoLabels", err)
	}
	if err := s.Train.Fill(flow.NewBatch(2, 16), flow.NewGiven(3, false, 16), 0); err == nil {
		t.Error("three contexts of two points are no error")
	}
	if err := s.Val.Read(flow.NewBatch(1, 16), flow.NewGiven(1, false, 16), []int{30}, rng); err == nil {
		t.Error("point 30 of 30 is no error")
	}
}

// failing makes no context.
type failing struct{ noisy }

func (failing) Fill(flow.Batch, flow.Batch, *rand.Rand) error { return errors.New("boom") }

// What is not there is an error, and never a panic.
func TestWhatIsNotThereIsAnError(t *testing.T) {
	set := func(s *data.Set, c data.Contexter) error {
		_, err := s.WithContext(c, 1)
		return err
	}
	rows := func(f data.Finite, n int) error {
		_, _, err := data.Rows(f, 0, n, nil)
		return err
	}
	x, context := flow.NewBatch(2, 1), flow.NewGiven(2, false, 2)
	short := flow.Batch{N: 3, D: 1, X: []float64{1}}
	std := &data.Standardizer{Mean: make([]float64, 3), Std: []float64{1, 1, 1}}
	p := data.Points{X: flow.NewBatch(3, 1)}
	broken, err := (&data.Set{Train: data.Shuffle(p, 1), Val: p}).WithContext(failing{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, errShort := data.Fit(short, nil)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"contexts by nothing":   {set(&data.Set{}, nil), "what makes the contexts is nil"},
		"by a nil condition":    {set(&data.Set{}, (*image.Condition)(nil)), "what makes the contexts is nil"},
		"by an empty condition": {set(&data.Set{}, &image.Condition{}), "a context of 0 numbers"},
		"contexts of nothing":   {set(nil, noisy{}), "the set is nil"},
		"contexts that fail":    {broken.Train.Fill(x, context, 0), "boom"},
		"held-out, likewise":    {broken.Val.Read(x, context, []int{0, 1}, nil), "boom"},
		"short points":          {rows(data.Points{X: short}, 3), "Points.X is [3, 1] with 1 numbers; want 3"},
		"shuffled":              {data.Shuffle(data.Points{X: short}, 1).Fill(x, flow.Given{}, 0), "Points.X is"},
		"short contexts": {rows(data.Points{X: p.X, Given: flow.Given{Context: short}}, 3),
			"Points.Given.Context is [3, 1] with 1"},
		"rows of nothing":        {rows(nil, 0), "the set of points is nil"},
		"a check of nothing":     {data.CheckRead(nil, x, flow.Given{}, nil), "the set of points is nil"},
		"a shuffle of nothing":   {data.Shuffle(nil, 1).Fill(x, flow.Given{}, 0), "the set of points is nil"},
		"a part of nothing":      {rows(data.Subset(nil, []int{1}), 1), "rows 0 to 1 of a set of 0"},
		"draws of nothing":       {data.Draw(nil, nil, 1).Fill(x, flow.Given{}, 0), "distribution to draw from is nil"},
		"draws in no units":      {data.Draw(law(t, "moons"), std, 1).Fill(x, flow.Given{}, 0), "standardizer of 3"},
		"short room":             {data.Shuffle(p, 1).Fill(flow.Batch{N: 2, D: 1}, flow.Given{}, 0), "of 0 numbers"},
		"a fit of short points":  {errShort, "points [3, 1] of 1 numbers"},
		"no standardizer at all": {(*data.Standardizer)(nil).Validate(), "is nil"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, c.err, c.want)
		}
	}
	if data.Draw(nil, nil, 1).Dim() != 0 || data.Shuffle(nil, 1).Dim() != 0 || data.Standardized(nil, std) != nil ||
		data.Sample(nil, 3, nil).Len() != 0 {
		t.Error("nothing has points")
	}
	bare, err := (&data.Set{}).WithContext(noisy{}, 1)
	if err != nil || bare.Train != nil || bare.Context != 2 {
		t.Errorf("a set without parts: %+v, %v", bare, err)
	}
}

func TestTheOptimalNLLIsTheEntropy(t *testing.T) {
	if nll, known := (&data.Set{}).OptimalNLL(); known || nll != 0 {
		t.Errorf("of nothing: %g, %v", nll, known)
	}
	if nll, known := (&data.Set{Entropy: new(1.5)}).OptimalNLL(); !known || nll != 1.5 {
		t.Errorf("got %g, %v, want 1.5", nll, known)
	}
}

func TestStandardizedDensitiesAreThoseOfModelUnits(t *testing.T) {
	p := law(t, "8gaussians").(data.LogProber)
	std := &data.Standardizer{Mean: []float64{1, -2}, Std: []float64{2, 0.5}}
	z := flow.Batch{N: 1, D: 2, X: []float64{0.3, -0.4}}
	x := z.Clone()
	std.Invert(x)
	var got, same, want [1]float64
	data.Standardized(p, std).LogProb(got[:], z)
	data.Standardized(p, nil).LogProb(same[:], x)
	p.LogProb(want[:], x)
	if same != want || math.Abs(got[0]-(want[0]+std.LogDet(2))) > 1e-12 {
		t.Errorf("log p_z %g and log p_x %g, want %g and %g", got[0], same[0], want[0]+std.LogDet(2), want[0])
	}
}

func TestSampleLabelsWhatHasParts(t *testing.T) {
	if p := data.Sample(law(t, "moons"), 10, rand.New(rand.NewPCG(1, 1))); p.Len() != 10 || len(p.Given.Label) != 10 {
		t.Errorf("moons: %d points with %d labels", p.Len(), len(p.Given.Label))
	}
	if p := data.Sample(law(t, "swissroll"), 10, rand.New(rand.NewPCG(1, 1))); p.Len() != 10 || p.Given.Label != nil {
		t.Errorf("swissroll: %d points with labels %v", p.Len(), p.Given.Label)
	}
}
