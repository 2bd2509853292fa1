package run

import (
	"fmt"
	"io"
	"slices"

	"flowmatch/coupling"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/plot"
)

// couplings draws pairs of noise and training data as lines: paired independently, by optimal
// transport and, if the run does otherwise, as in its training.
func (a *artist) couplings(w io.Writer) error {
	axes, err := a.axesOrLine("couplings")
	if err != nil {
		return err
	}
	set, err := a.Run.Data()
	if err != nil {
		return err
	}
	x1 := flow.NewBatch(a.N, a.Model.Dim())
	given := flow.NewGiven(a.N, a.Run.Conditional() && set.Classes > 0, set.Context)
	if err := set.Train.Fill(x1, given, a.Seed); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	x0 := a.Model.SourcePoints(a.N, a.Seed)
	ot := coupling.Config{Name: "ot"} // what points are given is not transported
	if given.Label != nil {
		ot.LabelAware = new(true)
	}
	if given.Context.N > 0 {
		ot.ContextWeight = new(coupling.DefaultContextWeight)
	}
	own := a.Config.Coupling
	if own.Name == ot.Name { // with its own weight of contexts
		ot = own
		ot.Batch = 0 // all points that are drawn
	}
	ways := []coupling.Config{{Name: "independent"}, ot}
	if !slices.Contains([]string{"", "independent", "ot"}, own.Name) {
		own.Batch = 0 // all points that are drawn
		ways = append(ways, own)
	}
	var panels []plot.Coupled
	for _, way := range ways {
		c, err := way.Defaults().New()
		if err != nil {
			return fmt.Errorf("run: %w", err)
		}
		src := make([]int, a.N)
		rng := seed.Rand(a.Seed, "pairs", 0)
		if err := coupling.Match(c, src, x0, x1, given.Label, given.Context, rng); err != nil {
			return fmt.Errorf("run: %w", err)
		}
		p := plot.Coupled{Title: pairTitles[way.Name], From: flow.NewBatch(a.N, x1.D),
			To: flow.Batch{N: a.N, D: x1.D, X: slices.Clone(x1.X)}}
		for j, i := range src {
			copy(p.From.Row(j), x0.Row(i))
		}
		a.toData(p.From)
		a.toData(p.To)
		panels = append(panels, p)
	}
	o := a.along(axes, panels[0].To)
	o.Names = a.Model.Spec().Columns
	return plot.Couplings(w, panels, o)
}

// pairTitles are the names of couplings in pictures.
var pairTitles = map[string]string{
	"independent": "independent", "ot": "optimal transport", "sinkhorn": "entropic transport (sinkhorn)",
}
