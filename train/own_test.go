package train_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/train"
)

// follow is an objective as another module would write it: a regression on the velocity
// of a field that is given, at points of N(0, 1) at any time.
type follow struct {
	field flow.Field
	seed  uint64
}

// Check implements [train.Objective].
func (o follow) Check(m *model.Model) error {
	if o.field.Dim() != m.Dim() {
		return fmt.Errorf("a field of dimension %d", o.field.Dim())
	}
	return nil
}

// Examples implements [train.Regression].
func (o follow) Examples(_ *model.Model, ex *nn.Examples, step uint64) error {
	rng := seed.Rand(o.seed, "follow", step)
	flow.Gaussian{}.Sample(ex.X1, rng)
	for i := range ex.T {
		ex.T[i] = rng.Float64()
		// A regression on the point x_1 itself, with x_0 for the target.
		ex.Alpha[i], ex.G0[i], ex.Weight[i] = 1, 1, 1
		if err := o.field.Velocity(ex.X0.Row(i), ex.T[i], ex.X1.Row(i)); err != nil {
			return err
		}
	}
	return nil
}

// Validation implements [train.Validator].
func (o follow) Validation(m *model.Model, held data.Finite, batch int) (train.Validate, error) {
	ex := nn.NewExamples(64, m.Dim())
	return func(_ context.Context, net *nn.Net) (float64, error) {
		loss, err := net.Loss(ex)
		return stat.Mean(loss), err
	}, o.Examples(m, ex, math.MaxUint64)
}

// Limits implements [train.Limited].
func (follow) Limits() (noDensity, noScore string) { return "", "objective follow" }

// pull is the field v = -x.
type pull struct{}

func (pull) Dim() int { return 1 }
func (pull) Velocity(v []float64, _ float64, x []float64) error {
	for i := range v {
		v[i] = -x[i]
	}
	return nil
}

func newModel(t *testing.T, spec model.Spec, cfg nn.Config) *model.Model {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(spec, net)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnObjectiveOfAnotherModuleTrains(t *testing.T) {
	m := newModel(t, model.Spec{}, nn.Config{Dim: 1, Hidden: []int{16}})
	var last train.Event
	fit := train.Fit{
		Loop:      train.Loop{Steps: 400, Batch: 64, LR: 1e-2},
		Optimizer: nn.Optimizer{EMADecay: new(0.95)},
		Hooks:     train.Hooks{Event: func(e train.Event) error { last = e; return nil }},
	}
	m, err := fit.Train(t.Context(), m, follow{field: pull{}, seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if last.ValLoss == nil || *last.ValLoss > 1e-2 {
		t.Errorf("it ended with %+v", last)
	}
	x0 := flow.Batch{X: []float64{-1, 0.5}, N: 2, D: 1}
	solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(8)}
	s, err := m.SampleFrom(t.Context(), x0, model.SampleOptions{Sampler: model.ODE{Solver: solver}})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range x0.X {
		if want := x / math.E; math.Abs(s.X.X[i]-want) > 0.05 {
			t.Errorf("from %g the flow goes to %g, want %g", x, s.X.X[i], want)
		}
	}
	if err := m.HasScore(); !errors.Is(err, model.ErrNoScore) {
		t.Errorf("the score: %v", err)
	}
	two := newModel(t, model.Spec{}, nn.Config{Dim: 2, Hidden: []int{4}})
	if _, err := fit.Train(t.Context(), two, follow{field: pull{}}); err == nil {
		t.Error("a field of one dimension trained a network of two")
	}
}

// early is a schedule of one's own type: the data are there at half the time already.
type early struct{}

func (early) Domain() (lo, hi float64) { return 0, 1 }

func (early) At(t float64) path.Coef {
	return path.Coef{Alpha: t * (2 - t), DAlpha: 2 - 2*t, Sigma: 1 - t, DSigma: -1}
}

// registered is what naming it says; a name can be given once a process.
var registered = path.Register("train-test-early", func(path.Config) (path.Scheduler, error) { return early{}, nil })

// quick trains in a moment.
var quick = train.Fit{
	Loop: train.Loop{Steps: 500, Batch: 128, LR: 1e-2}, Optimizer: nn.Optimizer{EMADecay: new(0.95)},
}

// aroundTwo is the objective on points of N(2, 0.3²).
func aroundTwo() train.CFM {
	x := flow.NewBatch(500, 1)
	flow.Gaussian{Std: 0.3}.Sample(x, seed.Rand(1, "own", 0))
	for i := range x.X {
		x.X[i] += 2
	}
	return train.CFM{Data: data.Shuffle(data.Points{X: x}, 1), Seed: 1}
}

// The model's schedule is what an objective trains along and what samples follow, and a
// file knows it by its name.
func TestAScheduleOfOnesOwnTrainsSamplesAndIsSaved(t *testing.T) {
	trained := func(spec model.Spec) *model.Model {
		t.Helper()
		m, err := quick.Train(t.Context(), newModel(t, spec, nn.Config{Dim: 1, Hidden: []int{32}}), aroundTwo())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	sample := func(m *model.Model) []float64 {
		t.Helper()
		solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(10)}
		s, err := m.Sample(t.Context(), model.SampleOptions{N: 500, Seed: 4, Sampler: model.ODE{Solver: solver}})
		if err != nil {
			t.Fatal(err)
		}
		return s.X.X
	}
	byFunc := path.Func{Fn: early{}.At}
	var made []*model.Model
	for _, s := range []path.Scheduler{early{}, byFunc} {
		m := trained(model.Spec{Scheduler: s})
		if mean := stat.Mean(sample(m)); math.Abs(mean-2) > 0.1 {
			t.Errorf("%T: samples have mean %g, want 2", s, mean)
		}
		if err := m.Save(filepath.Join(t.TempDir(), "m")); !errors.Is(err, model.ErrUnnamed) {
			t.Errorf("%T: saved without a name: %v", s, err)
		}
		made = append(made, m)
	}
	if !slices.Equal(sample(made[0]), sample(made[1])) {
		t.Error("the same schedule by two types trains differently")
	}
	if registered != nil {
		t.Fatal(registered)
	}
	named := trained(model.Spec{Path: path.Config{Name: "train-test-early"}})
	file := filepath.Join(t.TempDir(), "m.safetensors")
	if err := named.Save(file); err != nil {
		t.Fatal(err)
	}
	opened, _, err := model.Open(file, named.Net().Engine())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sample(opened), sample(made[0])) {
		t.Error("the file of the model has other samples")
	}
	// The schedule matters: along another the same network ends elsewhere.
	if slices.Equal(sample(trained(model.Spec{})), sample(made[0])) {
		t.Error("training along the schedule is training along condot")
	}
}
