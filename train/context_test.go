package train

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// pictures are images of 4x4 levels, read with noise and mirrored at random.
func pictures(t *testing.T, n int) data.Finite {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	pix := make([]byte, 16*n)
	for i := range pix {
		pix[i] = byte(rng.IntN(256))
	}
	m, err := image.New([]int{4, 4}, pix, nil, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	flipped, err := image.Flip(m, m.Shape)
	if err != nil {
		t.Fatal(err)
	}
	return flipped
}

// conditioned returns the images as a set whose contexts are made of them, and a model
// of them along a schedule.
func conditioned(t *testing.T, cfg image.ConditionConfig, s path.Scheduler, seed uint64) (*data.Set, *model.Model) {
	t.Helper()
	c, err := cfg.New([]int{4, 4}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := pictures(t, 30)
	set := &data.Set{Train: data.Shuffle(all, 3), TrainSet: all, Val: all, Test: all}
	unet := &nn.UNet{Image: []int{4, 4, 1}, Channels: 2, Mult: []int{1, 1}, Blocks: 1}
	spec := model.Spec{Scheduler: s, Shape: []int{4, 4}, Condition: &cfg}
	with, err := set.WithContext(c, seed)
	if err != nil {
		t.Fatal(err)
	}
	return with, newModel(t, spec, nn.Config{Dim: 16, Context: c.Dim(), UNet: unet})
}

// Whatever is done to an image when it is read, its context is of the very image
// that the flow is to end at.
func TestAContextIsOfItsOwnImage(t *testing.T) {
	for _, cfg := range []image.ConditionConfig{{Kind: image.SuperRes, Factor: 2},
		{Kind: image.Inpaint, Mask: "left"}} {
		set, m := conditioned(t, cfg, path.CondOT{}, 5)
		c, o := m.Conditioner(), CFM{Data: set.Train, Seed: 5}
		own := func(what string, ex *nn.Examples) {
			t.Helper()
			want := flow.NewBatch(ex.X1.N, c.Dim())
			if err := c.Fill(want, ex.X1, nil); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ex.Given.Context.X, want.X) {
				t.Errorf("%v: the contexts of %s are of other images", cfg, what)
			}
		}
		ex := newExamples(m, 16)
		for _, step := range []uint64{3, 4} { // the second fills the same memory
			if err := o.Examples(m, ex, step); err != nil {
				t.Fatal(err)
			}
			own("a step", ex)
		}
		val, err := o.heldOut(m, set.Val, 7)
		if err != nil {
			t.Fatal(err)
		}
		own("validation", val)
		// A path with noise of its own writes over x_1, after it was looked at.
		set, m = conditioned(t, cfg, path.Bridge{Sigma: 0.5}, 5)
		noisy := examples(t, m, CFM{Data: set.Train, Seed: 5}, 16, 4)
		if !slices.Equal(noisy.Given.Context.X, ex.Given.Context.X) || slices.Equal(noisy.X1.X, ex.X1.X) {
			t.Errorf("%v: noise around the path reaches the context", cfg)
		}
	}
}

func TestMasksAreAFunctionOfSeedAndStep(t *testing.T) {
	make := func(seed, step uint64) []float64 {
		set, m := conditioned(t, image.ConditionConfig{Kind: image.Inpaint, Mask: "pixels"}, path.CondOT{}, seed)
		return examples(t, m, CFM{Data: set.Train, Seed: seed}, 8, step).Given.Context.X
	}
	mask := func(cond []float64) (out []float64) {
		for i := 1; i < len(cond); i += 2 {
			out = append(out, cond[i])
		}
		return out
	}
	if !slices.Equal(make(1, 6), make(1, 6)) {
		t.Error("the same step, other contexts")
	}
	if slices.Equal(mask(make(1, 6)), mask(make(1, 7))) || slices.Equal(mask(make(1, 6)), mask(make(2, 6))) {
		t.Error("another step or seed, the same masks")
	}
}

func TestContextsNeedIndependentNoise(t *testing.T) {
	set, m := conditioned(t, image.ConditionConfig{Kind: image.SuperRes, Factor: 2}, path.CondOT{}, 5)
	o := CFM{Data: set.Train, Coupling: coupling.OT{}}
	if err := o.Examples(m, newExamples(m, 8), 0); !errors.Is(err, ErrObjective) {
		t.Errorf("%v, want ErrObjective", err)
	}
	if _, err := (Fit{Loop: Loop{Steps: 1, Batch: 8}}).Train(t.Context(), m, o); !errors.Is(err, ErrObjective) {
		t.Errorf("training: %v, want ErrObjective", err)
	}
	o.Coupling = coupling.Independent{}
	examples(t, m, o, 8, 0)
	fit := Fit{Loop: Loop{Steps: 1, Batch: 8}}
	if _, err := fit.Train(t.Context(), m, FM{CFM: o, X1: flow.NewBatch(3, 16)}); err == nil {
		t.Error("the exact objective takes a context")
	}
}

// shifted is a stream of x_1 = c + 0.1 z, the context c a number of [-2, 2].
type shifted struct{}

func (shifted) Dim() int { return 1 }

func (shifted) Fill(x flow.Batch, given flow.Given, step uint64) error {
	if given.Context.N != x.N || given.Context.D != 1 {
		return data.ErrNoContext
	}
	rng := seed.Rand(1, "shifted", step)
	for i := range x.X {
		given.Context.X[i] = 4*rng.Float64() - 2
		x.X[i] = given.Context.X[i] + 0.1*rng.NormFloat64()
	}
	return nil
}

// held returns n points of a stream as a set.
func held(t *testing.T, s data.Stream, n, context int) data.Finite {
	t.Helper()
	p := data.Points{X: flow.NewBatch(n, s.Dim()), Given: flow.NewGiven(n, false, context)}
	if err := s.Fill(p.X, p.Given, 1<<40); err != nil {
		t.Fatal(err)
	}
	return p
}

// A perceptron learns p(x | c) by matching flows and by maximum likelihood alike.
func TestAPerceptronLearnsWithAContext(t *testing.T) {
	for name, c := range map[string]struct {
		o    Objective
		loop Loop
	}{
		"cfm": {CFM{Data: shifted{}, Seed: 1}, Loop{Steps: 600, Batch: 128, LR: 1e-2}},
		"ml": {ML{Data: shifted{}, Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(4)}, Seed: 1},
			Loop{Steps: 150, Batch: 64, LR: 2e-2}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, model.Spec{}, nn.Config{Dim: 1, Hidden: []int{32, 32}, Context: 1})
			var last Event
			fit := Fit{
				Loop: c.loop, Optimizer: nn.Optimizer{EMADecay: new(0.95)}, Held: held(t, shifted{}, 100, 1),
				Hooks: Hooks{Event: func(e Event) error { last = e; return nil }},
			}
			m, err := fit.Train(t.Context(), m, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if last.ValLoss == nil {
				t.Error("it was not validated")
			}
			given := flow.Given{Context: flow.Batch{X: []float64{-1.5, 0, 1.5}, N: 3, D: 1}}
			const each = 100
			solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(8)}
			for i := range 3 {
				o := model.SampleOptions{N: each, Seed: 3, Given: given.Slice(i, i+1),
					Sampler: model.ODE{Solver: solver}}
				s, err := m.Sample(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				at := given.Context.X[i]
				if mean := stat.Mean(s.X.X); math.Abs(mean-at) > 0.15 {
					t.Errorf("context %g: samples have mean %g", at, mean)
				}
			}
		})
	}
}

func TestDataWithoutContextsIsAnError(t *testing.T) {
	m := newModel(t, model.Spec{}, nn.Config{Context: 3})
	set := points(20, 2)
	for name, o := range map[string]Objective{
		"cfm": CFM{Data: data.Shuffle(set, 1)}, "ml": ML{Data: data.Shuffle(set, 1), Solver: tight},
	} {
		if _, err := (Fit{Loop: Loop{Steps: 1, Batch: 4}}).Train(t.Context(), m, o); !errors.Is(err,
			data.ErrNoContext) {
			t.Errorf("%s: got %v, want ErrNoContext", name, err)
		}
	}
}
