package data

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// counting is n points whose one coordinate, and label, is their own number.
func counting(n int) Points {
	p := Points{X: flow.NewBatch(n, 1), Label: make([]int32, n)}
	for i := range n {
		p.X.X[i], p.Label[i] = float64(i), int32(i)
	}
	return p
}

func TestEveryPointComesExactlyOnceAnEpochWhateverTheBatchSize(t *testing.T) {
	const n, seedValue = 103, 9
	for _, b := range []int{1, 7, 50, 103, 250} {
		s := Shuffle(counting(n), seedValue)
		var seen []float64
		for step := uint64(0); len(seen) < 6*n; step++ {
			x, label := flow.NewBatch(b, 1), make([]int32, b)
			if err := s.Fill(x, label, step); err != nil {
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
func streams(seedValue uint64) map[string]Stream {
	pix := make([]byte, 40*6)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range pix {
		pix[i] = byte(rng.Uint32())
	}
	label := make([]int32, 40)
	for i := range label {
		label[i] = int32(i % 3)
	}
	images, err := NewImages([]int{2, 3}, pix, label, true, nil)
	if err != nil {
		panic(err)
	}
	board := Checkerboard{Half: 4}
	return map[string]Stream{
		"draws":        Draw(board, nil, seedValue),
		"standardized": Draw(board, &Standardizer{Mean: []float64{1}, Std: []float64{2}}, seedValue),
		"shuffled":     Shuffle(counting(30), seedValue),
		"images":       Shuffle(images, seedValue),
	}
}

func TestABatchIsAFunctionOfSeedAndStepInAnyOrderAndConcurrently(t *testing.T) {
	const steps, b, seedValue = 64, 17, 10
	for name, s := range streams(seedValue) {
		t.Run(name, func(t *testing.T) {
			fill := func(s Stream, step int) (flow.Batch, []int32) {
				x, label := flow.NewBatch(b, s.Dim()), make([]int32, b)
				if err := s.Fill(x, label, uint64(step)); err != nil {
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
						if err := fresh.Fill(bare, nil, uint64(step)); err != nil || !slices.Equal(bare.X, x.X) {
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

func TestLabelsAskedOfASetWithoutAreAnError(t *testing.T) {
	x, label := flow.NewBatch(2, 2), make([]int32, 2)
	plain := Points{X: flow.NewBatch(5, 2)}
	for name, s := range map[string]Stream{
		"swissroll": Draw(mustSet(t, "swissroll", Params{}), nil, 1),
		"points":    Shuffle(plain, 1),
	} {
		if err := s.Fill(x, label, 0); !errors.Is(err, ErrNoLabels) {
			t.Errorf("%s: got %v, want ErrNoLabels", name, err)
		}
	}
}

func TestShapeMismatchesPanic(t *testing.T) {
	s := Draw(Checkerboard{Half: 4}, nil, 1)
	for name, f := range map[string]func(){
		"wrong dimension":  func() { s.Fill(flow.NewBatch(2, 3), nil, 0) },
		"too few labels":   func() { s.Fill(flow.NewBatch(2, 2), make([]int32, 1), 0) },
		"empty set":        func() { Shuffle(Points{}, 1) },
		"rows out of set":  func() { Rows(counting(3), 1, 4, nil) },
		"no labels to get": func() { Points{X: flow.NewBatch(1, 1)}.Read(flow.NewBatch(1, 1), make([]int32, 1), []int{0}, nil) },
		"short logp":       func() { Checkerboard{Half: 4}.LogProb(nil, flow.NewBatch(1, 2)) },
		"pixels":           func() { Pixels(nil, []float64{1}) },
		"standardizer":     func() { (&Standardizer{Mean: []float64{0, 0}, Std: []float64{1, 1}}).Apply(flow.NewBatch(1, 3)) },
		"names": func() {
			_ = EncodeCSV(nil, []string{"a"}, flow.NewBatch(1, 2))
		},
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
		train, val, test, err := Split(c.n, c.val, c.test, 11)
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
		again, _, _, _ := Split(c.n, c.val, c.test, 11)
		if !slices.Equal(train, again) {
			t.Errorf("%s: two splits of one seed differ", what)
		}
	}
	a, _, _, _ := Split(100, 0.5, 0, 1)
	b, _, _, _ := Split(100, 0.5, 0, 2)
	if slices.Equal(a, b) {
		t.Error("two seeds give one split")
	}
	for _, c := range []struct {
		val, test float64
		want      string
	}{
		{0.5, 0.5, "val takes 5 and test 5 of 10 points, which leaves none"},
		{-1, 0, "val = -1; want a fraction below 1 or a number of points"},
		{0, 1.5, "test = 1.5; from 1 on it counts points and must be whole"},
		{11, 0, "val = 11 asks for more than the 10 points"},
	} {
		_, _, _, err := Split(10, c.val, c.test, 1)
		wantError(t, fmt.Sprintf("Split(10, %g, %g)", c.val, c.test), err, c.want)
	}
}

func TestASubsetKeepsOrderLabelsAndClasses(t *testing.T) {
	s := Subset(counting(10), []int{7, 2, 5})
	x, label := Rows(s, 1, 3, nil)
	if !slices.Equal(x.X, []float64{2, 5}) || !slices.Equal(label, []int32{2, 5}) || s.Len() != 3 || s.Classes() != 10 {
		t.Errorf("got points %v, labels %v, length %d, %d classes; want [2 5] [2 5] 3 10", x.X, label, s.Len(), s.Classes())
	}
}

func BenchmarkFill(b *testing.B) {
	points := Points{X: flow.NewBatch(60000, 2)}
	images, err := NewImages([]int{28, 28}, make([]byte, 60000*784), nil, true, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		s    Stream
	}{
		{"checkerboard", Draw(Checkerboard{Half: 4}, nil, 1)},
		{"moons", Draw(mustSet(b, "moons", Params{}), nil, 1)},
		{"points", Shuffle(points, 1)},
		{"images", Shuffle(images, 1)},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := flow.NewBatch(256, c.s.Dim())
			b.ReportAllocs()
			step := uint64(0)
			for b.Loop() {
				if err := c.s.Fill(x, nil, step); err != nil {
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
			d := mustSet(b, name, Params{})
			x, logp := flow.NewBatch(256, 2), make([]float64, 256)
			d.Sample(x, seed.Rand(1, "bench", 0))
			b.ReportAllocs()
			for b.Loop() {
				d.(LogProber).LogProb(logp, x)
			}
		})
	}
}
