package nn

import (
	"math"
	"strings"
	"testing"
)

func TestWavesGoAllWays(t *testing.T) {
	w := Waves{Count: 600, Lowest: 2, Highest: 50}.Defaults()
	for _, dim := range []int{1, 2, 3, 9} {
		second := make([][]float64, dim) // E[e eᵀ] of unit directions, which is I/D where they go all ways
		for i := range second {
			second[i] = make([]float64, dim)
		}
		last := w.Lowest
		for k, v := range w.directions(dim) {
			length := 0.0
			for _, x := range v {
				length += float64(x) * float64(x)
			}
			length = math.Sqrt(length)
			if !(length > last) || !(length < w.Highest) {
				t.Fatalf("dimension %d: wave %d has length %g behind %g; want more, below %g", dim, k, length, last,
					w.Highest)
			}
			last = length
			for i := range v {
				for j := range v {
					second[i][j] += float64(v[i]) * float64(v[j]) / (length * length) / float64(w.Count)
				}
			}
		}
		for i := range second {
			for j, got := range second[i] {
				want := 0.0
				if i == j {
					want = 1 / float64(dim)
				}
				if math.Abs(got-want) > 0.03 {
					t.Errorf("dimension %d: the mean of e_%d e_%d is %.3f, want %.3f", dim, i, j, got, want)
				}
			}
		}
	}
}

func TestBadWavesAreNamed(t *testing.T) {
	less := -1.0
	for _, c := range []struct {
		waves   Waves
		average bool
		want    string
	}{
		{Waves{Count: -1}, false, "waves.count is -1"},
		{Waves{Lowest: 600}, false, "highest at least that"},
		{Waves{Highest: 1e6}, false, "waves.highest 1e+06"},
		{Waves{Lowest: math.NaN()}, false, "lowest must be above 0"},
		{Waves{Fade: &less}, false, "waves.fade is -1"},
		{Waves{}, true, "beside interval"},
	} {
		err := Config{Dim: 2, Waves: &c.waves, Average: c.average}.Defaults().Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.waves, err, c.want)
		}
	}
}

// TestWavesLearnFineDetails fits sin(60 x) on [0, 1] near t = 1, which a plain perceptron of the same size
// takes long for.
func TestWavesLearnFineDetails(t *testing.T) {
	eng, err := Open("native")
	if err != nil {
		t.Fatal(err)
	}
	loss := func(w *Waves) float64 {
		net, err := New(eng, Config{Dim: 1, Hidden: []int{32, 32}, Waves: w}, 1)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := net.NewTrainer(Optimizer{}, StepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		last := 0.0
		for step := range 300 {
			ex := NewExamples(128, 1)
			for i := range ex.T {
				x := math.Mod(float64(step*128+i)*0.6180339887, 1)
				ex.T[i], ex.X1.X[i], ex.X0.X[i] = 0.99, x, math.Sin(60*x)
				ex.Alpha[i], ex.G0[i], ex.Weight[i] = 1, 1, 1
			}
			r, err := tr.Step(ex, 5e-3)
			if err != nil {
				t.Fatal(err)
			}
			last = r.Loss
		}
		return last
	}
	if plain, fine := loss(nil), loss(&Waves{Count: 16, Highest: 100}); !(fine < 0.1*plain) {
		t.Errorf("the loss is %g with waves and %g without; want a tenth or less", fine, plain)
	}
}
