package neuralode

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/train"
)

var quick = ode.Solver{Method: ode.RK4, Control: ode.Fixed(1), MaxNFE: 100_000}

func TestFitsFollowTheirSystems(t *testing.T) {
	for _, c := range []struct {
		s     System
		g     Gradient
		steps int
		want  float64 // RMSE of the whole trajectory
	}{
		{Spiral(), Backprop, 600, 0.2},
		{LotkaVolterra(), Adjoint, 400, 0.05},
		{Pendulum(), Backprop, 300, 0.1},
	} {
		e := Experiment{System: c.s, Fit: Fit{Loop: train.Loop{Steps: c.steps}, Seed: 1, Block: Block{Solver: quick}}}
		r, err := e.Run(context.Background(), open(t), c.g)
		if err != nil {
			t.Fatal(err)
		}
		f := r.Fits[0]
		before, after := f.Before.RMSE(r.Truth), f.After.RMSE(r.Truth)
		t.Logf("%s, %v: RMSE %.3g before, %.3g after %d steps", c.s.Name, c.g, before, after, c.steps)
		if !(after < c.want) || !(before > 2*c.want) {
			t.Errorf("%s, %v: RMSE %g before and %g after %d steps, want below %g", c.s.Name, c.g, before, after,
				c.steps, c.want)
		}
		if last := f.Curve[len(f.Curve)-1]; last.Step != c.steps || last.Error != after {
			t.Errorf("%s: the curve ends with step %d and error %g, want %d and %g", c.s.Name, last.Step, last.Error,
				c.steps, after)
		}
	}
}

// x' = cos 2t - x from many starts: the field must know the time.
type driven struct{}

func (driven) Dim() int { return 1 }
func (driven) Velocity(v []float64, t float64, x []float64) error {
	for i, xi := range x {
		v[i] = math.Cos(2*t) - xi
	}
	return nil
}

