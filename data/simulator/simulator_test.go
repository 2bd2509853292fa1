package simulator

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
)

func TestSimulationsAreAFunctionOfTheSeedAndTheirNumber(t *testing.T) {
	for _, name := range Names() {
		s := byName(t, name)
		draw := func(seedValue, first uint64, n int) []float64 {
			theta, x := flow.NewBatch(n, len(s.Params)), flow.NewBatch(n, len(s.Data))
			if err := s.Draw(theta, x, seedValue, first); err != nil {
				t.Fatal(err)
			}
			var rows []float64
			for i := range n {
				rows = append(append(rows, theta.Row(i)...), x.Row(i)...)
			}
			return rows
		}
		all := draw(7, 0, 10)
		if parts := append(draw(7, 0, 4), draw(7, 4, 6)...); !slices.Equal(all, parts) {
			t.Errorf("%s: ten simulations are not four and six", name)
		}
		if slices.Equal(all, draw(8, 0, 10)) {
			t.Errorf("%s: the seed does not matter", name)
		}
		if again := draw(7, 0, 10); !slices.Equal(all, again) {
			t.Errorf("%s: the same simulations, drawn again, are others", name)
		}
	}
}

func TestEachSimulatorHasItsShape(t *testing.T) {
	want := map[string][2]int{
		"two_moons": {2, 2}, "slcp": {5, 8}, "slcp_distractors": {5, 100}, "gaussian_linear": {10, 10},
		"gaussian_linear_uniform": {10, 10}, "gaussian_mixture": {2, 2}, "bernoulli_glm": {10, 10},
		"bernoulli_glm_raw": {10, 100}, "sir": {2, 10}, "lotka_volterra": {4, 20},
	}
	for _, name := range Names() {
		s := byName(t, name)
		if got := [2]int{len(s.Params), len(s.Data)}; got != want[name] || s.Name != name {
			t.Errorf("%s is called %q and has the shape %v, want %v", name, s.Name, got, want[name])
		}
		theta := flow.NewBatch(1000, len(s.Params))
		s.Prior.Sample(theta, seed.Rand(1, "test", 0))
		logp := make([]float64, theta.N)
		s.Prior.LogProb(logp, theta)
		for i := range theta.N {
			if box := s.Prior.Box(); box != nil && !box.Contains(theta.Row(i)) || math.IsInf(logp[i], 0) {
				t.Fatalf("%s: θ=%v, of log density %g, is outside of %v", name, theta.Row(i), logp[i], box)
			}
		}
	}
	if len(want) != len(Names()) {
		t.Errorf("%d simulators, want %d", len(Names()), len(want))
	}
}

func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: error %v; want %q in it", what, err, want)
	}
}

func TestWhatDoesNotFitIsAnError(t *testing.T) {
	_, err := ByName("two_moon")
	wantError(t, "a name", err,
		`unknown simulator "two_moon"; did you mean "two_moons"? it must be one of two_moons, slcp`)
	s := byName(t, "slcp")
	batch := flow.NewBatch
	for _, c := range []struct {
		theta, x flow.Batch
		want     string
	}{
		{batch(3, 4), batch(3, 8), "simulator slcp: points of 4 parameters; it has 5"},
		{batch(3, 5), batch(3, 7), "simulator slcp: points of 7 data; it has 8"},
		{batch(3, 5), batch(2, 8), "simulator slcp: room for 2 simulations of 3 rows of parameters"},
		{flow.Batch{N: 3, D: 5, X: make([]float64, 14)}, batch(3, 8),
			"simulator slcp: 14 numbers are not 3 points of 5 parameters"},
	} {
		wantError(t, "Simulate", s.Simulate(c.x, c.theta, seed.Rand(1, "test", 0)), c.want)
		wantError(t, "Draw", s.Draw(c.theta, c.x, 1, 0), c.want)
	}
	if err := s.Simulate(batch(0, 8), batch(0, 5), nil); err != nil {
		t.Errorf("no simulations: %v", err)
	}
}

func TestSimulationsThatFailAreNaNAndNamed(t *testing.T) {
	s := byName(t, "lotka_volterra")
	theta, x := flow.NewBatch(4, 4), flow.NewBatch(4, 20)
	s.Prior.Sample(theta, seed.Rand(1, "test", 0))
	theta.Row(1)[3] = math.NaN()
	theta.Row(3)[1] = -1 // prey feed on predators, and are without end at some time
	err := s.Simulate(x, theta, seed.Rand(1, "test", 0))
	var failed *ode.PointsError
	if !errors.As(err, &failed) || !slices.Equal(failed.Points, []int{1, 3}) {
		t.Fatalf("error %v; want one of rows 1 and 3", err)
	}
	wantError(t, "the first", err, "point 1: simulator lotka_volterra: delta is NaN; it must be a finite number (and 1")
	wantError(t, "the second", failed.Errs[1], "simulator lotka_volterra: ode: ")
	for i := range x.N {
		for _, v := range x.Row(i) {
			if math.IsNaN(v) != (i%2 == 1) {
				t.Fatalf("row %d is %v", i, x.Row(i))
			}
		}
	}
}

