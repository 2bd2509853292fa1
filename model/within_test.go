package model

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// bounded is shifts, p(x | c) = N(1+2c, 4I), within a box of which one side is open.
func bounded(t *testing.T) *Model {
	t.Helper()
	m := shifts(t)
	spec := m.Spec()
	spec.Bounds = data.Bounds{{0, 3}, {-1, math.Inf(1)}}
	m, err := New(spec, m.Net())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// massOfBox is that of N(1+2c, 4I) in the box of bounded.
func massOfBox(c []float64) float64 {
	phi := func(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
	at := func(x, c float64) float64 { return phi((x - 1 - 2*c) / 2) }
	return (at(3, c[0]) - at(0, c[0])) * (1 - at(-1, c[1]))
}

func TestSamplesAndDensitiesAreThoseWithinTheBounds(t *testing.T) {
	m, ctx := bounded(t), t.Context()
	solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(2)}
	contexts := flow.Batch{N: 2, D: 2, X: []float64{0.5, -0.5, -1, 0.25}}
	const n = 4000
	given := flow.Given{Context: contexts.Rows(append(slices.Repeat([]int{0}, n), slices.Repeat([]int{1}, n)...))}
	o := SampleOptions{N: 2 * n, Seed: 3, Given: given, Sampler: Density{Solver: solver}}
	s, err := m.Sample(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	free := o
	free.Within = &Within{}
	all, err := m.Sample(ctx, free)
	if err != nil || all.Inside != nil {
		t.Fatal(err)
	}
	kept := 0
	for i := range s.X.N {
		switch inside := m.Spec().Bounds.Inside(all.X.Row(i)); {
		case !m.Spec().Bounds.Inside(s.X.Row(i)):
			t.Fatalf("sample %d is %v", i, s.X.Row(i))
		case inside && !slices.Equal(s.X.Row(i), all.X.Row(i)):
			t.Fatalf("sample %d was inside at once, and is another", i)
		case inside:
			kept++
		}
	}
	want := (massOfBox(contexts.Row(0)) + massOfBox(contexts.Row(1))) / 2
	if got := float64(kept) / (2 * n); math.Abs(got-want) > 4*math.Sqrt(want/(2*n)) {
		t.Errorf("%.4f of the samples are inside at once, want %.4f", got, want)
	}
	least := min(massOfBox(contexts.Row(0)), massOfBox(contexts.Row(1)))
	if a := s.Inside; a.Drawn <= 2*n || a.Inside < 2*n || math.Abs(a.Least-least) > 0.03 {
		t.Errorf("acceptance %+v; the least mass is %.3f", *a, least)
	}
	// log p = log N - log mass, by both ways.
	logp, _, err := m.LogProb(ctx, s.X, LikelihoodOptions{Given: given, Solver: solver})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 17, n, 2*n - 1} {
		x, c, exact := s.X.Row(i), given.Context.Row(i), -math.Log(2*math.Pi)-2*math.Log(2)
		for d := range x {
			z := (x[d] - 1 - 2*c[d]) / 2
			exact -= z * z / 2
		}
		exact -= math.Log(massOfBox(c))
		if math.Abs(logp[i]-exact) > 4*s.Mass.StdErr || math.Abs(logp[i]-s.LogP[i]) > 1e-5 {
			t.Errorf("log p of point %d is %.4f, and %.4f as a sample; want %.4f ± %.4f", i, logp[i], s.LogP[i], exact,
				s.Mass.StdErr)
		}
	}
	if s.Mass.Contexts != 2 || math.Abs(s.Mass.Mean-want) > 0.05 || s.Mass.StdErr <= 0 {
		t.Errorf("the mass inside is %+v, want %.3f on average", *s.Mass, want)
	}
	// A mass does not depend on the other contexts.
	last := given.Slice(2*n-1, 2*n)
	one, _, err := m.LogProb(ctx, s.X.Slice(2*n-1, 2*n), LikelihoodOptions{Given: last, Solver: solver})
	if err != nil || math.Abs(one[0]-logp[2*n-1]) > 1e-5 {
		t.Errorf("log p of a point alone is %v, and among others %v (%v)", one, logp[2*n-1], err)
	}
}

// TestAMassIsDrawnUntilItIsKnown: of a context that is inside but for one in a thousand, 200 draws
// are enough; of one that is half inside, not.
func TestAMassIsDrawnUntilItIsKnown(t *testing.T) {
	m := bounded(t)
	given := flow.Given{Context: flow.NewBatch(1, 2)} // x[0] is N(1, 4)
	for _, c := range []struct {
		below float64
		draws int
	}{{1 + 2*3.1, 200}, {1, 1000}} {
		mass, err := m.Normalize(t.Context(), flow.NewBatch(1, 2), []float64{0}, LikelihoodOptions{Given: given,
			Solver: euler(2), Within: &Within{Inside: func(x []float64) bool { return x[0] < c.below }}})
		want := 0.5 * math.Erfc(-(c.below-1)/2/math.Sqrt2)
		if err != nil || mass.Draws != c.draws || math.Abs(math.Log(mass.Mean/want)) > 4*mass.StdErr {
			t.Errorf("below %g: %+v (%v), want a mass of %.4f by %d draws", c.below, mass, err, want, c.draws)
		}
	}
}

// TestARegionIsWhereADensityIsNotZero: of Go, any region can be told.
func TestARegionIsWhereADensityIsNotZero(t *testing.T) {
	m, ctx := bounded(t), t.Context()
	given := flow.Given{Context: flow.Batch{N: 1, D: 2, X: []float64{0, 0}}}
	disc := &Within{Inside: data.Support(disc{}), Draws: 4000}
	s, err := m.Sample(ctx, SampleOptions{N: 500, Given: given, Within: disc, Sampler: ODE{Solver: euler(2)}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.X.N {
		if x := s.X.Row(i); x[0]*x[0]+x[1]*x[1] > 1 {
			t.Fatalf("sample %d is %v", i, x)
		}
	}
	points := flow.Batch{N: 2, D: 2, X: []float64{0, 0, 1, 1}}
	logp := make([]float64, 2)
	o := LikelihoodOptions{Given: given, Solver: euler(2), Within: disc}
	mass, err := m.Normalize(ctx, points, logp, o)
	// P(|x| < 1) of N(1, 4) in the plane, by quadrature.
	want := 0.0
	const cells = 400
	for i := range cells {
		for j := range cells {
			x, y := -1+(2*float64(i)+1)/cells, -1+(2*float64(j)+1)/cells
			if x*x+y*y < 1 {
				want += math.Exp(-((x-1)*(x-1)+(y-1)*(y-1))/8) / (8 * math.Pi) * 4 / (cells * cells)
			}
		}
	}
	if err != nil || math.Abs(logp[0]+math.Log(want)) > 4*mass.StdErr || !math.IsInf(logp[1], -1) ||
		mass.Outside != 1 {
		t.Errorf("normalised log-densities %v of a mass of %v, want %.4f and -Inf (%v)", logp, mass, -math.Log(want),
			err)
	}
}

// TestSamplesWithinARegionHaveWhatIsShown: points that are shown other values are of other kinds, and what is
// drawn again for one is none of another.
func TestSamplesWithinARegionHaveWhatIsShown(t *testing.T) {
	m, err := New(Spec{Path: path.Config{Name: "condot"}}, newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Shown: true}))
	if err != nil {
		t.Fatal(err)
	}
	const n = 40
	shown := flow.NewBatch(n, 2)
	for i := range n {
		shown.Row(i)[0], shown.Row(i)[1] = float64(i/2), math.NaN() // of two points each
	}
	s, err := m.Sample(t.Context(), SampleOptions{N: n, Seed: 2, Given: flow.Given{Shown: shown},
		Sampler: ODE{Solver: byPoint(1e-4)}, Within: &Within{Inside: func(x []float64) bool { return x[1] > 0 }}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if x := s.X.Row(i); x[0] != float64(i/2) || !(x[1] > 0) {
			t.Errorf("sample %d is %v, and its first number is shown as %d", i, x, i/2)
		}
	}
	if s.Inside.Contexts != n/2 || s.Inside.Drawn <= n {
		t.Errorf("%+v; want %d kinds of points, of which some are drawn again", *s.Inside, n/2)
	}
}

// disc is uniform within the unit circle.
type disc struct{}

func (disc) LogProb(logp []float64, x flow.Batch) {
	for i := range x.N {
		if logp[i] = -math.Log(math.Pi); math.Hypot(x.Row(i)[0], x.Row(i)[1]) > 1 {
			logp[i] = math.Inf(-1)
		}
	}
}

func TestBoundsThatHoldNothingAreAnError(t *testing.T) {
	m, ctx := bounded(t), t.Context()
	far := flow.Given{Context: flow.Batch{N: 1, D: 2, X: []float64{50, 0}}}
	_, err := m.Sample(ctx, SampleOptions{N: 5, Given: far, Sampler: ODE{Solver: euler(2)}})
	if !errors.Is(err, ErrMass) || !strings.Contains(err.Error(), "point 1 are inside, less than 1 in 1000") {
		t.Errorf("samples of no mass: %v", err)
	}
	x := flow.Batch{N: 1, D: 2, X: []float64{1, 1}}
	if _, _, err := m.LogProb(ctx, x, LikelihoodOptions{Given: far, Solver: euler(2)}); !errors.Is(err, ErrMass) {
		t.Errorf("a density of no mass: %v", err)
	}
	hold := &Hold{X: x, Known: []bool{true, false}}
	for _, o := range []SampleOptions{
		{N: 1, Sampler: ODE{Solver: euler(2), Hold: hold}},
		{N: 1, Sampler: ODE{Solver: euler(2)}, Within: &Within{Inside: m.Spec().Bounds.Inside, Draws: -1}},
	} {
		o.Given = flow.Given{Context: flow.NewBatch(1, 2)}
		if _, err := m.Sample(ctx, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	spec := m.Spec()
	for want, b := range map[string]data.Bounds{
		"bounds of 1 coordinates":     {{0, 1}},
		"must be less than":           {{0, 1}, {2, 2}},
		"the least and the largest":   {{0, 1}, {2}},
		"bounds: coordinate 0: a bou": {{math.NaN(), 1}, {0, 1}},
	} {
		spec.Bounds = b
		if _, err := New(spec, m.Net()); !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", b, err, want)
		}
	}
}

func TestACheckpointKeepsItsBounds(t *testing.T) {
	spec := planar
	spec.Bounds = data.Bounds{{0, 3}, {-1, math.Inf(1)}}
	c := trained(t, spec)
	again, _, err := Open(saved(t, c), c.Net.Engine())
	if err != nil || again.Spec().Bounds.String() != "c0 in [0, 3], c1 in [-1, +Inf]" {
		t.Errorf("bounds %v became %v (%v)", spec.Bounds, again.Spec().Bounds, err)
	}
}
