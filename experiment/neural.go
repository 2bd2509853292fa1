package experiment

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/neuralode"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/plot"
	"flowmatch/train"
)

// Neural is the cell of a grid of kind neural_ode: a network is fitted to one
// trajectory of a system; see [neuralode.Experiment].
type Neural struct {
	System   string  `yaml:"system" json:"system"`     // spiral, lotka-volterra or pendulum
	Gradient string  `yaml:"gradient" json:"gradient"` // adjoint or backprop
	Seed     uint64  `yaml:"seed" json:"seed"`
	Backend  string  `yaml:"backend" json:"backend"` // default that of run files
	Points   int     `yaml:"points" json:"points"`   // of the trajectory; default 1000
	Hidden   []int   `yaml:"hidden" json:"hidden"`   // default [64, 64]
	Steps    int     `yaml:"steps" json:"steps"`     // of the optimizer; default 1000
	Batch    int     `yaml:"batch" json:"batch"`     // pieces of the trajectory in a step; default 20
	Length   int     `yaml:"length" json:"length"`   // points in a piece; default 10
	LR       float64 `yaml:"lr" json:"lr"`           // learning rate at the start; default 1e-2
	// EvalEvery is the number of steps between errors of the whole trajectory; 0
	// (default): only after the last one.
	EvalEvery int `yaml:"eval_every" json:"eval_every"`
	// Tolerances are those of dopri5 that the gradient is measured at.
	Tolerances []float64 `yaml:"tolerances" json:"tolerances"`
}

// neuralMeasures are the measures of a grid of kind neural_ode:
//
//	fit        rmse of the whole trajectory, rmse_start before, evaluations and
//	           products with Jacobians (VJPs) a step; curve rmse_by_step
//	gradients  curves theta_error, x0_error, states and ms over tolerance, and values
//	           theta_error/1e-05 and so on
func neuralMeasures() []measure {
	return []measure{{name: "fit"}, {name: "gradients", recorded: recordedOfGradients()}}
}

// systems are the systems by name.
func systems() map[string]neuralode.System {
	return map[string]neuralode.System{
		"spiral": neuralode.Spiral(), "lotka-volterra": neuralode.LotkaVolterra(), "pendulum": neuralode.Pendulum(),
	}
}

// gradients are the gradients by name.
func gradients() map[string]neuralode.Gradient {
	return map[string]neuralode.Gradient{"adjoint": neuralode.Adjoint, "backprop": neuralode.Backprop}
}

// Defaults returns n with every unset field filled in.
func (n Neural) Defaults() Neural {
	n.Backend = cmp.Or(n.Backend, nn.DefaultBackend)
	n.Points, n.Steps = cmp.Or(n.Points, 1000), cmp.Or(n.Steps, 1000)
	n.Batch, n.Length, n.LR = cmp.Or(n.Batch, 20), cmp.Or(n.Length, 10), cmp.Or(n.LR, 1e-2)
	if len(n.Hidden) == 0 {
		n.Hidden = []int{64, 64}
	}
	return n
}

// Validate reports the first field that cannot be used, and what would be right. n is
// complete: see Defaults.
func (n Neural) Validate() error {
	if err := choice.Check("system", n.System, slices.Sorted(maps.Keys(systems()))); err != nil {
		return err
	}
	if err := choice.Check("gradient", n.Gradient, slices.Sorted(maps.Keys(gradients()))); err != nil {
		return err
	}
	for _, f := range []struct {
		name     string
		v, least int
	}{
		{"steps", n.Steps, 1}, {"points", n.Points, 2}, {"batch", n.Batch, 1}, {"length", n.Length, 2},
		{"eval_every", n.EvalEvery, 0},
	} {
		if f.v < f.least {
			return fmt.Errorf("%s is %d; it must be at least %d", f.name, f.v, f.least)
		}
	}
	if n.Length > n.Points {
		return fmt.Errorf("length is %d; it must be at most points, %d", n.Length, n.Points)
	}
	if !(n.LR > 0) || math.IsInf(n.LR, 0) {
		return fmt.Errorf("lr is %g; it must be positive", n.LR)
	}
	for _, tol := range n.Tolerances {
		if !(tol > 0) || math.IsInf(tol, 0) {
			return fmt.Errorf("tolerances has %g; each must be positive", tol)
		}
	}
	return nn.Config{Dim: 1, Hidden: n.Hidden}.Defaults().Validate()
}

// loop is that of the fit.
func (n Neural) loop() train.Loop {
	l := train.Loop{Steps: n.Steps, Batch: n.Batch, LR: n.LR}
	if n.EvalEvery > 0 {
		l.ValEvery = &n.EvalEvery
	}
	return l
}

