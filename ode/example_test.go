package ode_test

import (
	"context"
	"fmt"
	"math"
	"strings"

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

	s := ode.Solver{Method: ode.RK4, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}
	_, err := s.Solve(context.Background(), decay, []float64{1}, 0, 1)
	fmt.Println(strings.ReplaceAll(err.Error(), "; ", ";\n"))
	// Output:
	// dopri5 x(1) = 0.36788, 26 evaluations, <nil>
	// rk4    x(1) = 0.36788, 40 evaluations, <nil>
	// ode: invalid solver: method rk4 has no error estimate, so it cannot step adaptively;
	// use Fixed or Grid, or one of heun2, bosh3, dopri5, tsit5, dopri8
}

func ExampleSolver_SolveAt() {
	spin := func(dx []float64, t float64, x []float64) error {
		dx[0], dx[1] = -x[1], x[0]
		return nil
	}
	s := ode.Solver{Method: ode.Tsit5, Control: ode.Adaptive{RTol: 1e-8, ATol: 1e-8}}
	_, err := s.SolveAt(context.Background(), spin, []float64{1, 0}, []float64{0, 0.5, 1},
		func(i int, x []float64) error {
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

// The gradient of a loss of x(2) with respect to x(0) and the rate θ of x' = -θ x,
// without remembering the steps.
func ExampleSolver_Adjoint() {
	const theta = 0.5
	f := func(dx []float64, t float64, x []float64) error {
		dx[0] = -theta * x[0]
		return nil
	}
	sensitivity := func(dx, gx, gtheta []float64, t float64, x, a []float64) error {
		gx[0], gtheta[0] = -theta*a[0], -x[0]*a[0]
		return f(dx, t, x)
	}
	ctx := context.Background()
	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-8, ATol: 1e-8}}
	x := []float64{3}
	if _, err := solver.Solve(ctx, f, x, 0, 2); err != nil {
		panic(err)
	}
	// L = x(2) = 3 e^(-2θ)
	gtheta := []float64{0}
	a, _, err := solver.Adjoint(ctx, sensitivity, []float64{0, 2}, [][]float64{nil, x}, [][]float64{nil, {1}}, gtheta)
	if err != nil {
		panic(err)
	}
	fmt.Printf("∂L/∂x(0) = %.5f, e^-1 is %.5f\n", a[0], math.Exp(-1))
	fmt.Printf("∂L/∂θ = %.5f, -6/e is %.5f\n", gtheta[0], -6*math.Exp(-1))
	// Output:
	// ∂L/∂x(0) = 0.36788, e^-1 is 0.36788
	// ∂L/∂θ = -2.20728, -6/e is -2.20728
}
