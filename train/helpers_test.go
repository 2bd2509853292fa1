package train

import (
	"context"
	"math/rand/v2"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// points is a small finite data set.
func points(n, d int) data.Points {
	rng := rand.New(rand.NewPCG(11, 11))
	p := data.Points{X: flow.NewBatch(n, d)}
	for i := range p.X.X {
		p.X.X[i] = 2 * rng.NormFloat64()
	}
	return p
}

// labelled is points with classes.
func labelled(n, d, classes int) data.Points {
	p := points(n, d)
	p.Given.Label = flow.LabelsInTurn(n, classes)
	return p
}

func newNet(t testing.TB, cfg nn.Config) *nn.Net {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// newModel returns a model with random weights; of a configuration without layers, with
// few.
func newModel(t testing.TB, spec model.Spec, cfg nn.Config) *model.Model {
	t.Helper()
	if cfg.Dim == 0 {
		cfg.Dim = 2
	}
	if cfg.Hidden == nil && cfg.UNet == nil {
		cfg.Hidden = []int{16, 16}
	}
	m, err := model.New(spec, newNet(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// along returns a model of the plane along a schedule.
func along(t testing.TB, s path.Scheduler) *model.Model {
	t.Helper()
	return newModel(t, model.Spec{Scheduler: s}, nn.Config{})
}

// examples returns those of a step.
func examples(t testing.TB, m *model.Model, r Regression, n int, step uint64) *nn.Examples {
	t.Helper()
	ex := newExamples(m, n)
	if err := r.Examples(m, ex, step); err != nil {
		t.Fatal(err)
	}
	return ex
}

// session is a training from the start, always the same.
type session struct {
	m    *model.Model
	tr   *nn.NetTrainer
	o    Objective
	held data.Finite // nil: none
}

func newSession(t testing.TB, m *model.Model, o Objective, held data.Finite) session {
	t.Helper()
	tr, err := m.Net().NewTrainer(nn.Optimizer{ClipNorm: 1}, nn.StepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return session{m, tr, o, held}
}

// cfmSession is a training of cfm.
func cfmSession(t testing.TB) session {
	t.Helper()
	return newSession(t, along(t, path.CondOT{}), cfm(), points(50, 2))
}

func cfm() CFM { return CFM{Data: data.Shuffle(points(100, 2), 1), Coupling: coupling.OT{}, Seed: 2} }

// run runs a loop from the state of the trainer.
func (s session) run(ctx context.Context, l Loop, p Progress, h Hooks) (Progress, error) {
	return Session{Model: s.m, Objective: s.o, Trainer: s.tr, Held: s.held, Progress: p, Hooks: h}.Run(ctx, l)
}

// state returns that of the trainer.
func (s session) state(t testing.TB) nn.State {
	t.Helper()
	state, err := s.tr.State()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

var short = Loop{
	Steps: 60, Batch: 32, LogEvery: new(7), ValEvery: new(20), CheckpointEvery: new(15), Warmup: 5,
}

// failing is a stream whose step 20 fails.
type failing struct {
	data.Stream
	err error
}

func (f failing) Fill(x flow.Batch, given flow.Given, step uint64) error {
	if step == 20 {
		return f.err
	}
	return f.Stream.Fill(x, given, step)
}

// ones is a stream whose labels are all 1.
type ones struct{ data.Stream }

func (l ones) Fill(x flow.Batch, given flow.Given, step uint64) error {
	for i := range given.Label {
		given.Label[i] = 1
	}
	given.Label = nil
	return l.Stream.Fill(x, given, step)
}