// makeNeural fits and measures a cell.
func (c Cell) makeNeural(ctx context.Context, _ Grid, o RunOptions, r *Result) error {
	n := c.Neural
	eng, err := nn.Open(n.Backend)
	if err != nil {
		return err
	}
	e := neuralode.Experiment{
		System: systems()[n.System], Points: n.Points, Net: nn.Config{Hidden: n.Hidden}, Repeats: 3,
		Fit: neuralode.Fit{Loop: n.loop(), Length: n.Length, Seed: n.Seed},
	}
	if slices.Contains(c.measures, "gradients") {
		e.Tolerances = n.Tolerances
	}
	if o.Measuring != nil {
		o.Measuring(c, strings.Join(c.measures, ", "))
	}
	report, err := e.Run(ctx, eng, gradients()[n.Gradient])
	if err != nil {
		return err
	}
	fitted := report.Fits[0]
	r.fit(report, fitted)
	r.gradients(report.Gradients, gradients()[n.Gradient])
	return writeJSON(filepath.Join(c.Dir, orbitsFile),
		orbits{report.Truth.T, orbit(report.Truth), orbit(fitted.Before), orbit(fitted.After)})
}

// fit records a fit: its errors, and what a step of it costs.
func (r *Result) fit(report neuralode.Report, f neuralode.Fitted) {
	for _, p := range f.Curve {
		if !math.IsNaN(p.Error) && !math.IsInf(p.Error, 0) && p.Step > 0 {
			r.add("rmse_by_step", float64(p.Step), p.Error)
		}
	}
	last := f.Curve[len(f.Curve)-1]
	r.set("rmse", last.Error)
	if len(f.Before.X) == len(report.Truth.X) {
		r.set("rmse_start", report.Truth.RMSE(f.Before))
	}
	r.set("steps", float64(last.Step))
	r.set("seconds", last.Seconds)
	r.set("ms_per_step", 1e3*last.Seconds/float64(last.Step))
	r.set("nfe_forward", float64(last.Forward.NFE))
	r.set("nfe_back", float64(last.Back.NFE))
	r.set("vjps_back", float64(last.Back.VJPs))
}

// gradients records how right a gradient is, and what it costs.
func (r *Result) gradients(c neuralode.Comparison, g neuralode.Gradient) {
	r.set("finite_difference", c.FiniteDifference)
	for k := len(c.Rows) - 1; k >= 0; k-- { // tolerances fall; curves want them to rise
		row := c.Rows[k]
		control, ok := row.Solver.Control.(ode.Adaptive)
		if !ok || row.Gradient != g {
			continue
		}
		for name, v := range map[string]float64{
			"theta_error": row.ThetaError, "x0_error": row.X0Error,
			"ms": 1e3 * row.Seconds, "states": float64(row.States),
			"evaluations": float64(row.Forward.NFE + row.Back.NFE + row.Back.VJPs),
		} {
			if x := r.Curves[name].X; len(x) == 0 || x[len(x)-1] < control.RTol {
				r.add(name, control.RTol, v)
			}
			r.set(fmt.Sprintf("%s/%g", name, control.RTol), v)
		}
	}
}

// orbitsFile keeps the trajectories of a fit, for pictures.
const orbitsFile = "orbits.json"

// orbits are the states of one trajectory [T][D] at times T: of the system, and of the network
// before and after training. Old files have no times.
type orbits struct {
	T                    []float64 `json:",omitempty"`
	Truth, Before, After [][]float64
}

func orbit(t neuralode.Trajectories) [][]float64 {
	out := make([][]float64, len(t.X))
	for i, x := range t.X {
		out[i] = x.Row(0)
	}
	return out
}

// neuralFit is the trajectory of a cell's picture, and what was learnt.
func (c Cell) neuralFit() (plot.Fit, error) {
	var o orbits
	file := filepath.Join(c.Dir, orbitsFile)
	if ok, err := readJSON(file, &o); err != nil {
		return plot.Fit{}, err
	} else if !ok {
		return plot.Fit{}, fmt.Errorf("experiment: there is no file %s", file)
	}
	points := func(path [][]float64) flow.Batch {
		b := flow.Batch{N: len(path), D: len(path[0])}
		for _, x := range path {
			b.X = append(b.X, x...)
		}
		return b
	}
	return plot.Fit{Name: c.Method, T: o.T, Data: points(o.Truth), Solved: points(o.After)}, nil
}
