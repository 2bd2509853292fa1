package experiment

import (
	"context"
	"fmt"
	"io"

	"flowmatch/data/simulator"
	"flowmatch/flow"
	"flowmatch/plot"
	"flowmatch/run"
)

// kindPosterior is the kind of a picture of a posterior.
const kindPosterior = "posterior"

// posteriorPoints is how many points of each sample a picture of a posterior shows.
const posteriorPoints = 1000

// posed reports a cell of which no picture of a posterior can be drawn.
func (c Cell) posed(p Picture) error {
	sim, err := c.simulatorOf()
	if err == nil && len(sim.Params) > plot.MaxPairs {
		err = fmt.Errorf("simulator %s has %d parameters, and a picture of all pairs at most %d", sim.Name,
			len(sim.Params), plot.MaxPairs)
	}
	if err == nil && c.Peer != "" {
		err = fmt.Errorf("the samples of the peer %s are not kept", c.Peer)
	}
	if err == nil {
		_, err = simulator.ReadObservation(c.files, sim.Name, 1)
	}
	if err != nil {
		return fmt.Errorf("picture %s: %w", p.File, err)
	}
	return nil
}

// drawPosterior draws samples given the first observation beside those of the reference.
func (p Picture) drawPosterior(ctx context.Context, w io.Writer, g Grid, cells []Cell,
	results []Result) (missing []string, err error) {
	shown, missing := p.cells(g, cells, results)
	if len(shown) == 0 {
		return missing, errEmpty
	}
	return missing, p.drawPosteriorOf(ctx, w, shown[0])
}

// drawPosteriorOf draws that of one run.
func (p Picture) drawPosteriorOf(ctx context.Context, w io.Writer, c Cell) error {
	sim, err := c.simulatorOf()
	if err != nil {
		return err
	}
	o, err := simulator.ReadObservation(c.files, sim.Name, 1)
	if err != nil {
		return err
	}
	r, err := run.OpenWith(c.Dir, run.OpenOptions{Known: &c.Config})
	if err != nil {
		return err
	}
	t, err := ready(r)
	if err != nil {
		return err
	}
	z, err := t.Model.Contexts(flow.Batch{N: 1, D: len(o.X), X: o.X})
	if err != nil {
		return err
	}
	n := min(posteriorPoints, o.Posterior.N)
	d, err := t.within(ctx, c, sim, z, n, "experiment/picture")
	if err != nil {
		return err
	}
	return plot.Samples(w, []plot.Panel{{Title: "reference", Points: o.Posterior.Slice(0, n)},
		{Title: "flow", Points: d.X}}, plot.Options{Names: sim.Params, DPI: galleryDPI})
}
