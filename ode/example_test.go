package ode_test

import (
	"context"
	"fmt"

	"flowmatch/ode"
)

func Example() {
	// x' = −x from x(0) = 1, adaptively and with ten steps of RK4.
	decay := func(dx []float64, t float64, x []float64) error {
		for i, v := range x {
			dx[i] = -v
		}
		return nil
	}
	for _, s := range []ode.Solver{
		{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}, MaxNFE: 10_000},
		{Method: ode.RK4, Control: ode.Fixed(10)},
	} {
		x := []float64{1}
		stats, err := s.Solve(context.Background(), decay, x, 0, 1)
		fmt.Printf("%-6s x(1) = %.5f, %d evaluations, %v\n", s.Method.Name, x[0], stats.NFE, err)
	}

	_, err := ode.Solver{Method: ode.RK4, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}.Solve(context.Background(), decay, []float64{1}, 0, 1)
	fmt.Println(err)
	// Output:
	// dopri5 x(1) = 0.36788, 26 evaluations, <nil>
	// rk4    x(1) = 0.36788, 40 evaluations, <nil>
	// ode: invalid solver: method rk4 has no error estimate, so it cannot step adaptively; use Fixed or Grid, or one of heun2, bosh3, dopri5, tsit5, dopri8
}

func ExampleSolver_SolveAt() {
	spin := func(dx []float64, t float64, x []float64) error {
		dx[0], dx[1] = -x[1], x[0]
		return nil
	}
	s := ode.Solver{Method: ode.Tsit5, Control: ode.Adaptive{RTol: 1e-8, ATol: 1e-8}}
	_, err := s.SolveAt(context.Background(), spin, []float64{1, 0}, []float64{0, 0.5, 1}, func(i int, x []float64) error {
		fmt.Printf("%.6f\n", x)
		return nil
	})
	fmt.Println(err)
	// Output:
	// [1.000000 0.000000]
	// [0.877583 0.479426]
	// [0.540302 0.841471]
	// <nil>
}
