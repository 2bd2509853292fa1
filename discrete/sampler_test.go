package discrete

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

// variants are samplers of a path.
func variants(p Path) map[string]Sampler {
	all := map[string]Sampler{
		"euler":     {Path: p, Method: Euler},
		"corrector": {Path: p, Method: Euler, Corrector: 0.5},
	}
	if _, ok := p.(Kernel); ok {
		all["exact"] = Sampler{Path: p, Method: Exact}
	}
	return all
}

// The law of samples comes to the exact one at first order in the step, on every path and with every sampler: the
// law of a whole solve is followed without drawing.
func TestTheLawOfSamplesIsThatOfTheData(t *testing.T) {
	for name, p := range paths(t, 3) {
		states := sequences(2, p.States())
		law, want := toy(t, p, 2)
		for method, s := range variants(p) {
			var far [2]float64
			for k, steps := range []int{128, 256} {
				s.Steps = steps
				far[k] = variation(data(chain(t, s, law, states, noise(p, states)), states, 3), want)
			}
			if far[1] > 0.02 {
				t.Errorf("%s, %s: the law is %.4f off after 256 steps", name, method, far[1])
			}
			least := 1.7
			if strings.HasPrefix(name, "uniform") && s.Method == Euler { // the rate at the end is far from constant
				least = 1.35
			}
			if ratio := far[0] / far[1]; far[1] > 1e-4 && (ratio < least || ratio > 2.4) {
				t.Errorf("%s, %s: %.5f and %.5f off with 128 and 256 steps; want half", name, method, far[0], far[1])
			}
		}
	}
}

// A toy of three tokens of five levels, within 0.02 of total variation.
func TestThreeTokensOfFiveLevels(t *testing.T) {
	for _, name := range []string{"mask sin2", "uniform linear", "metric"} {
		p := paths(t, 5)[name]
		states := sequences(3, p.States())
		law, want := toy(t, p, 3)
		s := Sampler{Path: p, Steps: 100, Method: Euler}
		if name != "metric" {
			s.Method = Exact
		}
		if d := variation(data(chain(t, s, law, states, noise(p, states)), states, 5), want); d > 0.02 {
			t.Errorf("%s: %.4f off", name, d)
		}
	}
}

// table has the posteriors of every state at each time of a grid, so that many samples are cheap.
type table struct {
	*Law
	of map[float64][]float64
	l  int
	k  int // states
}

func tabulate(t testing.TB, s Sampler, m *Law, states Tokens) table {
	all := table{m, map[float64][]float64{}, states.L, s.Path.States()}
	for k := range s.Steps {
		at := float64(k) / float64(s.Steps)
		all.of[at] = posteriors(t, m, states, at)
	}
	return all
}

func (a table) Posterior(_ context.Context, p, t []float64, x Tokens) error {
	size := x.L * a.Levels()
	for n := range x.N {
		copy(p[n*size:(n+1)*size], a.of[t[n]][number(x.Row(n), a.k)*size:])
	}
	return nil
}

// Samples have the law that is followed without drawing: a chi-squared test over all sequences.
func TestSamplesHaveTheLawOfTheirSampler(t *testing.T) {
	const n, steps = 20000, 8
	for name, p := range paths(t, 3) {
		states := sequences(2, p.States())
		law, _ := toy(t, p, 2)
		for method, s := range variants(p) {
			s.Steps, s.Seed = steps, 5
			want := data(chain(t, s, law, states, noise(p, states)), states, 3)
			x := drawn(t, s, tabulate(t, s, law, states), n, 2)
			got := make([]float64, len(want))
			for i := range n {
				got[number(x.Row(i), 3)]++
			}
			chi := 0.0
			for i, v := range want {
				chi += (got[i] - n*v) * (got[i] - n*v) / (n * v)
			}
			if free := float64(len(want) - 1); chi > free+5*math.Sqrt(2*free) {
				t.Errorf("%s, %s: chi squared %.1f of %v degrees of freedom", name, method, chi, free)
			}
		}
	}
}

func drawn(t testing.TB, s Sampler, m Posterior, n, l int) Tokens {
	t.Helper()
	x := s.Start(n, l)
	if _, err := s.Sample(context.Background(), m, x, nil); err != nil {
		t.Fatal(err)
	}
	return x
}

