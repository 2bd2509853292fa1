package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/timegrid"
)

// This file writes samplers as ONNX files: export --sampler.

// checkSampler reports flags of a sampler that are wrong, or have no effect.
func (f exportFlags) checkSampler(cmd *cobra.Command) error {
	set := cmd.Flags().Changed
	switch {
	case set("shift") && !set("sampler"):
		return usagef("--shift is for --sampler: the velocity has no steps")
	case set("shift") && f.shift.check() != nil:
		return f.shift.check()
	case !set("sampler"):
		return nil
	}
	if err := choice.Check("sampler", f.sampler, ode.Names()); err != nil {
		return usagef("--sampler: %w", err)
	}
	return nil
}

// samplerOptions returns what is written of the sampler, with the shift of the run where none is given.
func (f exportFlags) samplerOptions(r *run.Run) (o model.SamplerOptions, err error) {
	o = model.SamplerOptions{Shift: f.shift.factor, Step: r.Step, Version: run.Version()}
	if f.shift.auto {
		if err := f.shift.see(r); err != nil {
			return o, err
		}
		var g timegrid.Config
		f.shift.set(&g)
		o.Shift = g.Factor()
	}
	if o.Method, err = ode.ByName(f.sampler); err != nil {
		return o, err
	}
	if g := r.Config.Eval.Solve.TimeGrid; g != nil && o.Shift == 0 {
		if o.Shift = g.Factor(); !g.OnlyShifts() {
			return o, usagef("the run samples on the time grid %v, and a file has even steps with a shift: give "+
				"--shift (1 for none)", g)
		}
	}
	return o, nil
}

// The numbers of steps that --check draws samples in.
const (
	fewestChecked = 2
	mostChecked   = 32
)

// drawSamplerCheck draws what n samples are made of: as files, and as the model takes it beside noise.
func drawSamplerCheck(r *run.Run, n int) (files map[string]flow.Batch, given flow.Given) {
	cfg, rng := r.Model.Net().Config(), seed.Rand(r.Config.Seed, "flowmatch/export", 0)
	noise, condition := flow.NewBatch(n, cfg.Dim), flow.NewBatch(n, cfg.Context)
	for _, b := range []flow.Batch{noise, condition} {
		for i := range b.X {
			b.X[i] = float64(float32(rng.NormFloat64()))
		}
	}
	files = map[string]flow.Batch{"noise": noise}
	if given.Label = flow.LabelsInTurn(n, cfg.Classes); given.Label != nil {
		label := flow.NewBatch(n, 1)
		for i, l := range given.Label {
			label.X[i] = float64(l)
		}
		files["label"] = label
	}
	if cfg.Context > 0 {
		given.Context, files["condition"] = condition, condition
	}
	return files, given
}

// writeSamplerCheck writes noise, and the samples that the program makes of it in each number of steps.
func writeSamplerCheck(ctx context.Context, r *run.Run, dir string, f exportFlags) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	o, err := f.samplerOptions(r)
	if err != nil {
		return err
	}
	m, cfg, n := r.Model, r.Model.Net().Config(), f.check
	files, given := drawSamplerCheck(r, n)
	noise := files["noise"]
	x0, std := noise.Clone(), m.SourceScale()
	for i := range x0.X {
		x0.X[i] *= std
	}
	files["steps"] = flow.NewBatch(mostChecked-fewestChecked+1, 1)
	out := flow.NewBatch(files["steps"].N*n, cfg.Dim)
	for k := range files["steps"].N {
		steps := fewestChecked + k
		grid := timegrid.Config{}
		if o.Shift > 0 {
			grid.Shift = &o.Shift
		}
		shares, err := grid.Shares(steps)
		if err != nil {
			return err
		}
		s, err := m.SampleFrom(ctx, x0, model.SampleOptions{Given: given, Sampler: model.ODE{
			Solver: ode.Solver{Method: o.Method, Control: ode.Spaced{Shares: shares}}}})
		if err != nil {
			return err
		}
		files["steps"].X[k] = float64(steps)
		copy(out.Slice(k*n, (k+1)*n).X, s.X.X)
	}
	files["output"] = out
	for name, b := range files {
		if err := table.WriteNPY(filepath.Join(dir, name+".npy"), b); err != nil {
			return err
		}
	}
	return nil
}