func TestAFieldOfTimeIsLearnt(t *testing.T) {
	ctx := context.Background()
	// Times at unequal distances are no obstacle.
	var ts []float64
	for i := range 40 {
		ts = append(ts, 4*math.Pow(float64(i)/39, 1.3))
	}
	data, err := Simulate(ctx, tight, driven{}, flow.Batch{N: 4, D: 1, X: []float64{-1.5, -0.5, 0.5, 1.5}}, ts)
	if err != nil {
		t.Fatal(err)
	}
	fit := Fit{Data: data, Length: 8, Loop: train.Loop{Batch: 4, Steps: 300, ValEvery: new(150)}, Seed: 1,
		Block: Block{Solver: quick, TimeUnit: 4, Gradient: Adjoint}}
	run := func() ([]Point, []float32) {
		tr, err := newNet(t, nn.Config{Dim: 1, Hidden: []int{32, 32},
			TimeFrequencies: 3}).NewTrainer(nn.Optimizer{EMADecay: new(0.99)}, nn.StepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		steps := 0
		curve, err := fit.Run(ctx, tr, train.Hooks{Step: func(step int, _ float64) {
			if steps++; step != steps {
				t.Errorf("step %d is observed as %d", steps, step)
			}
		}})
		if err != nil || steps != fit.Loop.Steps || len(curve) != 2 {
			t.Fatalf("%d steps observed, %d points, %v", steps, len(curve), err)
		}
		s, err := tr.State()
		if err != nil {
			t.Fatal(err)
		}
		return curve, s.Weights
	}
	curve, weights := run()
	if !(curve[1].Error < 0.05) {
		t.Errorf("RMSE %g after %d steps, want below 0.05", curve[1].Error, fit.Loop.Steps)
	}
	if _, again := run(); !slices.Equal(weights, again) {
		t.Error("the same seed gave other weights")
	}
	fit.Block.Autonomous = true
	if _, err := fit.Run(ctx, nil, train.Hooks{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("autonomous, times at unequal distances: got %v", err)
	}
}

func TestBadFitsAreNamed(t *testing.T) {
	good := Fit{Data: counted(1, 20), Loop: train.Loop{Steps: 1}, Block: Block{Solver: quick}}
	for name, spoil := range map[string]func(*Fit){
		"no data":     func(f *Fit) { f.Data = Trajectories{} },
		"no steps":    func(f *Fit) { f.Loop.Steps = 0 },
		"a batch":     func(f *Fit) { f.Loop.Batch = -1 },
		"lr":          func(f *Fit) { f.Loop.LR = -1 },
		"too long":    func(f *Fit) { f.Length = 21 },
		"too short":   func(f *Fit) { f.Length = 1 },
		"evaluations": func(f *Fit) { f.Loop.ValEvery = new(-1) },
	} {
		f := good
		spoil(&f)
		if _, err := f.Run(context.Background(), nil, train.Hooks{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAnExperimentReportsEverything(t *testing.T) {
	e := Experiment{System: Pendulum(), Points: 200, Net: nn.Config{Hidden: []int{8}},
		Tolerances: []float64{1e-3, 1e-5},
		Fit:        Fit{Loop: train.Loop{Steps: 20, ValEvery: new(10)}, Seed: 1, Block: Block{Solver: quick}}}
	r, err := e.Run(context.Background(), open(t))
	if err != nil {
		t.Fatal(err)
	}
	if r.System != "pendulum" || len(r.Truth.T) != 200 || len(r.Fits) != 2 || len(r.Gradients.Rows) != 4 {
		t.Fatalf("%s: %d times, %d fits, %d rows", r.System, len(r.Truth.T), len(r.Fits), len(r.Gradients.Rows))
	}
	for i, g := range []Gradient{Adjoint, Backprop} {
		if f := r.Fits[i]; f.Gradient != g || len(f.Curve) != 2 || len(f.After.X) != 200 {
			t.Errorf("fit %d: %v with %d points and %d times", i, f.Gradient, len(f.Curve), len(f.After.X))
		}
	}
	if fd := r.Gradients.FiniteDifference; !(fd < 1e-2) {
		t.Errorf("the reference is off a finite difference by %g", fd)
	}
}

// A fit is a training like any other: it goes on from the step that its trainer stands
// at, and its rate is that of the loop.
func TestAFitGoesOnWhereItStopped(t *testing.T) {
	ctx := context.Background()
	data, err := Simulate(ctx, tight, driven{}, flow.Batch{N: 1, D: 1, X: []float64{0.5}}, Times(0, 2, 20))
	if err != nil {
		t.Fatal(err)
	}
	fit := Fit{Data: data, Length: 5, Loop: train.Loop{Batch: 3, Steps: 12, LogEvery: new(1)}, Seed: 1,
		Block: Block{Solver: quick}}
	net := newNet(t, nn.Config{Dim: 1, Hidden: []int{4}})
	run := func(from nn.State, until int) (s nn.State, rates []float64) {
		t.Helper()
		tr, err := net.NewTrainer(nn.Optimizer{}, nn.StepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if from.Step > 0 {
			if err := tr.Restore(from); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		h := train.Hooks{
			Event: func(e train.Event) error { rates = append(rates, e.LR); return nil },
			Step: func(step int, _ float64) {
				if step == until {
					cancel()
				}
			},
		}
		if _, err := fit.Run(ctx, tr, h); err != nil && !errors.Is(err, train.ErrInterrupted) {
			t.Fatal(err)
		}
		if s, err = tr.State(); err != nil {
			t.Fatal(err)
		}
		return s, rates
	}
	whole, rates := run(nn.State{}, 0)
	half, first := run(nn.State{}, 5)
	again, rest := run(half, 0)
	if half.Step != 5 || !slices.Equal(again.Weights, whole.Weights) || !slices.Equal(again.EMA, whole.EMA) {
		t.Errorf("stopped at step %d and taken up again, the fit ends elsewhere", half.Step)
	}
	if !slices.Equal(append(first, rest...), rates) {
		t.Errorf("the rates are %v and %v, of the whole %v", first, rest, rates)
	}
	for k, lr := range rates {
		if want := 1e-2 * (1 + math.Cos(math.Pi*float64(k)/12)) / 2; math.Abs(lr-want) > 1e-12 {
			t.Errorf("the rate of step %d is %g, want %g", k, lr, want)
		}
	}
}
