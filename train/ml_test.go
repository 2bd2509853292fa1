package train

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/internal/stat"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

var tight = ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}, MaxNFE: 5000}

// mlSession is a training of maximum likelihood, with all that it can do.
func mlSession(t testing.TB) session {
	t.Helper()
	return newSession(t, along(t, path.CondOT{}), ml(), points(50, 2))
}

func ml() ML {
	return ML{
		Data: data.Shuffle(points(100, 2), 1), Solver: tight, Hutchinson: true, BatchSize: 20, Held: 30, Seed: 2,
		Regularizer: likelihood.Regularizer{Kinetic: 0.01, Jacobian: 0.01},
	}
}

// The gradient of a step against differences of the loss of the same step, over
// parts, with labels, and with every term.
func TestTheGradientOfAStepIsThatOfItsLoss(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3})
	set := labelled(12, 2, 3)
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	regs := []likelihood.Regularizer{{}, {Kinetic: 0.3}, {Jacobian: 0.2}, {Kinetic: 0.3, Jacobian: 0.2}}
	for _, hutchinson := range []bool{false, true} {
		for _, reg := range regs {
			o := ML{Hutchinson: hutchinson, BatchSize: 5, Seed: 4, Regularizer: reg,
				Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(3)}}
			loss := func(net *nn.Net) ([]float64, float64) {
				theta, loss, nfe, err := o.gradient(t.Context(), net, set.X, set.Given, 7, nil)
				if err != nil || nfe != 12 {
					t.Fatalf("3 steps of rk4 took %g evaluations, want 12 (%v)", nfe, err)
				}
				return theta, loss
			}
			theta, _ := loss(net)
			const h = 1e-2 // float32 functions
			shifted := func(k int, by float32) float64 {
				c := slices.Clone(w)
				c[k] += by
				net, err := net.WithWeights(c)
				if err != nil {
					t.Fatal(err)
				}
				_, l := loss(net)
				return l
			}
			for k := range w {
				want := (shifted(k, h) - shifted(k, -h)) / (2 * h)
				if math.Abs(theta[k]-want) > 2e-3*(1+math.Abs(want)) {
					t.Errorf("hutchinson %v, %+v: ∂loss/∂θ[%d] is %g, want %g", hutchinson, reg, k, theta[k], want)
				}
			}
		}
	}
}

