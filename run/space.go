package run

import (
	"fmt"

	"flowmatch/coupling"
	"flowmatch/manifold"
	"flowmatch/path"
	"flowmatch/train"
)

// validateSpace reports what cannot go with a space that is not flat, and why.
func (c Config) validateSpace(kind train.Kind) error {
	if c.Space.Flat() {
		return nil
	}
	sigma := c.Path.SigmaMin
	for _, f := range []struct {
		key, why, fix string
		set           bool
	}{
		{"train.objective " + kind.Name, "it follows paths of R^d", "use " +
			objectives(func(k train.Kind) bool { return k.Curved }), !kind.Curved},
		{"path.name " + c.Path.Name, "its path adds up multiples of points and noise, which leads off the space: " +
			"there a path goes along geodesics", "leave path out", c.Path.Name != "condot"},
		{"path.sigma_min", "geodesics end at the points, without noise", "leave it out", sigma != nil && *sigma != 0},
		{"source.name " + c.Source.Name, "it is a law on R^d", "leave it out, and set space.source",
			c.Source.Name != ""},
		{"train.prediction " + c.Train.Prediction.String(), "only the velocity is a vector there", "leave it out",
			c.Train.Prediction != path.Velocity},
		{"train.weighting " + string(c.Train.Weighting), "it is made of the noise of a path, and geodesics have none",
			"leave it out", c.Train.Weighting != train.Unit},
		{"train.shown", "coordinates of its points do not stand alone", "leave it out", c.Train.Shown > 0},
		{"train.times.name proportional", "it follows a weighting", "leave it out",
			c.Train.Times.Name == train.Proportional},
		{"net.unet or net.dit", "they are for images", "leave them out", c.Net.OfImages()},
	} {
		if f.set {
			return fmt.Errorf("%s cannot go with space %s: %s; %s", f.key, c.Space, f.why, f.fix)
		}
	}
	return nil
}

// couplingOf makes a coupling of points of a space, nil for R^d, by the lengths of its geodesics.
func couplingOf(c coupling.Config, space *manifold.Space) (coupling.Coupling, error) {
	if space == nil {
		return c.New()
	}
	return c.NewBy(manifold.Squared{M: space.Manifold()})
}
