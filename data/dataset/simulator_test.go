package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/data/simulator"
	"flowmatch/flow"
	"flowmatch/ode"
)

func TestEverySimulatorOpensByItsName(t *testing.T) {
	for _, name := range simulator.Names() {
		sim, err := simulator.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, Config{Simulator: name, N: 300, Val: new(50.0), Test: new(0.2)}, "", 4)
		if s.Kind != data.KindSimulator || s.Name != name || !slices.Equal(s.Columns, sim.Params) ||
			!slices.Equal(s.ContextColumns, sim.Data) || s.Context != len(sim.Data) || s.Dim != len(sim.Params) ||
			s.TrainSet.Len() != 190 || s.Val.Len() != 50 || s.Test.Len() != 60 || s.Notes != nil {
			t.Errorf("%s: opened as %+v", name, s)
		}
		x, given := flow.NewBatch(8, s.Dim), flow.NewGiven(8, false, s.Context)
		if err := s.Train.Fill(x, given, 3); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// Points are simulations of the seed, in the units that the standardizers say.
func TestPointsOfASimulatorAreItsSimulations(t *testing.T) {
	const n = 1000 // of four blocks
	s := mustOpen(t, Config{Simulator: "slcp", N: n, Val: new(100.0), Test: new(0.0)}, "", 7)
	sim, err := simulator.ByName("slcp")
	if err != nil {
		t.Fatal(err)
	}
	theta, x := flow.NewBatch(n, s.Dim), flow.NewBatch(n, s.Context)
	if err := sim.Draw(theta, x, 7, 0); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range n {
		seen[key(theta.Row(i), x.Row(i))] = true
	}
	for k, part := range []data.Finite{s.TrainSet, s.Val} {
		p, given, err := data.Rows(part, 0, part.Len(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if k == 0 { // which the units are those of
			checkUnits(t, "parameters", p)
			checkUnits(t, "data", given.Context)
		}
		s.Standardizer.Invert(p)
		s.ContextStandardizer.Invert(given.Context)
		for i := range p.N {
			row := key(p.Row(i), given.Context.Row(i))
			if !seen[row] {
				t.Fatalf("row %d is no simulation of the seed, or came twice", i)
			}
			delete(seen, row)
		}
	}
	if len(seen) > 0 {
		t.Errorf("%d simulations are in no part", len(seen))
	}
	again := mustOpen(t, Config{Simulator: "slcp", N: n, Val: new(100.0), Test: new(0.0)}, "", 8)
	if again.Fingerprint != s.Fingerprint {
		t.Error("another seed is another set")
	}
	a, _ := rows(t, s.TrainSet, 0, 5, nil)
	b, _ := rows(t, again.TrainSet, 0, 5, nil)
	if slices.Equal(a.X, b.X) {
		t.Error("two seeds have the same simulations")
	}
}

// key is a point with its context, to a few digits less than rounding takes away.
func key(theta, x []float64) string {
	return fmt.Sprintf("%.8g %.8g", theta, x)
}

// checkUnits checks that columns have mean 0 and deviation 1.
func checkUnits(t *testing.T, what string, x flow.Batch) {
	t.Helper()
	for j := range x.D {
		sum, square := 0.0, 0.0
		for i := range x.N {
			sum += x.Row(i)[j]
			square += x.Row(i)[j] * x.Row(i)[j]
		}
		if n := float64(x.N); math.Abs(sum/n) > 1e-9 || math.Abs(square/n-1) > 1e-9 {
			t.Errorf("%s: column %d has mean %g and square %g, want 0 and 1", what, j+1, sum/n, square/n)
		}
	}
}

// failing is a simulator that cannot do one in three of its simulations.
func failing() *simulator.Simulator {
	sim, err := simulator.ByName("gaussian_mixture")
	if err != nil {
		panic(err)
	}
	one := sim.One
	sim.Name = "own"
	sim.One = func(x, theta []float64, rng *rand.Rand) error {
		if theta[0] < -10./3 {
			return ode.ErrMaxNFE
		}
		return one(x, theta, rng)
	}
	return sim
}

func TestSimulationsThatFailAreLeftOutAndNoted(t *testing.T) {
	p, note, err := simulate(failing(), 900, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Len(); n < 550 || n > 650 || !strings.Contains(note, fmt.Sprintf("%d of 900 simulations failed", 900-n)) {
		t.Errorf("%d simulations are left, and the note is %q", n, note)
	}
	for i, v := range p.X.X {
		if i%2 == 0 && v < -10./3 || v-v != 0 {
			t.Fatalf("number %d of the parameters is %g", i, v)
		}
	}
	for i, v := range p.Given.Context.X {
		if v-v != 0 {
			t.Fatalf("number %d of the data is %g", i, v)
		}
	}
	none := failing()
	none.One = func([]float64, []float64, *rand.Rand) error { return ode.ErrMaxNFE }
	_, _, err = simulate(none, 10, 1)
	datatest.WantError(t, "none left", err, "all simulations failed: simulator own")
}

// The contexts of slcp_distractors have heavy tails, which training would see.
func TestContextsAreSquashed(t *testing.T) {
	most := func(squash bool) float64 {
		s := mustOpen(t, Config{Simulator: "slcp_distractors", N: 2000, SquashContext: squash}, "", 1)
		_, given, err := data.Rows(s.TrainSet, 0, s.TrainSet.Len(), nil)
		if err != nil || s.ContextStandardizer.Squash != squash {
			t.Fatalf("%+v, %v", s.ContextStandardizer, err)
		}
		return max(slices.Max(given.Context.X), -slices.Min(given.Context.X))
	}
	raw, squashed := most(false), most(true)
	if raw < 20 || math.Abs(squashed-2*math.Asinh(raw/2)) > 1e-9 {
		t.Errorf("the farthest number is %g, and %g squashed; want %g", raw, squashed, 2*math.Asinh(raw/2))
	}
}

// Of few epidemics none may have anyone infected on the first day.
func TestWhatIsConstantOfSimulationsIsCentredAlone(t *testing.T) {
	s := mustOpen(t, Config{Simulator: "sir", N: 200}, "", 1)
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], `"x1" of what is simulated to train on is constant`) {
		t.Errorf("notes %q, want one of x1", s.Notes)
	}
	if z := s.ContextStandardizer; z.Mean[0] != 0 || z.Std[0] != 1 || !(z.Std[5] > 1) {
		t.Errorf("standardized by %+v", z)
	}
}

// The bounds of a simulator are those of its prior, or wider.
func TestASimulatorTakesTheBoundsOfItsPrior(t *testing.T) {
	side := func(lo, hi float64) map[string]data.Bound { return map[string]data.Bound{"theta1": {lo, hi}} }
	s := mustOpen(t, Config{Simulator: "two_moons", N: 100, Bounds: side(-1, 1)}, "", 1)
	if got := s.Bounds.Named(s.Columns); got != "theta1 in [-1, 1]" {
		t.Errorf("bounds %q", got)
	}
	free := map[string]data.Bound{"beta": {0, unbounded}, "gamma": {-unbounded, unbounded}}
	if s := mustOpen(t, Config{Simulator: "sir", N: 100, Bounds: free}, "", 1); s.Bounds[0][0] != 0 {
		t.Errorf("bounds %v", s.Bounds)
	}
	for _, c := range []struct {
		name string
		is   map[string]data.Bound
		want string
	}{
		{"two_moons", side(-0.5, 1), `"theta1" is [-0.5 1], and draws of the prior of two_moons are from -1 to 1`},
		{"gaussian_linear", side(-9, 9), "from -Inf to +Inf"},
		{"slcp", map[string]data.Bound{"theta9": {-3, 3}}, `data.bounds: no column "theta9" is learnt`},
		{"sir", map[string]data.Bound{"beta": {0, 5}}, "from 0 to +Inf"},
	} {
		_, err := Config{Simulator: c.name, N: 100, Bounds: c.is}.Open("", 1)
		datatest.WantError(t, c.name, err, c.want)
	}
}

func TestBadSimulatorSectionsAreErrors(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Simulator: "two_moon", N: 10}, `unknown simulator "two_moon"; did you mean "two_moons"?`},
		{Config{Simulator: "two_moons"}, "n is not set; it is the number of simulations"},
		{Config{Simulator: "two_moons", N: -1}, "n = -1"},
		{Config{Simulator: "two_moons", N: 10, Name: "moons"}, "leave one out"},
		{Config{Simulator: "two_moons", N: 10, Path: "a.csv"}, "leave one out"},
		{Config{Simulator: "two_moons", N: 10, Kind: data.KindTable}, "by kind or uci the data are table"},
		{Config{Simulator: "two_moons", N: 10, UCI: "power", Path: "x"}, "by kind or uci the data are uci"},
		{Config{Kind: data.KindSimulator}, "kind simulator without simulator; set it to one of"},
		{Config{Simulator: "two_moons", N: 10, Context: []string{"x1"}}, "context is set, but the data are simulator"},
		{Config{Simulator: "two_moons", N: 10, SquashContext: true, Standardize: "none"}, "and standardize is none"},
		{Config{Path: "t.csv", SquashContext: true}, "squash_context is set, but there is no context"},
		{Config{Name: "moons", SquashContext: true}, "squash_context is set, but the data are synthetic"},
		{Config{Simulator: "two_moons", N: 10, Label: "a"}, "label is set, but the data are simulator"},
		{Config{Simulator: "two_moons", N: 10, Val: new(11.0)}, "val = 11 asks for more than the 10 points"},
		{Config{Simulator: "two_moons", N: 10, Standardize: "rows"}, "unknown standardize"},
	} {
		_, err := c.cfg.Open("", 1)
		datatest.WantError(t, fmt.Sprintf("%+v", c.cfg), err, c.want)
	}
}
