package model

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/sde"
)

// What is not there, or does not fit, is an error and never a panic.
func TestWhatIsNotThereIsAnError(t *testing.T) {
	m, err := drawn(t, small)
	if err != nil {
		t.Fatal(err)
	}
	plane, x, ctx := untrained(t, planar.Net), flow.NewBatch(2, 2), t.Context()
	by := func(s Sampler) error { return second(plane.Sample(ctx, SampleOptions{N: 1, Sampler: s})) }
	short := flow.Batch{N: 2, D: 2, X: []float64{1}}
	file := filepath.Join(t.TempDir(), "m")
	good := trained(t, planar)
	spoilt := func(change func(c *Checkpoint)) error {
		c := *good
		change(&c)
		return c.Save(file)
	}
	solver := euler(2)
	likelihood, ways := LikelihoodOptions{Solver: solver}, SampleOptions{Sampler: ODE{Solver: solver}}
	errs := map[string]struct {
		err  error
		want string
	}{
		"images of another size":     {second(m.ContextOf(flow.NewBatch(2, 15), 1)), "images of shape [2, 15]"},
		"short images":               {second(m.ContextOf(flow.Batch{N: 2, D: 16}, 1)), "with 0 numbers"},
		"short points":               {third(plane.LogProb(ctx, short, likelihood)), "with 1 numbers"},
		"short source points":        {second(plane.SampleFrom(ctx, short, ways)), "with 1"},
		"no sampler":                 {by(nil), "Sampler is nil"},
		"a nil ODE":                  {by((*ODE)(nil)), "Sampler is nil"},
		"a nil SDE":                  {by((*SDE)(nil)), "Sampler is nil"},
		"a nil Average":              {by((*Average)(nil)), "Sampler is nil"},
		"a nil Density":              {by((*Density)(nil)), "Sampler is nil"},
		"an ODE without a solver":    {by(ODE{}), "ode"},
		"an SDE without steps":       {by(SDE{Sampler: sde.Sampler{}}), "sde"},
		"a Density without a solver": {by(Density{}), "ode"},
		"the zero Average":           {by(Average{}), "0 steps"},
		"the zero Checkpoint":        {Checkpoint{}.Save(file), "Checkpoint.Net is nil"},
		"its model":                  {second((&Checkpoint{}).Model()), "Checkpoint.Net is nil"},
		"the model of nil":           {second((*Checkpoint)(nil).Model()), "Checkpoint.Net is nil"},
		"an empty network":           {Checkpoint{Net: &nn.Net{}}.Save(file), "Checkpoint.Net is nil or empty"},
		"no averaged weights": {spoilt(func(c *Checkpoint) { c.State.EMA = nil }),
			"Checkpoint.State.EMA holds 0 numbers"},
		"few weights": {spoilt(func(c *Checkpoint) { c.State.Weights = c.State.Weights[1:] }),
			"Checkpoint.State.Weights holds"},
		"few moments": {spoilt(func(c *Checkpoint) { c.State.Var2 = c.State.Var2[:3] }),
			"Checkpoint.State.Var2 holds 3 numbers"},
		"steps before the first": {spoilt(func(c *Checkpoint) { c.State.Step = -1 }), "Step is -1"},
		"no classifier":          {SaveClassifier(file, nil), "the classifier is nil"},
		"an empty classifier":    {SaveClassifier(file, &nn.Classifier{}), "empty"},
	}
	for name, none := range map[string]*Model{"nil": nil, "zero": {}} {
		for what, err := range map[string]error{
			"Sample":  second(none.Sample(ctx, SampleOptions{N: 1, Sampler: ODE{Solver: solver}})),
			"From":    second(none.SampleFrom(ctx, x, ways)),
			"LogProb": third(none.LogProb(ctx, x, likelihood)),
			"Save":    none.Save(file), "Field": second(none.Field(flow.Given{})),
			"ContextOf": second(none.ContextOf(x, 1)),
			"WithNet":   second(none.WithNet(plane.Net())), "HasDensity": none.HasDensity(),
			"HasScore": none.HasScore(),
			"ONNX":     second(none.ONNX(ExportOptions{})), "SaveONNX": second(none.SaveONNX(file, ExportOptions{})),
		} {
			errs[what+" of the "+name+" model"] = struct {
				err  error
				want string
			}{err, "the model is nil or empty"}
		}
		lo, hi := none.Span()
		if _, err := none.BitsPerDim(1); !errors.Is(err, ErrNotDiscrete) || lo != 0 || hi != 0 || none.Dim() != 0 ||
			none.Net() != nil || none.Scheduler() != nil || none.Source() != nil || none.Conditioner() != nil {
			t.Errorf("the %s model has properties", name)
		}
	}
	for name, c := range errs {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) ||
			strings.Contains(c.err.Error(), "runtime error") {
			t.Errorf("%s: got %v, want an error with %q", name, c.err, c.want)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written")
	}
}

// A pointer to a sampler samples as the sampler does.
func TestPointersToSamplersWork(t *testing.T) {
	m := untrained(t, planar.Net)
	solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(3)}
	noise := SDE{Sampler: sde.Sampler{Method: sde.DDIM, Steps: 4}}
	for _, c := range []struct{ value, pointer Sampler }{
		{ODE{Solver: solver}, &ODE{Solver: solver}}, {noise, &noise},
		{Density{Solver: solver}, &Density{Solver: solver}},
	} {
		a, err := m.Sample(t.Context(), SampleOptions{N: 3, Seed: 1, Sampler: c.value})
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Sample(t.Context(), SampleOptions{N: 3, Seed: 1, Sampler: c.pointer})
		if err != nil || !slices.Equal(a.X.X, b.X.X) {
			t.Errorf("%T: %v and %v, %v", c.pointer, a.X.X, b.X.X, err)
		}
	}
}

// A file is never replaced by one that cannot be read again.
func TestWhatIsNotFiniteIsNotSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "m")
	c := trained(t, planar)
	if err := c.Save(file); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for want, spoil := range map[string]func(s *nn.State){
		`tensor "net.0.weight" holds NaN at position 2`:        func(s *nn.State) { s.EMA[2] = nan },
		`tensor "raw.net.0.weight" holds +Inf at position 0`:   func(s *nn.State) { s.Weights[0] = inf },
		`tensor "opt.exp_avg.net.0.weight" holds -Inf`:         func(s *nn.State) { s.Moment1[1] = -inf },
		`tensor "opt.exp_avg_sq.net.0.weight" holds NaN at po`: func(s *nn.State) { s.Var2[0] = nan },
	} {
		c := trained(t, planar)
		for _, s := range []*[]float32{&c.State.EMA, &c.State.Weights, &c.State.Moment1, &c.State.Var2} {
			*s = slices.Clone(*s)
		}
		spoil(&c.State)
		err := c.Save(file)
		if err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "what was there is kept") {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	w, err := c.Net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	w[0] = nan
	net, err := c.Net.WithWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(planar, net)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(file); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("a model: %v", err)
	}
	if after, err := os.ReadFile(file); err != nil || !slices.Equal(after, before) {
		t.Errorf("the file has changed (%v)", err)
	}
}
