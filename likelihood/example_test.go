package likelihood_test

import (
	"context"
	"fmt"

	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/likelihood"
	"flowmatch/ode"
	"flowmatch/path"
)

func Example() {
	// The exact field of a mixture of two Gaussians, and its density for comparison.
	field := flowtest.TwoModes(path.CondOT{})
	x1 := flow.Batch{N: 2, D: 2, X: []float64{1, -0.5, 0, 2}}
	want := make([]float64, 2)
	if err := field.LogProb(want, 1, x1.X); err != nil {
		panic(err)
	}

	p := likelihood.Problem{
		Field:  field,
		Source: flow.Gaussian{},
		Solver: ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-8, ATol: 1e-8}},
	}
	logp, _, _, err := p.LogProb(context.Background(), x1)
	fmt.Printf("exact divergence %.6f, closed form %.6f, %v\n", logp, want, err)
	fmt.Printf("bits per dimension of the first, at 256 levels on [-1, 1]: %.4f\n",
		likelihood.BitsPerDim(logp[0], 2, 2./256))
	// Output:
	// exact divergence [-1.172901 -6.023692], closed form [-1.172901 -6.023692], <nil>
	// bits per dimension of the first, at 256 levels on [-1, 1]: 7.8461
}
