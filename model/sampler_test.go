package model

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// Without noise an SDE's samples are those of the ODE, whatever the network
// predicts, in data units; with noise they depend on the seed alone.
func TestAnSDEIsAnODEWithNoise(t *testing.T) {
	ctx := context.Background()
	for _, p := range []path.Prediction{path.Velocity, path.Noise} {
		spec := planar
		spec.Prediction, spec.Path = p, path.Config{Name: "vp"}
		m, err := trained(t, spec).Model()
		if err != nil {
			t.Fatal(err)
		}
		draw := func(s sde.Sampler, seed uint64) Samples {
			got, err := m.Sample(ctx, SampleOptions{N: 20, Seed: seed, Sampler: SDE{Sampler: s}})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		want, err := m.Sample(ctx, SampleOptions{N: 20, Seed: 4, Sampler: ODE{Solver: euler(8)}})
		if err != nil {
			t.Fatal(err)
		}
		got := draw(sde.Sampler{Diffusion: sde.Constant{}, Steps: 8}, 4)
		for i := range got.X.X {
			if math.Abs(got.X.X[i]-want.X.X[i]) > 1e-5*(1+math.Abs(want.X.X[i])) {
				t.Fatalf("%v, coordinate %d: %g without noise, %g by Euler's method", p, i, got.X.X[i], want.X.X[i])
			}
		}
		if got.Stats.NFE != 8 || got.LogP != nil || !slices.Equal(got.X0.X, want.X0.X) {
			t.Errorf("%v: %+v, and the source points must be those of Sample", p, got.Stats)
		}
		eight := sde.Sampler{Steps: 8}
		noisy, again, other := draw(eight, 4), draw(eight, 4), draw(eight, 5)
		if !slices.Equal(noisy.X.X, again.X.X) || slices.Equal(noisy.X.X, got.X.X) ||
			slices.Equal(noisy.X.X, other.X.X) {
			t.Errorf("%v: samples with noise are not a function of the seed", p)
		}
		for name, o := range map[string]SampleOptions{
			"at least 1":   {Sampler: SDE{Sampler: sde.Sampler{Steps: 3}}},
			"0 steps":      {N: 2, Sampler: SDE{}},
			"Grid[1] is 1": {N: 2, Sampler: SDE{Sampler: sde.Sampler{Grid: []float64{0, 1}}}},
		} {
			if _, err := m.Sample(ctx, o); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want an error with %q", err, name)
			}
		}
	}
}

func TestStepsOfTheAverageVelocity(t *testing.T) {
	for _, average := range []bool{true, false} {
		net := newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Average: average})
		std := &data.Standardizer{Mean: []float64{1, 2}, Std: []float64{3, 4}}
		m, err := New(Spec{Shape: []int{2}, Standardizer: std}, net)
		if err != nil {
			t.Fatal(err)
		}
		o := SampleOptions{N: 5, Seed: 3, Sampler: Average{Steps: 2}}
		s, err := m.Sample(context.Background(), o)
		if !average {
			if !errors.Is(err, nn.ErrNoAverage) {
				t.Errorf("without average velocities: got %v", err)
			}
			continue
		}
		if err != nil || s.Stats.NFE != 2 {
			t.Fatalf("%d evaluations, %v", s.Stats.NFE, err)
		}
		f, err := net.BindAverage(flow.Given{})
		if err != nil {
			t.Fatal(err)
		}
		x, u := s.X0.Clone(), make([]float64, 10)
		for _, at := range []float64{0, 0.5} {
			if err := f.Average(u, at, at+0.5, x.X); err != nil {
				t.Fatal(err)
			}
			for i := range u {
				x.X[i] += u[i] / 2
			}
		}
		for i, z := range x.X {
			want := std.Mean[i%2] + std.Std[i%2]*z
			if math.Abs(s.X.X[i]-want) > 1e-12*(1+math.Abs(want)) {
				t.Errorf("coordinate %d is %g, want %g", i, s.X.X[i], want)
			}
		}
		if s.LogP != nil {
			t.Errorf("steps have log-densities %v", s.LogP)
		}
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := m.Sample(gone, o); !errors.Is(err, context.Canceled) {
			t.Errorf("after the context's end: got %v", err)
		}
	}
}