// Tokens that are shown condition the others exactly, wherever they stand.
func TestInfillingIsConditioning(t *testing.T) {
	for name, p := range paths(t, 3) {
		states := sequences(2, p.States())
		law, joint := toy(t, p, 2)
		for place := range 2 {
			const value = 1
			shown := Tokens{N: states.N, L: 2, X: states.X, Shown: make([]bool, states.N*2)}
			start := noise(p, Tokens{N: states.N, L: 2, X: states.X})
			source := make([]float64, p.States())
			p.Prob(source, 0, 0)
			for i := range states.N { // only states with the value, whose other token is noise
				shown.Shown[i*2+place] = true
				start[i] = 0
				if states.X[i*2+place] == value {
					start[i] = source[states.X[i*2+1-place]]
				}
			}
			// States without the value have no posterior; they are never reached either.
			m := onlyShown{law, place, value}
			want, mass := make([]float64, 9), 0.0
			for i, v := range joint {
				if sequences(2, 3).Row(i)[place] == value {
					want[i], mass = v, mass+v
				}
			}
			for i := range want {
				want[i] /= mass
			}
			for method, s := range variants(p) {
				s.Steps = 200
				if d := variation(data(chain(t, s, m, shown, start), shown, 3), want); d > 0.02 {
					t.Errorf("%s, %s, token %d shown: %.4f off", name, method, place, d)
				}
			}
		}
	}
}

// onlyShown asks a law of states that have a value at a place.
type onlyShown struct {
	*Law
	place int
	value int32
}

func (o onlyShown) Posterior(ctx context.Context, p, t []float64, x Tokens) error {
	x = x.Clone()
	for n := range x.N {
		x.X[n*x.L+o.place] = o.value
	}
	return o.Law.Posterior(ctx, p, t, x)
}

// fixed is a posterior that is the same of every token.
type fixed []float64

func (f fixed) Levels() int { return len(f) }

func (f fixed) Posterior(_ context.Context, p, _ []float64, x Tokens) error {
	for i := range x.X {
		copy(p[i*len(f):], f)
	}
	return nil
}

// Of single tokens that come from a mask the law is known: powers of the posterior for temperatures, products of
// powers for guidance, and the most probable levels for top-p.
func TestSharpAndGuidedLaws(t *testing.T) {
	p, free := fixed{0.1, 0.2, 0.3, 0.4}, fixed{0.4, 0.3, 0.2, 0.1}
	twice := func(k int) float64 { return p[k] * p[k] / free[k] }
	path, err := NewMixture(4, Mask, Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		s    Sampler
		want func(k int) float64
	}{
		"as it is":      {Sampler{}, func(k int) float64 { return p[k] }},
		"temperature":   {Sampler{Temperature: 0.5}, func(k int) float64 { return p[k] * p[k] }},
		"top-p":         {Sampler{TopP: 0.65}, func(k int) float64 { return p[k] * float64(k/2) }},
		"guided":        {Sampler{Guidance: 2, Free: free}, twice},
		"guided, euler": {Sampler{Guidance: 2, Free: free, Method: Euler}, twice},
		"guided by half": {Sampler{Guidance: 0.5, Free: free},
			func(k int) float64 { return math.Sqrt(p[k] * free[k]) }},
	} {
		c.s.Path, c.s.Steps, c.s.Seed = path, 5, 3
		const n = 20000
		want, got, total := make([]float64, 4), make([]float64, 4), 0.0
		for k := range want {
			want[k] = c.want(k)
			total += want[k]
		}
		for _, v := range drawn(t, c.s, p, n, 1).X {
			got[v] += 1.0 / n
		}
		for k := range want {
			if w := want[k] / total; math.Abs(got[k]-w) > 5*math.Sqrt(w/n)+1e-9 {
				t.Errorf("%s: level %d has %.4f; want %.4f", name, k, got[k], w)
			}
		}
	}
}

