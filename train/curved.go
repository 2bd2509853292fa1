package train

import (
	"fmt"

	"flowmatch/manifold"
	"flowmatch/model"
	"flowmatch/nn"
)

// checkCurved reports what does not go with a model on a manifold.
func (o CFM) checkCurved(m *model.Model) error {
	switch {
	case m.Manifold() == nil:
		return nil
	case o.Show != nil:
		return misfit("coordinates are shown, and those of points of a manifold do not stand alone: leave Show out")
	case o.Weighting != Unit && o.Weighting != "":
		return misfit("the weighting is %s; geodesics, which have no noise, need %s", o.Weighting, Unit)
	}
	return nil
}

// geodesic turns the examples into those of Riemannian flow matching (Chen and Lipman, arXiv
// 2302.03660): the points of geodesics from x_0 to x_1, with their velocities, and errors that
// count as the metric there has them.
func geodesic(m manifold.Manifold, ex *nn.Examples, step uint64) error {
	if err := manifold.Interpolate(m, ex.X1, ex.X0, ex.T, ex.X0, ex.X1); err != nil {
		return fmt.Errorf("train: geodesics of step %d: %w", step, err)
	}
	for i := range ex.T {
		ex.Weight[i] *= manifold.Stretch(m, ex.X1.Row(i))
	}
	onPoints(ex)
	return nil
}
