package sde

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/timegrid"
)

func newRand() *rand.Rand { return seed.Rand(1, "sde/test", 0) }

// With the noise of the streams: a mixture of two Gaussians in the plane, by every
// method, has the mixture's moments within five standard errors, and a bias of the
// step far below them.
func TestSamplesOfAMixtureHaveItsMoments(t *testing.T) {
	mix, err := field.NewMixture(path.CondOT{},
		field.Component{Weight: 0.3, Mean: []float64{-1, 0.5}, Std: 0.4},
		field.Component{Weight: 0.7, Mean: []float64{1, 0}, Cov: []float64{0.5, 0.2, 0.2, 0.3}})
	if err != nil {
		t.Fatal(err)
	}
	const n = 4000
	// E of x, y, x², y², xy and E of their squares' shares follow from the components.
	want := []float64{0.4, 0.15, 0.3*(1+0.16) + 0.7*(1+0.5), 0.3*(0.25+0.16) + 0.7*0.3, 0.3*-0.5 + 0.7*0.2}
	for _, s := range []Sampler{
		{Method: EulerMaruyama, Diffusion: Sigma{}, Steps: 300},
		{Method: EulerMaruyama, Steps: 300},
		{Method: Heun, Diffusion: Constant{G: 0.5}, Steps: 100},
		{Method: DDPM, Steps: 300},
		{Method: DDIM, Eta: 0.5, Steps: 300},
	} {
		x := flow.NewBatch(n, 2)
		path.Source(path.CondOT{}).Sample(x, newRand())
		if _, err := s.Sample(context.Background(), mix, path.CondOT{}, path.Velocity, x); err != nil {
			t.Fatal(err)
		}
		sum, square := make([]float64, 5), make([]float64, 5)
		for i := range n {
			a, b := x.X[2*i], x.X[2*i+1]
			for k, v := range []float64{a, b, a * a, b * b, a * b} {
				sum[k] += v / n
				square[k] += v * v / n
			}
		}
		for k := range want {
			se := math.Sqrt((square[k] - sum[k]*sum[k]) / n)
			if math.Abs(sum[k]-want[k]) > 5*se {
				t.Errorf("%v: moment %d is %.4f, want %.4f within 5 x %.4f", s, k, sum[k], want[k], se)
			}
		}
	}
}

func TestWithoutNoiseTheMethodsAreThoseOfTheODE(t *testing.T) {
	g := gaussian{path: path.Cosine{}, m: 0.7, s: 0.5}
	for _, c := range []struct {
		m    Method
		want *ode.Tableau
	}{{EulerMaruyama, ode.Euler}, {Heun, ode.Heun2}} {
		grid := []float64{0, 0.2, 0.5, 0.6}
		x := flow.Batch{N: 2, D: 1, X: []float64{-1, 0.5}}
		y := slices.Clone(x.X)
		if _, err := (Sampler{Method: c.m, Diffusion: Constant{}, Grid: grid}).
			Sample(context.Background(), g, g.path, g.pred, x); err != nil {
			t.Fatal(err)
		}
		upTo := grid
		if c.m == Heun { // whose last step is Euler's
			upTo = grid[:3]
		}
		if _, err := (ode.Solver{Method: c.want, Control: ode.Grid(upTo)}).
			Solve(context.Background(), g.Velocity, y, 0, upTo[len(upTo)-1]); err != nil {
			t.Fatal(err)
		}
		if c.m == Heun {
			if _, err := (ode.Solver{Method: ode.Euler, Control: ode.Fixed(1)}).
				Solve(context.Background(), g.Velocity, y, 0.5, 0.6); err != nil {
				t.Fatal(err)
			}
		}
		for i := range y {
			if math.Abs(x.X[i]-y[i]) > 1e-14 {
				t.Errorf("%v: got %g, %s gives %g", c.m, x.X[i], c.want.Name, y[i])
			}
		}
	}
}

func TestDenoiseEndsInThePredictedDataPoint(t *testing.T) {
	for _, m := range []Method{EulerMaruyama, Heun, DDPM, DDIM} {
		g := gaussian{path: path.VP{}, pred: path.Noise, m: 0.7, s: 0.5}
		var before []float64
		s := Sampler{Method: m, Steps: 10, Denoise: true, Observe: func(s ode.Step) {
			if s.Stats.Accepted == 9 {
				before = slices.Clone(s.X)
			}
		}}
		x := flow.Batch{N: 2, D: 1, X: []float64{-1, 0.5}}
		st, err := s.Sample(context.Background(), g, g.path, g.pred, x)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := s.Span(g.path, g.pred)
		want := make([]float64, 2)
		g.pred = path.Data
		if err := g.Velocity(want, 0.9*hi, before); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Abs(x.X[i]-want[i]) > 1e-12 {
				t.Errorf("%v: got %g, want %g", m, x.X[i], want[i])
			}
		}
		nfe := 10
		if m == Heun {
			nfe = 19
		}
		if st != (ode.Stats{NFE: nfe, Accepted: 10, LastT: hi, LastH: hi - s.times(g.path, lo, hi)[9]}) {
			t.Errorf("%v: %+v", m, st)
		}
	}
}

