// Package own is what a module outside of this tree does, with exported names only:
// scripts/check-library.sh moves it there and runs it.
package own

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"flowmatch/data"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/train"
)

var solver = ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}

// newNet returns a small network on the default engine.
func newNet(t *testing.T, cfg nn.Config) *nn.Net {
	t.Helper()
	engine, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dim, cfg.Hidden = 2, []int{32, 32}
	net, err := nn.New(engine, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func newModel(t *testing.T, spec model.Spec) *model.Model {
	t.Helper()
	m, err := model.New(spec, newNet(t, nn.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// blob returns n points of N((3, -1), diag(4, 0.25)).
func blob(n int) flow.Batch {
	x, rng := flow.NewBatch(n, 2), rand.New(rand.NewPCG(1, 2))
	for i := range n {
		x.Row(i)[0], x.Row(i)[1] = 3+2*rng.NormFloat64(), -1+0.5*rng.NormFloat64()
	}
	return x
}

// entropy of that law, in nats.
var entropy = 1 + math.Log(2*math.Pi) + math.Log(2*0.5)

// Own points to samples and log p, save and load.
func TestPointsToSamples(t *testing.T) {
	ctx, x := context.Background(), blob(2000)
	std, err := data.Fit(x, nil)
	if err != nil {
		t.Fatal(err)
	}
	z := x.Clone()
	std.Apply(z)
	m := newModel(t, model.Spec{Standardizer: std})
	cfm := train.CFM{Data: data.Shuffle(data.Points{X: z}, 1), Seed: 1}
	if m, err = (train.Fit{Loop: train.Loop{Steps: 400, LR: 5e-3}}).Train(ctx, m, cfm); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "blob.safetensors")
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	again, _, err := model.Open(file, m.Net().Engine())
	if err != nil {
		t.Fatal(err)
	}
	s, err := again.Sample(ctx, model.SampleOptions{N: 500, Seed: 2, Sampler: model.Density{Solver: solver}})
	if err != nil {
		t.Fatal(err)
	}
	mean, nll := 0.0, 0.0
	for i := range s.X.N {
		mean += s.X.Row(i)[0] / 500
		nll -= s.LogP[i] / 500
	}
	if math.Abs(mean-3) > 0.4 || math.Abs(nll-entropy) > 0.3 {
		t.Errorf("mean %.3f and entropy %.3f of the samples; want about 3 and %.3f", mean, nll, entropy)
	}
}

// A schedule of one's own: in the program by itself, and in files by a name.
func TestASchedule(t *testing.T) {
	sine := path.Func{Fn: func(t float64) path.Coef {
		s, c := math.Sincos(math.Pi / 2 * t)
		return path.Coef{Alpha: s, Sigma: c, DAlpha: math.Pi / 2 * c, DSigma: -math.Pi / 2 * s}
	}, Lo: 0, Hi: 1}
	ctx, cfm := context.Background(), train.CFM{Data: data.Shuffle(data.Points{X: blob(500)}, 1)}
	fit := train.Fit{Loop: train.Loop{Steps: 50}}
	m, err := fit.Train(ctx, newModel(t, model.Spec{Scheduler: sine}), cfm)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sine.safetensors")
	if err := m.Save(file); err == nil {
		t.Error("a schedule without a name was saved")
	}
	if err := newModel(t, model.Spec{Scheduler: path.VP{}}).Save(file); err != nil {
		t.Errorf("a schedule of the library: %v", err)
	}
	if err := path.Register("sine", func(path.Config) (path.Scheduler, error) { return sine, nil }); err != nil {
		t.Fatal(err)
	}
	if m, err = fit.Train(ctx, newModel(t, model.Spec{Path: path.Config{Name: "sine"}}), cfm); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(file); err != nil {
		t.Fatal(err)
	}
	if _, _, err := model.Open(file, m.Net().Engine()); err != nil {
		t.Fatal(err)
	}
}

// toward is an objective of one's own: a regression on the way to the data from
// noise that is half as wide.
type toward struct{ data.Stream }

func (o toward) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	if err := o.Fill(ex.X1, ex.Given, step); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(7, step))
	for i := range ex.T {
		ex.T[i] = rng.Float64()
		c := m.Scheduler().At(ex.T[i])
		ex.Alpha[i], ex.Sigma[i], ex.Weight[i] = c.Alpha, c.Sigma, 1
		ex.G1[i], ex.G0[i] = c.Weights(m.Spec().Prediction)
	}
	for i := range ex.X0.X {
		ex.X0.X[i] = 0.5 * rng.NormFloat64()
	}
	return nil
}

// Check reports what cannot be trained so, before the first step.
func (o toward) Check(m *model.Model) error {
	if o.Dim() != m.Dim() {
		return fmt.Errorf("data of dimension %d for a model of dimension %d", o.Dim(), m.Dim())
	}
	return nil
}

// rounded is CFM with an Examples of its own, which is what is trained on.
type rounded struct{ train.CFM }

func (o rounded) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	if err := o.CFM.Examples(m, ex, step); err != nil {
		return err
	}
	for i, x := range ex.X1.X {
		ex.X1.X[i] = math.Round(x)
	}
	return nil
}

// line is a stream of one's own: points of a line, with what each is given.
type line struct{}

func (line) Dim() int { return 2 }

func (line) Fill(x1 flow.Batch, given flow.Given, step uint64) error {
	rng := rand.New(rand.NewPCG(3, step))
	for i := range x1.N {
		u := rng.Float64()
		x1.Row(i)[0], x1.Row(i)[1] = u, 2*u
		if given.Context.N > 0 {
			given.Context.Row(i)[0] = u
		}
	}
	return nil
}

func TestAnObjectiveAndAStream(t *testing.T) {
	last := 0.0
	fit := train.Fit{
		Loop:  train.Loop{Steps: 200, LR: 5e-3},
		Hooks: train.Hooks{Event: func(e train.Event) error { last = e.Loss; return nil }},
	}
	if _, err := fit.Train(context.Background(), newModel(t, model.Spec{}), toward{line{}}); err != nil {
		t.Fatal(err)
	}
	if !(last > 0 && last < 1) {
		t.Errorf("the loss ends at %g", last)
	}
	if _, err := fit.Train(context.Background(), newModel(t, model.Spec{}), train.CFM{}); err == nil {
		t.Error("an objective of no data was trained")
	}
	cfm := train.CFM{Data: line{}, Seed: 1}
	if _, err := fit.Train(context.Background(), newModel(t, model.Spec{}), cfm); err != nil {
		t.Fatal(err)
	}
	plain := last
	if _, err := fit.Train(context.Background(), newModel(t, model.Spec{}), rounded{cfm}); err != nil {
		t.Fatal(err)
	}
	if last == plain {
		t.Error("the examples of the embedded objective were trained on")
	}
}

// A context of one's own: p(x | u), with the stream giving u.
func TestAContext(t *testing.T) {
	ctx := context.Background()
	m, err := model.New(model.Spec{}, newNet(t, nn.Config{Context: 1}))
	if err != nil {
		t.Fatal(err)
	}
	if m, err = (train.Fit{Loop: train.Loop{Steps: 600, LR: 1e-2}}).Train(ctx, m, train.CFM{Data: line{}}); err != nil {
		t.Fatal(err)
	}
	given := flow.Given{Context: flow.Batch{N: 1, D: 1, X: []float64{0.7}}}
	s, err := m.Sample(ctx, model.SampleOptions{N: 200, Given: given, Sampler: model.ODE{Solver: solver}})
	if err != nil {
		t.Fatal(err)
	}
	mean := 0.0
	for i := range s.X.N {
		mean += s.X.Row(i)[1] / float64(s.X.N)
	}
	if math.Abs(mean-1.4) > 0.2 {
		t.Errorf("the mean given 0.7 is %.3f, want about 1.4", mean)
	}
}

// rotation is a field of one's own: it turns the plane, and keeps all volumes.
type rotation struct{}

func (rotation) Dim() int { return 2 }

func (rotation) Velocity(v []float64, _ float64, x []float64) error {
	for i := 0; i < len(x); i += 2 {
		v[i], v[i+1] = -x[i+1], x[i]
	}
	return nil
}

func (r rotation) VelocityDiv(v, div []float64, t float64, x []float64) error {
	clear(div)
	return r.Velocity(v, t, x)
}

func TestAField(t *testing.T) {
	p := likelihood.Problem{Field: rotation{}, Source: flow.Gaussian{}, Solver: solver}
	logp, _, _, err := p.LogProb(context.Background(), flow.Batch{N: 1, D: 2, X: []float64{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if want := -math.Log(2*math.Pi) - 2.5; math.Abs(logp[0]-want) > 1e-4 {
		t.Errorf("log p is %g, want %g", logp[0], want)
	}
}

// An evaluation without a run's folder.
func TestAnEvaluation(t *testing.T) {
	ctx, x := context.Background(), blob(1000)
	m := newModel(t, model.Spec{})
	points := data.Points{X: x}
	set := &data.Set{Name: "blob", Kind: data.KindTable, Dim: 2, Shape: []int{2}, TrainSet: points,
		Val: points, Test: points}
	rep, err := eval.Subject{Model: m, Set: set,
		Settings: eval.Settings{Samples: 200, Test: 200}.Defaults()}.Report(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Likelihood == nil || rep.Likelihood.Points != 200 || rep.Samples == nil || !(*rep.Samples.W2 > 0) {
		t.Errorf("the report is %+v", rep)
	}
}
