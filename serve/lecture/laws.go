package lecture

import (
	"context"
	"fmt"
	"math"

	"flowmatch/data/synth"
	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

// window is half the side of the square that pictures show.
const window = 4.0

// lawNames are the data of the lecture. All are mixtures of Gaussians, whose fields and densities are
// known exactly at every time.
var lawNames = []string{"moons", "ring", "two"}

// law returns the data by its name.
func law(name string) (*synth.Mixture, error) {
	var p synth.Params
	switch name {
	case "ring":
		std := 0.3
		p.Stds = []float64{std, std, std, std, std, std, std, std}
		for k := range p.Stds {
			a := 2 * math.Pi * float64(k) / float64(len(p.Stds))
			p.Means = append(p.Means, []float64{2.6 * math.Cos(a), 2.6 * math.Sin(a)})
		}
	case "two":
		p.Means, p.Stds = [][]float64{{-1.9, -1.2}, {1.9, 1.2}}, []float64{0.45, 0.45}
	case "moons":
		const each = 9 // along one moon
		for k := range 2 * each {
			a := math.Pi * float64(k%each) / (each - 1)
			x, y := 1.9*math.Cos(a)-0.95, 1.9*math.Sin(a)-0.5
			if k >= each {
				x, y = -x, -y
			}
			p.Means, p.Stds = append(p.Means, []float64{x, y}), append(p.Stds, 0.24)
		}
	default:
		return nil, fmt.Errorf("lecture: there is no law %s", name)
	}
	d, err := synth.ByName("mixture", p)
	if err != nil {
		return nil, err
	}
	m, ok := d.(*synth.Mixture)
	if !ok {
		return nil, fmt.Errorf("lecture: the law is a %T", d)
	}
	return m, nil
}

// exact returns the marginal field of a law along a schedule.
func exact(m *synth.Mixture, s path.Scheduler) (*field.Mixture, error) {
	var parts []field.Component
	for k, w := range m.Weight {
		parts = append(parts, field.Component{Weight: w, Mean: m.Mean.Row(k), Std: m.Std[k]})
	}
	return field.NewMixture(s, parts...)
}

// pathNames are the paths of the lecture: its sections 4.2 and 4.1.
var pathNames = []string{"ot", "vp", "ve"}

// widest is σ of VE at t = 0. The paper has 50, where the data are a dot in the picture.
const widest = 8.0

// schedule returns a path by its name, with the noise σ_min that is left at t = 1 where it has one. The
// variance of VP is nowhere left: its σ at the end of its domain is 0.001.
func schedule(name string, sigmaMin float64) path.Scheduler {
	switch name {
	case "vp":
		return path.VP{}
	case "ve":
		return path.VE{SigmaMin: math.Max(sigmaMin, 0.01), SigmaMax: widest}
	}
	return path.CondOT{SigmaMin: sigmaMin}
}

// clamped returns t within the domain of a schedule.
func clamped(s path.Scheduler, t float64) float64 {
	lo, hi := s.Domain()
	return min(max(t, lo), hi)
}

// noise returns n draws of N(0, I).
func noise(n int, from uint64) flow.Batch {
	x := flow.NewBatch(n, 2)
	flow.Gaussian{}.Sample(x, seed.Rand(from, "lecture/noise", 0))
	return x
}

// drawn returns n draws of a law.
func drawn(m *synth.Mixture, n int, from uint64) flow.Batch {
	x := flow.NewBatch(n, 2)
	m.Sample(x, seed.Rand(from, "lecture/data", 0))
	return x
}

// scaled returns x times a number.
func scaled(x flow.Batch, by float64) flow.Batch {
	y := x.Clone()
	for k := range y.X {
		y.X[k] *= by
	}
	return y
}

// between returns n equal steps from lo to hi, ends included: n+1 numbers.
func between(lo, hi float64, n int) []float64 {
	ts := make([]float64, n+1)
	for k := range ts {
		ts[k] = lo + (hi-lo)*float64(k)/float64(n)
	}
	ts[n] = hi
	return ts
}

// fine is the solver that others are measured by.
var fine = ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-8, ATol: 1e-8}, MaxNFE: 20_000}

// states solves from x at ts[0], which it changes, and returns the states at all of ts, one after another.
func states(ctx context.Context, s ode.Solver, f ode.Func, x []float64, ts []float64) (numbers, ode.Stats, error) {
	var all numbers
	st, err := s.SolveAt(ctx, f, x, ts, func(_ int, x []float64) error {
		all = append(all, x...)
		return nil
	})
	return all, st, err
}

// apart is the root mean square distance of points of the plane.
func apart(x, y []float64) float64 {
	sum := 0.0
	for k := range x {
		sum += (x[k] - y[k]) * (x[k] - y[k])
	}
	return math.Sqrt(2 * sum / float64(len(x)))
}