func TestProbesChangeWithTheStepAndTheSeedOnly(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{8}})
	set := points(12, 2)
	loss := func(step, seedValue uint64, size int) float64 {
		o := ML{Hutchinson: true, BatchSize: size, Seed: seedValue, Solver: tight}
		_, l, _, err := o.gradient(t.Context(), net, set.X, flow.Given{}, step, nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	one := loss(1, 5, 0)
	if again := loss(1, 5, 0); again != one {
		t.Errorf("the same step twice: %g and %g", one, again)
	}
	if loss(2, 5, 0) == one || loss(1, 6, 0) == one {
		t.Error("another step, or another seed, has the same probes")
	}
}

// A Gaussian is pushed from N(0, I) by a linear field, so its entropy is within reach.
func TestMaximumLikelihoodReachesTheEntropyOfAGaussian(t *testing.T) {
	const std, mean = 0.5, 1.0
	set := data.Points{X: flow.NewBatch(2000, 1)}
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range set.X.X {
		set.X.X[i] = mean + std*rng.NormFloat64()
	}
	m := newModel(t, model.Spec{}, nn.Config{Dim: 1, Hidden: []int{16}})
	o := ML{Data: data.Shuffle(set, 1), Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(8)}, Seed: 1}
	var last Event
	fit := Fit{
		Loop: Loop{Steps: 150, Batch: 200, LR: 3e-2, LogEvery: new(10)}, Optimizer: nn.Optimizer{EMADecay: new(0.9)},
		Held: set, Hooks: Hooks{Event: func(e Event) error { last = e; return nil }},
	}
	m, err := fit.Train(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	entropy := 0.5*math.Log(2*math.Pi*math.E) + math.Log(std)
	off := math.Inf(1)
	if last.ValLoss != nil {
		off = math.Abs(*last.ValLoss - entropy)
	}
	if off > 0.05 || math.Abs(last.Loss-entropy) > 0.1 || last.NFE != 32 {
		t.Errorf("ended with %+v, want the entropy %g and 32 evaluations a solve", last, entropy)
	}
	if err := m.HasScore(); !errors.Is(err, model.ErrNoScore) || !strings.Contains(err.Error(), "objective ml") {
		t.Errorf("the score of such a flow: got %v", err)
	}
}

// Validation is the mean over points, whatever the parts; it looks at so many of them.
func TestValidationOfMLIsTheMeanNLL(t *testing.T) {
	m := newModel(t, model.Spec{}, nn.Config{Hidden: []int{8}, Classes: 2})
	set := labelled(40, 2, 2)
	o := ML{Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(8)}, BatchSize: 7, Held: 25}
	val, err := o.Validation(m, set, 40)
	if err != nil {
		t.Fatal(err)
	}
	got, err := val(t.Context(), m.Net())
	if err != nil {
		t.Fatal(err)
	}
	x, given, err := data.RandomRows(set, 25, 0, "train/held", nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Net().Bind(given)
	if err != nil {
		t.Fatal(err)
	}
	p := likelihood.Problem{Field: f, Source: flow.Gaussian{}, Solver: o.Solver}
	logp, _, _, err := p.LogProb(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if want := -stat.Mean(logp); math.Abs(got-want) > 1e-6 {
		t.Errorf("got %g, want %g", got, want)
	}
	if v, err := o.Validation(m, data.Points{X: flow.NewBatch(0, 2)}, 40); v != nil || err != nil {
		t.Errorf("validation on no points: %v", err)
	}
}

func TestErrorsOfMLNameTheirStep(t *testing.T) {
	boom := errors.New("boom")
	s, o := mlSession(t), ml()
	o.Data = failing{o.Data, boom}
	s.o = o
	if _, err := s.run(t.Context(), short, Progress{}, Hooks{}); !errors.Is(err, boom) ||
		!strings.Contains(err.Error(), "step 20") {
		t.Errorf("data that fail at step 20: got %v", err)
	}
	s, o = mlSession(t), ml()
	o.Solver.MaxNFE = 3
	s.o = o
	_, err := s.run(t.Context(), short, Progress{}, Hooks{})
	if !errors.Is(err, ode.ErrMaxNFE) || !strings.Contains(err.Error(), "step 0") {
		t.Errorf("a solve of 3 evaluations: got %v", err)
	}
}

// Models that are no flow from N(0, I) at 0 to the data at 1, and what else does not fit.
func TestWhatMLCannotUseIsAnError(t *testing.T) {
	good := ML{Data: data.Shuffle(points(20, 2), 1), Solver: tight}
	plain := model.Spec{}
	spoilt := func(change func(o *ML)) ML { o := good; change(&o); return o }
	for name, c := range map[string]struct {
		spec model.Spec
		o    ML
		is   error
		want string
	}{
		"vp":       {model.Spec{Path: path.Config{Name: "vp"}}, good, ErrObjective, "path condot"},
		"icfm":     {model.Spec{Path: path.Config{Name: "icfm"}}, good, ErrObjective, "path condot"},
		"noise":    {model.Spec{Prediction: path.Noise}, good, ErrObjective, "path condot"},
		"a source": {model.Spec{Source: &synth.SourceConfig{Name: "8gaussians"}}, good, ErrObjective, "path condot"},
		"no data":  {plain, ML{Solver: tight}, nil, "has no Data"},
		"other data": {plain, spoilt(func(o *ML) { o.Data = data.Shuffle(points(20, 3), 1) }), nil,
			"data of dimension 3"},
		"batch size":  {plain, spoilt(func(o *ML) { o.BatchSize = -1 }), nil, "BatchSize is -1"},
		"most points": {plain, spoilt(func(o *ML) { o.Held = -1 }), nil, "ML.Held -1"},
		"no solver":   {plain, spoilt(func(o *ML) { o.Solver = ode.Solver{} }), ode.ErrInvalid, ""},
	} {
		_, err := Fit{Loop: Loop{Steps: 1, Batch: 4}}.Train(t.Context(), newModel(t, c.spec, nn.Config{}), c.o)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %v with %q", name, err, c.is, c.want)
		}
	}
}

func TestTheDefaultDivergenceDependsOnTheDimension(t *testing.T) {
	for _, c := range []struct {
		name string
		dim  int
		want bool
	}{
		{"", 2, false}, {"", exactGradientUpTo, false}, {"", exactGradientUpTo + 1, true},
		{"exact", 1000, false}, {"hutchinson", 1, true},
	} {
		cfg := Config{Objective: "ml"}
		cfg.ML.Divergence = c.name
		o, err := cfg.New(Inputs{Set: &data.Set{Dim: c.dim}})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.(ML).Hutchinson; got != c.want {
			t.Errorf("%q in %d dimensions: got %v", c.name, c.dim, got)
		}
	}
}

func BenchmarkMLStep(b *testing.B) {
	d, err := dataset.Config{Name: "8gaussians", Standardize: "scalar"}.Open("", 1)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    ML
	}{
		{"exact", ML{}},
		{"hutchinson", ML{Hutchinson: true}},
		{"regularised", ML{Hutchinson: true, Regularizer: likelihood.Regularizer{Kinetic: 0.01, Jacobian: 0.01}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.o.Data, c.o.Solver = d.Train, tight
			m := newModel(b, model.Spec{}, nn.Config{Hidden: []int{64, 64, 64}})
			tr, err := m.Net().NewTrainer(nn.Optimizer{}, nn.StepOptions{})
			if err != nil {
				b.Fatal(err)
			}
			take, err := c.o.Steps(b.Context(), Training{Model: m, Trainer: tr, Batch: 256})
			if err != nil {
				b.Fatal(err)
			}
			nfe := 0.0
			b.ReportAllocs()
			for step := 0; b.Loop(); step++ {
				r, err := take(step, 1e-3)
				if err != nil {
					b.Fatal(err)
				}
				nfe = r.NFE
			}
			b.ReportMetric(nfe, "NFE")
		})
	}
}