// A sequence depends on the seed and its number, not on those beside it, and a guided step costs two evaluations.
func TestSequencesDependOnTheirNumberAlone(t *testing.T) {
	p := paths(t, 3)["uniform cosine"]
	law, _ := toy(t, p, 2)
	s := Sampler{Path: p, Steps: 10, Seed: 7}
	all := drawn(t, s, law, 20, 2)
	s.First = 13
	some := drawn(t, s, law, 3, 2)
	for i := range some.X {
		if some.X[i] != all.X[13*2+i] {
			t.Fatalf("sequences 13 to 15 are %v alone and %v among others", some.X, all.X[26:32])
		}
	}
	seen := 0
	s.Guidance, s.Free = 1.5, law
	stats, err := s.Sample(context.Background(), law, s.Start(2, 2), func(float64, Tokens) { seen++ })
	if err != nil || stats.NFE != 20 || seen != 11 {
		t.Errorf("%+v, %d states, %v; want 20 evaluations and 11 states", stats, seen, err)
	}
}

func TestSamplersSayWhatDoesNotFit(t *testing.T) {
	mixture, metric := paths(t, 3)["mask linear"], paths(t, 3)["metric"]
	law, _ := toy(t, mixture, 2)
	for want, s := range map[string]Sampler{
		"needs a path":                     {},
		"0 steps; there must be 1":         {Path: mixture},
		"leave out Steps":                  {Path: mixture, Steps: 2, Times: []float64{0, 1}},
		"must rise from 0 to 1":            {Path: mixture, Times: []float64{0, 0.5, 0.5, 1}},
		`did you mean "exact"?`:            {Path: mixture, Steps: 2, Method: "exakt"},
		"no closed form":                   {Path: metric, Steps: 2, Method: Exact},
		"exact has no corrector":           {Path: mixture, Steps: 2, Method: Exact, Corrector: 1},
		"corrector is -1":                  {Path: mixture, Steps: 2, Corrector: -1},
		"temperature is NaN":               {Path: mixture, Steps: 2, Temperature: math.NaN()},
		"top_p is 2":                       {Path: mixture, Steps: 2, TopP: 2},
		"guidance needs a posterior":       {Path: mixture, Steps: 2, Guidance: 2},
		"Free has no effect":               {Path: mixture, Steps: 2, Free: law},
		"a posterior of 3 levels on a pat": {Path: paths(t, 5)["metric"], Steps: 2},
		"guidance is +Inf":                 {Path: mixture, Steps: 2, Guidance: math.Inf(1), Free: law},
	} {
		_, err := s.Sample(context.Background(), law, NewTokens(1, 2), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if errors.Is(err, ErrMethod) != (want == "no closed form") {
			t.Errorf("%v: is it ErrMethod?", err)
		}
	}
	x := NewTokens(1, 2)
	x.X[1] = 9
	if _, err := (Sampler{Path: mixture, Steps: 2}).Sample(context.Background(), law, x, nil); err == nil ||
		!strings.Contains(err.Error(), "token 1 of sequence 0 is 9; it must be from 0 to 3") {
		t.Error(err)
	}
}

// deaf is a posterior that does not look at its context, and counts its calls.
type deaf struct {
	*Law
	calls int
}

func (d *deaf) Posterior(_ context.Context, p, t []float64, x Tokens) error {
	d.calls++
	return d.Law.Posterior(context.Background(), p, t, x)
}

// What ends is not solved or estimated any further, whatever the model does.
func TestSamplesAndBoundsEndWithTheirContext(t *testing.T) {
	p := paths(t, 3)["mask linear"]
	law, _ := toy(t, p, 2)
	ctx, cancel := context.WithCancel(t.Context())
	m, s := &deaf{Law: law}, Sampler{Path: p, Steps: 10}
	stats, err := s.Sample(ctx, m, s.Start(4, 2), func(at float64, _ Tokens) {
		if at > 0.25 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || m.calls != 3 || stats.NFE != 3 {
		t.Errorf("%v after %d calls (NFE %d), want that it was cancelled after 3", err, m.calls, stats.NFE)
	}
	m.calls = 0
	bound, se := make([]float64, 1), make([]float64, 1)
	err = ELBO(ctx, m, p, NewTokens(1, 2), ELBOOptions{Draws: 4}, bound, se)
	if !errors.Is(err, context.Canceled) || m.calls != 0 {
		t.Errorf("ELBO: %v after %d calls, want none", err, m.calls)
	}
}