func TestTheSpanEndsWhereTheSDEIsSingular(t *testing.T) {
	for _, c := range []struct {
		s      Sampler
		path   path.Scheduler
		lo, hi float64
	}{
		{Sampler{Diffusion: Constant{}}, path.CondOT{}, 0, 1},
		{Sampler{Diffusion: Constant{G: 1}}, path.CondOT{}, 0, 1},
		{Sampler{Diffusion: Sigma{}}, path.CondOT{SigmaMin: 0.01}, 0, 1},
		{Sampler{}, path.CondOT{}, 0.001, 1},
		{Sampler{}, path.VP{}, 0, 1 - 1e-5},
		{Sampler{}, path.VE{}, 0, 1},
		{Sampler{Method: DDPM}, path.CondOT{}, 0, 1},
		{Sampler{Method: DDIM}, path.Poly{N: 2}, 0.001, 1},
	} {
		lo, hi := c.s.Span(c.path, path.Velocity)
		if math.Abs(lo-c.lo) > 1e-15 || math.Abs(hi-c.hi) > 1e-15 {
			t.Errorf("%v, %T: span [%g, %g], want [%g, %g]", c.s, c.path, lo, hi, c.lo, c.hi)
		}
	}
}

func TestCuttingABatchChangesNoBit(t *testing.T) {
	g := gaussian{path: path.VP{}, m: 0.7, s: 0.5}
	s := Sampler{Steps: 5, Seed: 3}
	sample := func(first, n int, seed uint64) []float64 {
		x := flow.NewBatch(n, 1)
		s := s
		s.First, s.Seed = uint64(first), seed
		if _, err := s.Sample(context.Background(), g, g.path, g.pred, x); err != nil {
			t.Fatal(err)
		}
		return x.X
	}
	whole := sample(0, 7, 3)
	if parts := append(sample(0, 3, 3), sample(3, 4, 3)...); !slices.Equal(whole, parts) {
		t.Errorf("whole %v, in two parts %v", whole, parts)
	}
	if again := sample(0, 7, 3); !slices.Equal(whole, again) {
		t.Error("the same seed twice gives other samples")
	}
	if other := sample(0, 7, 4); slices.Equal(whole, other) || whole[0] == whole[1] {
		t.Error("two seeds, or two rows, have the same noise")
	}
}

func TestAStepAllocatesNothing(t *testing.T) {
	g := gaussian{path: path.VP{}, m: 0.7, s: 0.5}
	for _, s := range samplers(0) {
		count := func(steps int) float64 {
			s.Steps = steps
			x := flow.NewBatch(4, 1)
			return testing.AllocsPerRun(5, func() { _, _ = s.Sample(context.Background(), g, g.path, g.pred, x) })
		}
		if few, many := count(2), count(50); many > few {
			t.Errorf("%v: %g allocations for 2 steps, %g for 50", s, few, many)
		}
	}
}

type failing struct {
	gaussian
	value float64
	err   error
}

func (f failing) Velocity(v []float64, t float64, x []float64) error {
	if t > 0.45 {
		for i := range v {
			v[i] = f.value
		}
		return f.err
	}
	return f.gaussian.Velocity(v, t, x)
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	boom := errors.New("boom")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	g := gaussian{path: path.VP{}, m: 0.7, s: 0.5}
	ok := context.Background()
	for _, c := range []struct {
		ctx  context.Context
		f    flow.Field
		s    Sampler
		is   error
		want string
	}{
		{ok, g, Sampler{}, ErrInvalid, "0 steps"},
		{ok, nil, Sampler{Steps: 1}, ErrInvalid, "nil"},
		{ok, g, Sampler{Steps: 1, Method: 9}, ErrInvalid, "Method(9)"},
		{ok, g, Sampler{Steps: 3, Grid: []float64{0, 1}}, ErrInvalid, "set one of them"},
		{ok, g, Sampler{Grid: []float64{0, 0.5, 0.4}}, ErrInvalid, "Grid[2] is 0.4"},
		{ok, g, Sampler{Grid: []float64{0, 1}}, ErrInvalid, "Grid[1] is 1"},
		{ok, g, Sampler{Steps: 3, Method: DDIM, Eta: 2}, ErrInvalid, "in [0, 1]"},
		{ok, g, Sampler{Steps: 3, Method: DDPM, Eta: 1}, ErrInvalid, "only ddim has one"},
		{ok, g, Sampler{Steps: 3, Method: DDIM, Diffusion: Own{}}, ErrInvalid, "not for ddim"},
		{ok, g, Sampler{Steps: 3, Diffusion: negative{}}, ErrInvalid, "not negative"},
		{ok, failing{g, math.NaN(), nil}, Sampler{Steps: 10}, ErrNonFinite, "at t=0.599994 after step 6 of 10"},
		{ok, failing{g, 0, boom}, Sampler{Steps: 10, Method: Heun}, boom, "t=0.499995, step 5"},
		{canceled, g, Sampler{Steps: 10}, context.Canceled, "in step 1 of 10"},
	} {
		x := flow.NewBatch(2, 1)
		_, err := c.s.Sample(c.ctx, c.f, g.path, g.pred, x)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %v with %q", c.s, err, c.is, c.want)
		}
	}
	x := flow.Batch{N: 1, D: 1, X: []float64{math.Inf(1)}}
	if _, err := (Sampler{Steps: 1}).Sample(ok, g, g.path, g.pred, x); !errors.Is(err, ErrNonFinite) {
		t.Errorf("an infinite first point: %v", err)
	}
	if _, err := (Sampler{Steps: 1}).Sample(ok, g, g.path, g.pred, flow.NewBatch(2, 3)); !errors.Is(err, ErrInvalid) {
		t.Errorf("points of another dimension: %v", err)
	}
}

