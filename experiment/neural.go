package experiment

import (
	"context"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"flowmatch/flow"
	"flowmatch/neuralode"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/plot"
)

// Neural is the cell of a grid of kind neural_ode: a network is fitted to one
// trajectory of a system; see [neuralode.Experiment]. Zero fields mean what they
// mean there.
type Neural struct {
	System   string  `yaml:"system" json:"system"`     // spiral, lotka-volterra or pendulum
	Gradient string  `yaml:"gradient" json:"gradient"` // adjoint or backprop
	Seed     uint64  `yaml:"seed" json:"seed"`
	Backend  string  `yaml:"backend" json:"backend"`
	Points   int     `yaml:"points" json:"points"`
	Hidden   []int   `yaml:"hidden" json:"hidden"`
	Steps    int     `yaml:"steps" json:"steps"`
	Batch    int     `yaml:"batch" json:"batch"`
	Length   int     `yaml:"length" json:"length"`
	LR       float64 `yaml:"lr" json:"lr"`
	// EvalEvery is the number of steps between errors of the whole trajectory.
	EvalEvery int `yaml:"eval_every" json:"eval_every"`
	// Tolerances are those of dopri5 that the gradient is judged at.
	Tolerances []float64 `yaml:"tolerances" json:"tolerances"`
}

// neuralMeasures are the measures of a grid of kind neural_ode:
//
//	fit        rmse of the whole trajectory, rmse_start before, evaluations and
//	           products with Jacobians (VJPs) a step; curve rmse_by_step
//	gradients  curves theta_error, x0_error, states and ms over tolerance, and values
//	           theta_error/1e-05 and so on
func neuralMeasures() []string { return []string{"fit", "gradients"} }

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

// neural makes the cell of settings, in the order given.
func neural(base []byte, settings []string) (*Neural, error) {
	tree := map[string]any{}
	if err := yaml.Unmarshal(base, &tree); err != nil {
		return nil, fmt.Errorf("base: %s", yaml.FormatError(err, false, true))
	}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		var v any
		if err := yaml.Unmarshal([]byte(value), &v); err != nil {
			return nil, fmt.Errorf("%s: %s", s, yaml.FormatError(err, false, true))
		}
		tree[key] = v
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		return nil, err
	}
	n := Neural{Steps: 1000, Points: 1000}
	if err := yaml.UnmarshalWithOptions(text, &n, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s", yaml.FormatError(err, false, true))
	}
	return &n, n.validate()
}

func (n Neural) validate() error {
	if _, ok := systems()[n.System]; !ok {
		return fmt.Errorf("system %q; it must be one of %s", n.System, strings.Join(slices.Sorted(maps.Keys(systems())), ", "))
	}
	if _, ok := gradients()[n.Gradient]; !ok {
		return fmt.Errorf("gradient %q; it must be one of %s", n.Gradient, strings.Join(slices.Sorted(maps.Keys(gradients())), ", "))
	}
	for name, v := range map[string]int{"steps": n.Steps, "points": n.Points - 1} {
		if v < 1 {
			return fmt.Errorf("%s is too small; it must be at least 1, points at least 2", name)
		}
	}
	for name, v := range map[string]int{"batch": n.Batch, "length": n.Length, "eval_every": n.EvalEvery} {
		if v < 0 {
			return fmt.Errorf("%s is %d; it must not be negative", name, v)
		}
	}
	for _, tol := range append(slices.Clone(n.Tolerances), 1) {
		if !(tol > 0) || !(n.LR >= 0) {
			return fmt.Errorf("tolerances %v must be positive, and lr %g not negative", n.Tolerances, n.LR)
		}
	}
	net := nn.Config{Dim: 1, Hidden: n.Hidden}.Defaults()
	return net.Validate()
}

// makeNeural fits and measures a cell.
func (c Cell) makeNeural(ctx context.Context, g Grid, h Hooks, r *Result) error {
	n := c.Neural
	eng, err := nn.Open(n.Backend)
	if err != nil {
		return err
	}
	e := neuralode.Experiment{
		System: systems()[n.System], Points: n.Points, Net: nn.Config{Hidden: n.Hidden}, Repeats: 3,
		Fit: neuralode.Fit{Batch: n.Batch, Length: n.Length, Steps: n.Steps, LR: n.LR, Seed: n.Seed, EvalEvery: n.EvalEvery},
	}
	if slices.Contains(g.Measure, "gradients") {
		e.Tolerances = n.Tolerances
	}
	if h.Measuring != nil {
		h.Measuring(c, strings.Join(g.Measure, ", "))
	}
	report, err := e.Run(ctx, eng, gradients()[n.Gradient])
	if err != nil {
		return err
	}
	fitted := report.Fits[0]
	r.fit(report, fitted)
	r.gradients(report.Gradients, gradients()[n.Gradient])
	return writeJSON(filepath.Join(c.Dir, orbitsFile), orbits{orbit(report.Truth), orbit(fitted.Before), orbit(fitted.After)})
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

// gradients records how right a way to the gradient is, and what it costs.
func (r *Result) gradients(c neuralode.Comparison, g neuralode.Gradient) {
	r.set("finite_difference", c.FiniteDifference)
	for k := len(c.Rows) - 1; k >= 0; k-- { // tolerances fall; curves want them to rise
		row := c.Rows[k]
		control, ok := row.Solver.Control.(ode.Adaptive)
		if !ok || row.Gradient != g {
			continue
		}
		for name, v := range map[string]float64{
			"theta_error": row.ThetaError, "x0_error": row.X0Error, "ms": 1e3 * row.Seconds, "states": float64(row.States),
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

// orbits are the states of one trajectory [T][D]: of the system, and of the network
// before and after training.
type orbits struct{ Truth, Before, After [][]float64 }

func orbit(t neuralode.Trajectories) [][]float64 {
	out := make([][]float64, len(t.X))
	for i, x := range t.X {
		out[i] = x.Row(0)
	}
	return out
}

// neuralPanels are the panels of a cell's picture: data, and what was learnt.
func (c Cell) neuralPanels() ([]plot.Panel, error) {
	var o orbits
	file := filepath.Join(c.Dir, orbitsFile)
	if ok, err := readJSON(file, &o); err != nil {
		return nil, err
	} else if !ok {
		return nil, fmt.Errorf("experiment: there is no file %s", file)
	}
	panel := func(title string, path [][]float64) plot.Panel {
		b := flow.Batch{N: len(path), D: len(path[0])}
		for _, x := range path {
			b.X = append(b.X, x...)
		}
		return plot.Panel{Title: title, Points: b}
	}
	return []plot.Panel{panel("data", o.Truth), panel("solved by the network", o.After)}, nil
}