func TestASimulatorOfOnesOwn(t *testing.T) {
	s := &Simulator{Name: "coin", Params: []string{"p"}, Data: []string{"heads"},
		Prior: Uniform{Lo: []float64{0}, Hi: []float64{1}},
		One: func(x, theta []float64, rng *rand.Rand) error {
			x[0] = binomial(10, theta[0], rng)
			return nil
		}}
	theta, x := flow.NewBatch(10000, 1), flow.NewBatch(10000, 1)
	if err := s.Draw(theta, x, 1, 0); err != nil {
		t.Fatal(err)
	}
	// Bayes himself: of ten throws, any number of heads is as likely.
	var count [11]float64
	for _, v := range x.X {
		count[int(v)]++
	}
	for k, n := range count {
		if want := 10000.0 / 11; math.Abs(n-want) > 5*math.Sqrt(want) {
			t.Errorf("%d heads %g times, want %.0f", k, n, want)
		}
	}
}

func TestBinomialNumbersHaveTheirProbabilities(t *testing.T) {
	const draws = 20000
	for _, c := range []struct {
		n int
		p float64
	}{{1000, 0}, {1000, 1e-6}, {1000, 0.002}, {1000, 0.3}, {1000, 0.5}, {1000, 0.83}, {1000, 1}, {7, 0.4}} {
		rng := seed.Rand(3, "binomial", uint64(c.n))
		sum, square := 0.0, 0.0
		count := make(map[float64]float64)
		for range draws {
			k := binomial(c.n, c.p, rng)
			count[k]++
			d := k - float64(c.n)*c.p
			sum, square = sum+d/draws, square+d*d/draws
		}
		variance := float64(c.n) * c.p * (1 - c.p)
		if math.Abs(sum) > 5*math.Sqrt(variance/draws) {
			t.Errorf("n=%d p=%g: the mean is off by %g", c.n, c.p, sum)
		}
		law := distuv.Binomial{N: float64(c.n), P: c.p}
		for k, n := range count {
			if want := 1.0; c.p != 0 && c.p != 1 {
				want = law.Prob(k)
				if math.Abs(n-draws*want) > 6*math.Sqrt(draws*want)+1 {
					t.Errorf("n=%d p=%g: %g comes %g times, want %.1f", c.n, c.p, k, n, draws*want)
				}
			} else if n != draws || k != float64(c.n)*c.p {
				t.Errorf("n=%d p=%g: %g comes %g times of %d", c.n, c.p, k, n, draws)
			}
		}
		if c.n == 1000 && c.p > 0.1 && c.p < 0.9 && math.Abs(square/variance-1) > 5*math.Sqrt(2./draws) {
			t.Errorf("n=%d p=%g: variance %g, want %g", c.n, c.p, square, variance)
		}
	}
}

// The same equations as they are written, by another method and far more exactly.
func TestEquationsAreSolved(t *testing.T) {
	exact := ode.Solver{Method: ode.Dopri8, Control: ode.Adaptive{RTol: 1e-12, ATol: 1e-14}}
	s := byName(t, "lotka_volterra")
	theta := flow.NewBatch(20, 4)
	s.Prior.Sample(theta, seed.Rand(1, "test", 0))
	x := make([]float64, 20)
	for i := range theta.N {
		p := theta.Row(i)
		still := rand.New(zeros{}) // of which all normal numbers are the same small one
		if err := s.One(x, p, still); err != nil {
			t.Fatal(err)
		}
		shift := 0.1 * still.NormFloat64()
		u := []float64{30, 1}
		_, err := exact.SolveAt(t.Context(), func(du []float64, _ float64, u []float64) error {
			du[0] = p[0]*u[0] - p[1]*u[0]*u[1]
			du[1] = -p[2]*u[1] + p[3]*u[0]*u[1]
			return nil
		}, u, every(2.1, 10), func(k int, u []float64) error {
			for j, v := range u {
				if got := x[10*j+k] / math.Exp(shift); v > 1e-3 && math.Abs(got-v) > 1e-4*v {
					t.Errorf("θ=%.3g: at time %.1f population %d is %.8g, want %.8g", p, 2.1*float64(k), j+1, got, v)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// zeros is a source of random numbers that are all 0.
type zeros struct{}

func (zeros) Uint64() uint64 { return 0 }