type negative struct{ Own }

func (negative) Squared(float64, path.Coef) float64 { return -1 }

func TestNamesAreReadAsTheyAreWritten(t *testing.T) {
	for i, name := range Names() {
		if m, err := ByName(name); err != nil || m != Method(i) || m.String() != name {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if _, err := ByName("ddpmm"); err == nil || !strings.Contains(err.Error(), "heun_sde") {
		t.Errorf("got %v", err)
	}
	c := path.Coef{Alpha: 0.5, Sigma: 0.8, DAlpha: 1, DSigma: -1}
	for text, want := range map[string]float64{
		"own": c.Diffusion(), "own:0.5": 0.25 * c.Diffusion(), "": c.Diffusion(), "constant": 1, "constant:0.5": 0.25,
		"sigma": 0.64, "sigma:2": 2.56, "sigma:0": 0,
	} {
		d, err := ParseDiffusion(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDiffusion(d.String())
		if got := d.Squared(0.5, c); err != nil || math.Abs(got-want) > 1e-15 || again != d {
			t.Errorf("%q: g² %g, want %g; %v reads as %v (%v)", text, got, want, d, again, err)
		}
	}
	for _, bad := range []string{"owm", "sigma:x", "sigma:-1", "sigma:Inf", "sigma:"} {
		if _, err := ParseDiffusion(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Rows that are named have the noise of their names, beside those of any other seed.
func TestNamedRowsAreThoseOfTheirSeeds(t *testing.T) {
	g := gaussian{path: path.CondOT{}, m: 0.7, s: 0.5}
	draw := func(s Sampler, n int) flow.Batch {
		x := flow.NewBatch(n, 1)
		if _, err := s.Sample(t.Context(), g, g.path, g.pred, x); err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, m := range []Method{EulerMaruyama, Heun, DDPM} {
		s := Sampler{Method: m, Steps: 7, Seed: 5}
		five := draw(s, 4)
		s.Seed, s.First = 6, 2
		six := draw(s, 2)
		s.Of = []Row{{5, 3}, {6, 3}, {5, 0}, {6, 2}}
		if got, want := draw(s, 4).X, []float64{five.X[3], six.X[1], five.X[0], six.X[0]}; !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", m, got, want)
		}
		if _, err := s.Sample(t.Context(), g, g.path, g.pred, flow.NewBatch(3, 1)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: four names of three rows: %v", m, err)
		}
	}
}

// A config is the sampler of its names, with as many steps as its grid has.
func TestConfigIsItsSampler(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Method: "ddpm"}, "ddpm, 100 steps"},
		{Config{Method: "ddim", Eta: 0.5, Steps: 7}, "ddim eta=0.5, 7 steps"},
		{Config{Method: "heun_sde", Diffusion: "sigma:2", Steps: 3}, "heun_sde g=sigma:2, 3 steps"},
		{Config{Method: "ddpm", Steps: 4, TimeGrid: &timegrid.Config{Spacing: "karras"}}, "ddpm, 4 steps karras"},
		{Config{Method: "ddpm", TimeGrid: &timegrid.Config{Times: []float64{0, 0.2, 1}}}, "ddpm, 2 steps"},
	} {
		if s, err := c.cfg.Sampler(); err != nil || !strings.HasPrefix(s.String(), c.want) || !s.Denoise {
			t.Errorf("%+v: %q, %v; want %q", c.cfg, s.String(), err, c.want)
		}
	}
	for _, c := range []Config{{Method: "dopri5"}, {Method: "ddpm", Eta: 1}, {Method: "ddim", Diffusion: "own"},
		{Method: "ddpm", Steps: -1}, {Method: "heun_sde", Steps: 60, MaxNFE: 100},
		{Method: "ddpm", Steps: 3, TimeGrid: &timegrid.Config{Times: []float64{0, 0.2, 1}}}} {
		if _, err := c.Sampler(); err == nil {
			t.Errorf("%+v is a sampler", c)
		}
	}
}
