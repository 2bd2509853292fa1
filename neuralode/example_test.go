package neuralode_test

import (
	"context"
	"fmt"

	"flowmatch/flow"
	"flowmatch/neuralode"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/train"
)

// The dynamics of a predator and its prey are learnt from one trajectory.
func Example() {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	// 500 observations of a system that is not known afterwards.
	system := neuralode.LotkaVolterra()
	exact := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-8, ATol: 1e-8}}
	x0 := flow.Batch{N: 1, D: 2, X: system.Start}
	data, err := neuralode.Simulate(ctx, exact, system, x0, neuralode.Times(0, system.End, 500))
	check(err)

	engine, err := nn.Open("")
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: 2, Hidden: []int{64, 64}}, 1)
	check(err)
	trainer, err := net.NewTrainer(nn.Optimizer{EMADecay: new(0.99)}, nn.StepOptions{})
	check(err)

	// x' = f_θ(x), solved by dopri5, with the adjoint's gradient.
	block := neuralode.Block{
		Solver:     ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-4, ATol: 1e-4}},
		Gradient:   neuralode.Adjoint,
		Autonomous: true,
	}
	fit := neuralode.Fit{Block: block, Data: data, Loop: train.Loop{Steps: 300}}
	_, err = fit.Run(ctx, trainer, train.Hooks{})
	check(err)

	net, err = trainer.Averaged() // the averaged weights
	check(err)
	learnt, err := block.Predict(ctx, net, x0, data.T)
	check(err)
	fmt.Println("it follows:", learnt.RMSE(data) < 0.05)
	// Output: it follows: true
}

// A gradient of one's own loss: of the last state's square, by both methods.
func ExampleBlock() {
	engine, err := nn.Open("")
	if err != nil {
		panic(err)
	}
	net, err := nn.New(engine, nn.Config{Dim: 2, Hidden: []int{16}}, 1)
	if err != nil {
		panic(err)
	}
	field, err := net.Bind(flow.Given{})
	if err != nil {
		panic(err)
	}
	var g [2][]float64
	for i, way := range []neuralode.Gradient{neuralode.Adjoint, neuralode.Backprop} {
		block := neuralode.Block{Field: field, Gradient: way,
			Solver: ode.Solver{Method: ode.Tsit5, Control: ode.Adaptive{RTol: 1e-6, ATol: 1e-6}}}
		x0 := flow.Batch{N: 1, D: 2, X: []float64{1, -1}}
		pass, err := block.Forward(context.Background(), x0, []float64{0, 1})
		if err != nil {
			panic(err)
		}
		last := pass.X[1].X
		g[i] = make([]float64, field.NumParams())
		as := [][]float64{nil, {2 * last[0], 2 * last[1]}}
		if _, _, err := pass.Gradient(context.Background(), as, g[i]); err != nil {
			panic(err)
		}
	}
	most := 0.0
	for i := range g[0] {
		most = max(most, g[0][i]-g[1][i], g[1][i]-g[0][i])
	}
	fmt.Println("they agree:", most < 1e-5)
	// Output: they agree: true
}
