package data_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/datatest"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

func law(t testing.TB, name string) data.Distribution {
	t.Helper()
	d, err := synth.ByName(name, synth.Params{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// counting is n points whose one coordinate, and label, is their own number.
func counting(n int) data.Points {
	p := data.Points{X: flow.NewBatch(n, 1), Given: flow.NewGiven(n, true, 0)}
	for i := range n {
		p.X.X[i], p.Given.Label[i] = float64(i), int32(i)
	}
	return p
}

func TestEveryPointComesExactlyOnceAnEpochWhateverTheBatchSize(t *testing.T) {
	const n, seedValue = 103, 9
	for _, b := range []int{1, 7, 50, 103, 250} {
		s := data.Shuffle(counting(n), seedValue)
		var seen []float64
		for step := uint64(0); len(seen) < 6*n; step++ {
			x, label := flow.NewBatch(b, 1), make([]int32, b)
			if err := s.Fill(x, flow.Given{Label: label}, step); err != nil {
				t.Fatal(err)
			}
			for i, v := range x.X {
				if float64(label[i]) != v {
					t.Fatalf("batch %d: point %g has label %d", b, v, label[i])
				}
			}
			seen = append(seen, x.X...)
		}
		for e := range 6 {
			epoch := slices.Clone(seen[e*n : (e+1)*n])
			if e > 0 && slices.Equal(epoch, seen[(e-1)*n:e*n]) {
				t.Errorf("batch %d: epochs %d and %d have one order, seed %d", b, e-1, e, seedValue)
			}
			slices.Sort(epoch)
			for i, v := range epoch {
				if v != float64(i) {
					t.Fatalf("batch %d, epoch %d: point %d is missing or comes twice, seed %d", b, e, i, seedValue)
				}
			}
		}
	}
}

// streams is one of each kind, with its labels.
func streams(seedValue uint64) map[string]data.Stream {
	pix := make([]byte, 40*6)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range pix {
		pix[i] = byte(rng.Uint32())
	}
	label := make([]int32, 40)
	for i := range label {
		label[i] = int32(i % 3)
	}
	images, err := image.New([]int{2, 3}, pix, label, true, nil)
	if err != nil {
		panic(err)
	}
	board := synth.Checkerboard{Half: 4}
	return map[string]data.Stream{
		"draws":        data.Draw(board, nil, seedValue),
		"standardized": data.Draw(board, &data.Standardizer{Mean: []float64{1}, Std: []float64{2}}, seedValue),
		"shuffled":     data.Shuffle(counting(30), seedValue),
		"images":       data.Shuffle(images, seedValue),
	}
}

func TestABatchIsAFunctionOfSeedAndStepInAnyOrderAndConcurrently(t *testing.T) {
	const steps, b, seedValue = 64, 17, 10
	for name, s := range streams(seedValue) {
		t.Run(name, func(t *testing.T) {
			fill := func(s data.Stream, step int) (flow.Batch, []int32) {
				x, label := flow.NewBatch(b, s.Dim()), make([]int32, b)
				if err := s.Fill(x, flow.Given{Label: label}, uint64(step)); err != nil {
					t.Error(err)
				}
				return x, label
			}
			want, wantLabel := make([]flow.Batch, steps), make([][]int32, steps)
			for step := range steps {
				want[step], wantLabel[step] = fill(s, step)
			}
			fresh := streams(seedValue)[name]
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() {
					for _, step := range rand.New(rand.NewPCG(uint64(worker), 0)).Perm(steps) {
						x, label := fill(fresh, step)
						if !slices.Equal(x.X, want[step].X) || !slices.Equal(label, wantLabel[step]) {
							t.Errorf("step %d differs when asked for out of order, seed %d", step, seedValue)
						}
						// Without labels the points are the same.
						bare := flow.NewBatch(b, fresh.Dim())
						if err := fresh.Fill(bare, flow.Given{}, uint64(step)); err != nil ||
							!slices.Equal(bare.X, x.X) {
							t.Errorf("step %d differs without labels (error %v), seed %d", step, err, seedValue)
						}
					}
				})
			}
			wg.Wait()
			for step := 1; step < steps; step++ {
				if slices.Equal(want[step].X, want[0].X) {
					t.Errorf("steps 0 and %d are one batch, seed %d", step, seedValue)
				}
			}
			other, _ := fill(streams(seedValue + 1)[name], 0)
			if slices.Equal(other.X, want[0].X) {
				t.Errorf("seeds %d and %d give one batch", seedValue, seedValue+1)
			}
		})
	}
}

func TestLabelsAndContextsAskedOfASetWithoutAreAnError(t *testing.T) {
	x := flow.NewBatch(2, 2)
	labels, contexts := flow.NewGiven(2, true, 0), flow.NewGiven(2, false, 3)
	plain := data.Points{X: flow.NewBatch(5, 2)}
	for name, s := range map[string]data.Stream{
		"swissroll": data.Draw(law(t, "swissroll"), nil, 1),
		"points":    data.Shuffle(plain, 1),
		"a subset":  data.Shuffle(data.Subset(plain, []int{1, 2}), 1),
	} {
		if err := s.Fill(x, labels, 0); !errors.Is(err, data.ErrNoLabels) {
			t.Errorf("%s: got %v, want ErrNoLabels", name, err)
		}
		if err := s.Fill(x, contexts, 0); !errors.Is(err, data.ErrNoContext) {
			t.Errorf("%s: got %v, want ErrNoContext", name, err)
		}
	}
}

func TestWhatDoesNotFitIsAnError(t *testing.T) {
	s := data.Draw(synth.Checkerboard{Half: 4}, nil, 1)
	given := data.Points{X: flow.NewBatch(3, 1), Given: flow.NewGiven(2, true, 2)}
	read := func(f data.Finite, x flow.Batch, given flow.Given, index ...int) error {
		return f.Read(x, given, index, nil)
	}
	rows := func(f data.Finite, lo, hi int) error {
		_, _, err := data.Rows(f, lo, hi, nil)
		return err
	}
	one := flow.NewBatch(1, 1)
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"wrong dimension", s.Fill(flow.NewBatch(2, 3), flow.Given{}, 0), "dimension 3 for a set of dimension 2"},
		{"too few labels", s.Fill(flow.NewBatch(2, 2), flow.NewGiven(1, true, 0), 0), "room for 1 labels of 2 points"},
		{"empty set", data.Shuffle(data.Points{}, 1).Fill(flow.NewBatch(1, 0), flow.Given{}, 0), "the set is empty"},
		{"rows out of set", rows(counting(3), 1, 4), "rows 1 to 4 of a set of 3"},
		{"rows before the set", rows(counting(3), -1, 1), "rows -1 to 1"},
		{"rows backwards", rows(counting(3), 2, 1), "rows 2 to 1"},
		{"no labels to get", read(data.Points{X: one}, one, flow.NewGiven(1, true, 0), 0), "no class labels"},
		{"no contexts to get", read(counting(3), one, flow.NewGiven(1, false, 1), 0), "no contexts"},
		{"a point out of set", read(counting(3), one, flow.Given{}, 3), "point 3 asked of a set of 3"},
		{"a point before the set", read(counting(3), one, flow.Given{}, -1), "point -1 asked of a set of 3"},
		{"a point out of a subset", read(data.Subset(counting(3), []int{2}), one, flow.Given{}, 1),
			"point 1 asked of a set of 1"},
		{"a subset out of its set", read(data.Subset(counting(3), []int{7}), one, flow.Given{}, 0),
			"point 7 asked of a set of 3"},
		{"room for other points", read(counting(3), one, flow.Given{}, 0, 1), "a batch of 1 points for 2"},
		{"contexts of another length", read(given, one, flow.Given{}, 0), "2 labels and 2 contexts of 3 points"},
	} {
		datatest.WantError(t, c.name, c.err, c.want)
	}
}

func TestProgrammersMistakesPanic(t *testing.T) {
	std := &data.Standardizer{Mean: []float64{0, 0}, Std: []float64{1, 1}}
	for name, f := range map[string]func(){
		"short logp":   func() { synth.Checkerboard{Half: 4}.LogProb(nil, flow.NewBatch(1, 2)) },
		"pixels":       func() { image.Pixels(nil, []float64{1}) },
		"standardizer": func() { std.Apply(flow.NewBatch(1, 3)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestSplitCoversAllPointsOnceAndIsDeterminedByTheSeed(t *testing.T) {
	for _, c := range []struct {
		n, nVal, nTest int
		val, test      float64
	}{
		{100, 10, 20, 0.1, 0.2}, {100, 1, 1, 1, 1}, {7, 2, 3, 2, 3}, {11, 1, 0, 0.1, 0}, {5, 0, 0, 0, 0},
	} {
		what := fmt.Sprintf("Split(%d, %g, %g)", c.n, c.val, c.test)
		train, val, test, err := data.Split(c.n, c.val, c.test, 11)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if len(val) != c.nVal || len(test) != c.nTest {
			t.Errorf("%s: got %d and %d, want %d and %d points", what, len(val), len(test), c.nVal, c.nTest)
		}
		all := slices.Concat(train, val, test)
		slices.Sort(all)
		for i, v := range all {
			if i != v || len(all) != c.n {
				t.Fatalf("%s: the parts do not make 0 to %d: %v", what, c.n-1, all)
			}
		}
		again, _, _, _ := data.Split(c.n, c.val, c.test, 11)
		if !slices.Equal(train, again) {
			t.Errorf("%s: two splits of one seed differ", what)
		}
	}
	a, _, _, _ := data.Split(100, 0.5, 0, 1)
	b, _, _, _ := data.Split(100, 0.5, 0, 2)
	if slices.Equal(a, b) {
		t.Error("two seeds give one split")
	}
	for _, c := range []struct {
		val, test float64
		want      string
	}{
		{0.5, 0.5, "val takes 5 and test 5 of 10 points, which leaves none"},
		{-1, 0, "val = -1; want a fraction from 0 to below 1, or a number of points"},
		{0, 1.5, "test = 1.5; from 1 on it counts points and must be whole; a fraction is below 1"},
		{11, 0, "val = 11 asks for more than the 10 points there are; give fewer, or a fraction of them"},
		{1e12, 0, "val = 1000000000000 asks for more than the 10 points there are"},
		{0, 1e300, "test = 1e+300 asks for more than the 10 points there are"},
	} {
		_, _, _, err := data.Split(10, c.val, c.test, 1)
		datatest.WantError(t, fmt.Sprintf("Split(10, %g, %g)", c.val, c.test), err, c.want)
	}
}

func TestASubsetKeepsOrderLabelsAndClasses(t *testing.T) {
	s := data.Subset(counting(10), []int{7, 2, 5})
	x, given, err := data.Rows(s, 1, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	label := given.Label
	if !slices.Equal(x.X, []float64{2, 5}) || !slices.Equal(label, []int32{2, 5}) || s.Len() != 3 || s.Classes() != 10 {
		t.Errorf("got points %v, labels %v, length %d, %d classes; want [2 5] [2 5] 3 10", x.X, label,
			s.Len(), s.Classes())
	}
}

func BenchmarkFill(b *testing.B) {
	points := data.Points{X: flow.NewBatch(60000, 2)}
	images, err := image.New([]int{28, 28}, make([]byte, 60000*784), nil, true, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		s    data.Stream
	}{
		{"checkerboard", data.Draw(synth.Checkerboard{Half: 4}, nil, 1)},
		{"moons", data.Draw(law(b, "moons"), nil, 1)},
		{"points", data.Shuffle(points, 1)},
		{"images", data.Shuffle(images, 1)},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := flow.NewBatch(256, c.s.Dim())
			b.ReportAllocs()
			step := uint64(0)
			for b.Loop() {
				if err := c.s.Fill(x, flow.Given{}, step); err != nil {
					b.Fatal(err)
				}
				step++
			}
			b.ReportMetric(256*float64(b.N)/b.Elapsed().Seconds(), "points/s")
		})
	}
}

func BenchmarkCurveLogProb(b *testing.B) {
	for _, name := range []string{"moons", "spirals"} {
		b.Run(name, func(b *testing.B) {
			d := law(b, name)
			x, logp := flow.NewBatch(256, 2), make([]float64, 256)
			d.Sample(x, seed.Rand(1, "bench", 0))
			b.ReportAllocs()
			for b.Loop() {
				d.(data.LogProber).LogProb(logp, x)
			}
		})
	}
}