// The guidance scale mixes the fields with and without a label, and costs a second
// evaluation of the network only where both are needed.
func TestGuidanceMixesTheFields(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3})
	label, none := []int32{1}, []int32{-1}
	for _, p := range []path.Prediction{path.Velocity, path.Noise} {
		m, err := New(Spec{Path: path.Config{Name: "vp"}, Prediction: p}, net)
		if err != nil {
			t.Fatal(err)
		}
		samplers := map[string]func(scale *float64) Sampler{
			"ODE": func(g *float64) Sampler { return ODE{Solver: euler(1), Guidance: g} },
			"SDE": func(g *float64) Sampler { return SDE{Sampler: sde.Sampler{Steps: 1}, Guidance: g} },
			"DDIM": func(g *float64) Sampler {
				return SDE{Sampler: sde.Sampler{Method: sde.DDIM, Steps: 1},
					Guidance: g}
			},
		}
		for name, sampler := range samplers {
			draw := func(label []int32, g *float64) Samples {
				t.Helper()
				o := SampleOptions{N: 4, Seed: 2, Given: flow.Given{Label: label}, Sampler: sampler(g)}
				s, err := m.Sample(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			with, without := draw(label, nil), draw(none, nil)
			nfe := with.Stats.NFE
			for _, c := range []struct {
				scale float64
				nfe   int
			}{{0, nfe}, {1, nfe}, {2, 2 * nfe}, {-0.5, 2 * nfe}} {
				got := draw(label, &c.scale)
				if got.Stats.NFE != c.nfe {
					t.Errorf("%s, %v, scale %g: %d evaluations, want %d", name, p, c.scale, got.Stats.NFE, c.nfe)
				}
				for i, v := range got.X.X { // one step is affine in what the network predicts
					want := without.X.X[i] + c.scale*(with.X.X[i]-without.X.X[i])
					if math.Abs(v-want) > 1e-9*(1+math.Abs(want)) {
						t.Errorf("%s, %v, scale %g: coordinate %d is %g, want %g", name, p, c.scale, i, v, want)
					}
				}
			}
		}
	}
}

func TestSamplersThatDoNotFitAreErrors(t *testing.T) {
	make := func(spec Spec, cfg nn.Config) *Model {
		t.Helper()
		cfg.Dim, cfg.Hidden = 2, []int{4}
		m, err := New(spec, newNet(t, cfg))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	plain, labelled := make(Spec{}, nn.Config{}), make(Spec{}, nn.Config{Classes: 2})
	steps, label := sde.Sampler{Steps: 2}, flow.Given{Label: []int32{0}}
	seeded, first := steps, steps
	seeded.Seed, first.First = 3, 3
	hold := &Hold{X: flow.NewBatch(2, 2), Known: []bool{true, true, false, false}}
	for name, c := range map[string]struct {
		m       *Model
		given   flow.Given
		sampler Sampler
		is      error
		want    string
	}{
		"none": {plain, flow.Given{}, nil, nil, "Sampler is nil"},
		"guidance, no classes": {plain, flow.Given{}, ODE{Solver: euler(1), Guidance: new(2.0)}, ErrSampler,
			"unconditional"},
		"SDE, likewise": {plain, flow.Given{}, SDE{Sampler: steps, Guidance: new(2.0)}, ErrSampler,
			"unconditional"},
		"infinite guidance": {labelled, label, ODE{Solver: euler(1), Guidance: new(math.Inf(1))}, ErrSampler,
			"+Inf"},
		"no label": {labelled, flow.Given{}, ODE{Solver: euler(1)}, flow.ErrLabels, "2 classes"},
		"label out of range": {labelled, flow.Given{Label: []int32{2}}, ODE{Solver: euler(1)}, flow.ErrLabels,
			"label 2"},
		"no steps": {plain, flow.Given{}, Average{}, ErrSampler, "0 steps"},
		"averages of noise": {make(Spec{Prediction: path.Noise, Path: path.Config{Name: "vp"}},
			nn.Config{Average: true}),
			flow.Given{}, Average{Steps: 1}, ErrSampler, "prediction velocity"},
		"no density": {make(Spec{NoDensity: "it is distilled"}, nn.Config{}), flow.Given{}, Density{Solver: euler(1)},
			ErrNoDensity, "it is distilled"},
		"no score": {make(Spec{NoScore: "coupling ot"}, nn.Config{}), flow.Given{}, SDE{Sampler: steps}, ErrNoScore,
			"coupling ot"},
		"a source": {make(Spec{Source: &synth.SourceConfig{Name: "8gaussians"}}, nn.Config{}), flow.Given{},
			SDE{Sampler: steps},
			ErrNoScore, "source 8gaussians"},
		"a bridge": {make(Spec{Path: path.Config{Name: "bridge"}}, nn.Config{}), flow.Given{}, SDE{Sampler: steps},
			ErrNoScore, "path bridge"},
		"DDIM with noise": {make(Spec{NoScore: "objective meanflow"}, nn.Config{}), flow.Given{},
			SDE{Sampler: sde.Sampler{Method: sde.DDIM, Eta: 1, Steps: 2}}, ErrNoScore, "objective meanflow"},
		"a seed":               {plain, flow.Given{}, SDE{Sampler: seeded}, ErrSampler, "SampleOptions.Seed"},
		"a first point":        {plain, flow.Given{}, SDE{Sampler: first}, ErrSampler, "SampleOptions.Seed"},
		"more held than drawn": {plain, flow.Given{}, ODE{Solver: euler(1), Hold: hold}, ErrSampler, "must be [1, 2]"},
		"an empty solver":      {plain, flow.Given{}, ODE{}, ode.ErrInvalid, ""},
	} {
		s, err := c.m.Sample(t.Context(), SampleOptions{N: 1, Given: c.given, Sampler: c.sampler})
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) ||
			s.X.X != nil {
			t.Errorf("%s: got %v, want %v with %q", name, err, c.is, c.want)
		}
	}
}

func TestWhatNeedsNoScoreGoesWithoutOne(t *testing.T) {
	make := func(spec Spec) *Model {
		t.Helper()
		m, err := New(spec, newNet(t, nn.Config{Dim: 2, Hidden: []int{4}}))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	unscored := make(Spec{NoScore: "coupling ot"})
	for _, s := range []sde.Sampler{{Method: sde.DDIM, Steps: 2}, {Diffusion: sde.Constant{}, Steps: 2}} {
		if _, err := unscored.Sample(t.Context(), SampleOptions{N: 1, Sampler: SDE{Sampler: s}}); err != nil {
			t.Errorf("%v without a score: %v", s, err)
		}
	}
	// A log-density is refused whether points are drawn or given.
	undense := make(Spec{NoDensity: "it is distilled"})
	if _, _, err := undense.LogProb(t.Context(), flow.NewBatch(1, 2),
		LikelihoodOptions{Solver: euler(1)}); !errors.Is(err, ErrNoDensity) {
		t.Errorf("the log-density of a model without: got %v", err)
	}
}

func TestSourcePointsThatDoNotFitAreErrors(t *testing.T) {
	m := untrained(t, planar.Net)
	for want, c := range map[string]struct {
		x0 flow.Batch
		n  int
	}{
		"shape [2, 3]": {flow.NewBatch(2, 3), 0}, "with 3 numbers": {flow.Batch{X: make([]float64, 3), N: 2, D: 2}, 0},
		"4 samples asked for from 2": {flow.NewBatch(2, 2), 4},
	} {
		_, err := m.SampleFrom(t.Context(), c.x0, SampleOptions{N: c.n, Sampler: ODE{Solver: euler(1)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	x0 := flow.NewBatch(2, 2)
	s, err := m.SampleFrom(t.Context(), x0, SampleOptions{Sampler: ODE{Solver: euler(2)}})
	if err != nil || s.X.N != 2 || slices.Max(x0.X) != 0 || slices.Equal(s.X.X, x0.X) {
		t.Errorf("from %v came %v, %v", x0, s.X, err)
	}
}

func TestSamplersNameThemselves(t *testing.T) {
	adaptive := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}
	for want, s := range map[string]Sampler{
		"dopri5 rtol=1e-05 atol=1e-05":  ODE{Solver: adaptive},
		"dopri5 rtol=1e-05 atol=1e-05 ": Density{Solver: adaptive},
		"average 4 steps":               Average{Steps: 4},
		sde.Sampler{Steps: 9}.String():  SDE{Sampler: sde.Sampler{Steps: 9}},
	} {
		if s.String() != strings.TrimSpace(want) {
			t.Errorf("got %q, want %q", s, want)
		}
	}
}
