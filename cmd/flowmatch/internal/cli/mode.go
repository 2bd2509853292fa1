package cli

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/report"
	"flowmatch/run"
)

// modeResult is what sample --map prints: the most likely point of each context.
type modeResult struct {
	solved
	Label string `json:"label,omitempty"`
	Given string `json:"given,omitempty"`
	// Points are the most likely points, and LogP their log-densities in nats.
	Points [][]float64 `json:"points"`
	LogP   []float64   `json:"logp"`
	// Unsettled are the numbers, from 0, of the points at which log p still rose when the steps
	// ran out.
	Unsettled []int       `json:"unsettled,omitempty"`
	Bounds    string      `json:"bounds,omitempty"`
	Mass      *model.Mass `json:"mass,omitempty"`
	Warnings  []string    `json:"warnings,omitempty"`
}

func (m modeResult) text(w io.Writer) {
	m.head(w, fmt.Sprintf("most likely\t%d points", m.N))
	if m.Label != "" {
		fmt.Fprintf(w, "label\t%s\n", m.Label)
	}
	if m.Given != "" {
		fmt.Fprintf(w, "given\t%s\n", m.Given)
	}
	if m.Bounds != "" {
		fmt.Fprintf(w, "bounds\t%s\n", m.Bounds)
	}
	if m.Mass != nil {
		writeLines(w, report.Mass(m.Mass))
	}
	const most = 3
	for i, x := range m.Points[:min(most, len(m.Points))] {
		fmt.Fprintf(w, "  point %d\t%.6g, log p %s nats\n", i+1, x, report.Decimals(m.LogP[i]))
	}
	for _, warning := range m.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
}

// checkMode reports flags that have no effect on the most likely points.
func (f *sampleFlags) checkMode(cmd *cobra.Command, ext string) error {
	if ext == ".png" {
		return usagef("--map writes numbers; give an --out that ends in .csv or .npy, not %q", f.out)
	}
	if f.given == heldOut {
		return usagef("--map needs --given with the contexts themselves; write held-out ones to a file to give them")
	}
	if f.solver != "" && !slices.Contains(ode.Names(), f.solver) {
		return usagef("--map %s", needsODE(f.solver, "its density cannot be climbed"))
	}
	return exclude(cmd, "on the most likely points, which --map looks for", "n", "grid", "logp", "guidance", "eta",
		"diffusion", "condition", "mask")
}

// mode looks for the most likely point of each context or label.
func (a *app) mode(cmd *cobra.Command, r *run.Run, ext string, f sampleFlags) (result, error) {
	if err := r.Model.HasDensity(); err != nil {
		return nil, err
	}
	g, err := f.contexts(cmd, r)
	if err != nil {
		return nil, err
	}
	context, warnings := g.x, g.warnings
	var given flow.Given
	if given.Context, err = modelContexts(r, context); err != nil {
		return nil, err
	}
	n := max(1, context.N)
	if classes := r.Model.Spec().Net.Classes; classes > 0 && context.N == 0 && f.label == "" {
		n = classes
	}
	inTurn := g.label
	if inTurn == nil {
		inTurn = flow.LabelsInTurn(n, r.Model.Spec().Net.Classes)
	}
	if given.Label, err = labels(cmd, r, f.label, n, inTurn); err != nil {
		return nil, err
	}
	o := model.ModeOptions{Given: given, Seed: f.seed}
	if o.Solver, err = r.Config.Eval.DensitySolver(); err != nil {
		return nil, err
	}
	if o.Divergence, err = r.Config.Eval.DivergenceFor(r.Model.Dim(), f.seed); err != nil {
		return nil, err
	}
	a.status("looking for %d most likely points", n)
	o.Progress = a.watch("steps uphill", n)
	start := time.Now()
	modes, err := r.Model.Mode(cmd.Context(), o)
	if err != nil {
		return nil, err
	}
	res := modeResult{
		solved: solvedBy(r, modes.X, f.seed, o.Solver.String(), modes.NFE, start),
		Label:  f.label, Given: f.given, LogP: modes.LogP, Mass: modes.Mass,
	}
	spec := r.Model.Spec()
	res.Bounds = spec.Bounds.Named(spec.Columns)
	for i := range n {
		res.Points = append(res.Points, modes.X.Row(i))
		if !modes.Settled[i] {
			res.Unsettled = append(res.Unsettled, i)
		}
	}
	if len(res.Unsettled) > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d points were still rising when the steps ran out: the "+
			"density may be flat, or have no top", len(res.Unsettled), n))
	}
	var more []string
	res.Files, more, err = a.writeSamples(&f, r, ext, run.Drawn{X: modes.X, LogP: modes.LogP, Label: given.Label,
		Context: context}, eval.Prompt{Given: given})
	res.Warnings = slices.Concat(warnings, more)
	return res, err
}

// modelContexts returns contexts in model units; the zero Batch of none.
func modelContexts(r *run.Run, context flow.Batch) (flow.Batch, error) {
	if context.N == 0 {
		return context, nil
	}
	return r.Model.Contexts(context)
}
