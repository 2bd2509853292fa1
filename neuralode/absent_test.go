package neuralode

import (
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
	"flowmatch/train"
)

// What is not there, or does not fit, is an error and never a panic.
func TestWhatIsNotThereIsAnError(t *testing.T) {
	ctx, x, one := t.Context(), flow.NewBatch(1, 2), flow.NewBatch(1, 1)
	data, net := counted(1, 20), newNet(t, nn.Config{Dim: counted(1, 20).X[0].D, Hidden: []int{4}})
	fit := Fit{Data: data, Loop: train.Loop{Steps: 1}, Block: Block{Solver: quick}}
	rng := seed.Rand(1, "test", 0)
	field := newNet(t, nn.Config{Dim: 2, Hidden: []int{4}})
	bound, err := field.Bind(flow.Given{})
	if err != nil {
		t.Fatal(err)
	}
	mean := func(l Loss, a, b Trajectories) error { _, _, err := l.Mean(a, b); return err }
	for name, err := range map[string]error{
		"a fit of no trainer":          second(fit.Run(ctx, nil, train.Hooks{})),
		"a fit of an empty trainer":    second(fit.Run(ctx, &nn.NetTrainer{}, train.Hooks{})),
		"the zero fit":                 second(Fit{}.Run(ctx, nil, train.Hooks{})),
		"the zero block":               second(Block{}.Forward(ctx, x, []float64{0, 1})),
		"a block of a nil field":       second(Block{Field: (*cubic)(nil)}.Forward(ctx, x, []float64{0, 1})),
		"a block without a solver":     second(Block{Field: bound}.Forward(ctx, x, []float64{0, 1})),
		"back through no pass":         third((*Pass)(nil).Gradient(ctx, nil, nil)),
		"back through the zero pass":   third((&Pass{}).Gradient(ctx, nil, nil)),
		"a prediction of no network":   second(Block{Solver: quick}.Predict(ctx, nil, x, []float64{0, 1})),
		"a comparison of no network":   second(Compare(ctx, nil, Block{}, data, SquaredError, 1)),
		"a comparison of no data":      second(Compare(ctx, net, Block{}, Trajectories{}, SquaredError, 1)),
		"a comparison by no loss":      second(Compare(ctx, net, Block{}, data, nil, 1)),
		"a simulation of nothing":      second(Simulate(ctx, quick, nil, x, []float64{0, 1})),
		"of a nil field":               second(Simulate(ctx, quick, (*cubic)(nil), x, []float64{0, 1})),
		"of the zero system":           second(Simulate(ctx, quick, System{}, flow.Batch{}, []float64{0, 1})),
		"of a system without F":        second(Simulate(ctx, quick, System{Start: []float64{1}}, one, []float64{0, 1})),
		"from another dimension":       second(Simulate(ctx, quick, Spiral(), flow.NewBatch(1, 3), []float64{0, 1})),
		"segments of nothing":          second(Trajectories{}.Segments(rng, 1, 1, false)),
		"segments that are too long":   second(data.Segments(rng, 1, 21, false)),
		"no segments":                  second(data.Segments(rng, 0, 2, false)),
		"segments by nothing":          second(data.Segments(nil, 1, 2, false)),
		"a loss of fewer times":        mean(SquaredError, counted(1, 3), counted(1, 4)),
		"a loss of other trajectories": mean(SquaredError, counted(1, 3), counted(2, 3)),
		"a loss of nothing":            mean(SquaredError, Trajectories{}, Trajectories{}),
		"no loss":                      mean(nil, data, data),
		"the zero experiment":          second(Experiment{}.Run(ctx, open(t))),
		"an experiment of one point":   second(Experiment{System: Spiral(), Points: 1}.Run(ctx, open(t))),
		"an experiment on no engine":   second(Experiment{System: Spiral(), Points: 20}.Run(ctx, nil)),
	} {
		if err == nil || strings.Contains(err.Error(), "runtime error") {
			t.Errorf("%s: got %v, want an error that names it", name, err)
		}
	}
	if _, err := fit.Run(ctx, nil, train.Hooks{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
	if d := data.RMSE(counted(1, 19)); !math.IsNaN(d) || Times(0, 1, 1) != nil || Times(0, 1, 0) != nil ||
		(*Pass)(nil).States() != 0 {
		t.Errorf("the distance of other times is %g", d)
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }
