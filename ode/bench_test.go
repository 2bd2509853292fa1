package ode

import (
	"context"
	"testing"
)

// BenchmarkStep is the solver's own work on a batch of 256 x 784: f only copies.
func BenchmarkStep(b *testing.B) {
	f := func(dx []float64, _ float64, x []float64) error { copy(dx, x); return nil }
	const steps = 10
	for _, c := range []struct {
		name string
		s    Solver
	}{
		{"euler", Solver{Method: Euler, Control: Fixed(steps)}},
		{"rk4", Solver{Method: RK4, Control: Fixed(steps)}},
		{"dopri5-fixed", Solver{Method: Dopri5, Control: Fixed(steps)}},
		{"dopri5-adaptive", Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-1, ATol: 1e-1, InitialStep: 0.1,
			MaxStep: 0.1}}},
		{"dopri8-fixed", Solver{Method: Dopri8, Control: Fixed(steps)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := make([]float64, 256*784)
			b.ReportAllocs()
			b.SetBytes(steps * 8 * 256 * 784)
			for b.Loop() {
				for i := range x {
					x[i] = 1
				}
				if _, err := c.s.Solve(context.Background(), f, x, 0, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOrbit reports what each adaptive method pays for the same tolerance.
func BenchmarkOrbit(b *testing.B) {
	p := kepler(0.5, 20)
	for _, m := range adaptiveMethods()[1:] {
		b.Run(m.Name, func(b *testing.B) {
			s := Solver{Method: m, Control: Adaptive{RTol: 1e-6, ATol: 1e-6}}
			x := make([]float64, 4)
			var st Stats
			b.ReportAllocs()
			for b.Loop() {
				copy(x, p.x0)
				var err error
				if st, err = s.Solve(context.Background(), p.f, x, p.t0, p.t1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(st.NFE), "NFE")
			b.ReportMetric(distance(x, p.exact(p.t1)), "error")
		})
	}
}
