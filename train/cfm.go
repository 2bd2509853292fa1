package train

import (
	"cmp"
	"fmt"
	"math/rand/v2"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// CFM is conditional flow matching, equation 9: x_0 from the model's source paired with
// x_1 from the data, the point x_t = α x_1 + σ x_0 and the target that the model's
// prediction asks for, in general form for every path.
type CFM struct {
	Data      data.Stream
	Coupling  coupling.Coupling // nil: independent
	Times     Times
	Weighting Weighting
	// LabelDropout is the share of labels that are taken away (-1), so that one
	// network learns the conditional field and the unconditional one, which guidance
	// needs (Ho and Salimans 2022).
	LabelDropout float64
	// Show, of a network that is shown coordinates (nn.Config.Shown), writes which are shown of
	// points x1 [N, D] in model units into shown [N, D], where NaN hides: see flow.Given. What it draws
	// must be rng's. nil: none are.
	Show func(shown, x1 flow.Batch, rng *rand.Rand)
	Seed uint64

	timing *timing // made once for a training; nil: made when needed
}

func cfmKind() Kind {
	return Kind{
		Name: "cfm", Doc: "conditional flow matching, equation 9", Score: true,
		Context: true, Noisy: true, Coupled: true, Sourced: true, Preconditioned: true,
		Curved: true,
		keys:   []string{"shown"},
		build: func(c Config, in Inputs) (Objective, error) {
			o := c.cfm(in)
			if c.Shown > 0 {
				return o.showing(c.Shown, in.Set)
			}
			return o, nil
		},
	}
}

// cfm is the part that regressions on drawn pairs share.
func (c Config) cfm(in Inputs) CFM {
	return CFM{
		Data: in.Set.Train, Coupling: in.Coupling, Times: c.Times, Weighting: c.Weighting,
		LabelDropout: c.LabelDropout, Seed: in.Seed,
	}
}

// seesContexts says whether a coupling looks at the contexts of points.
func seesContexts(c coupling.Coupling) bool {
	_, ok := c.(coupling.Contextual)
	return ok
}

// errContextCoupled is that of contexts that meet a coupling which does not: the noise that
// is paired with a point would then depend on its context in training, and does not when
// sampling.
func errContextCoupled() error {
	return misfit("a context needs noise that is independent of the data: the independent coupling, or one that " +
		"sees the contexts, coupling.Contextual")
}

// Check implements [Objective]. A setting that would have no effect is an error too.
func (o CFM) Check(m *model.Model) error {
	if err := usable(m); err != nil {
		return err
	}
	if err := checkData(m, o.Data); err != nil {
		return err
	}
	net := m.Net().Config()
	switch {
	case !(o.LabelDropout >= 0 && o.LabelDropout < 1):
		return misfit("label_dropout is %g; it must be in [0, 1)", o.LabelDropout)
	case o.LabelDropout > 0 && net.Classes == 0:
		return misfit("label_dropout is %g, but the network has no classes: leave it out", o.LabelDropout)
	case o.coupling() != nil && net.Context > 0 && !seesContexts(o.Coupling):
		return errContextCoupled()
	case seesContexts(o.Coupling) && net.Context == 0:
		return misfit("the coupling weighs contexts (context_weight), and the network has none: leave it out")
	}
	if isNoisy(m) {
		if p := m.Spec().Prediction; p != path.Velocity {
			return misfit("the prediction is %v; a path with noise of its own needs velocity", p)
		}
		if o.Weighting != Unit && o.Weighting != "" {
			return misfit("the weighting is %s; a path with noise of its own needs %s", o.Weighting, Unit)
		}
	}
	return cmp.Or(o.checkShown(m), o.checkCurved(m), o.checkTiming(m))
}

// checkTiming reports times and a weighting that are none, or do not fit the model.
func (o CFM) checkTiming(m *model.Model) error {
	if err := cmp.Or(o.Times.Validate(), o.Weighting.Validate()); err != nil {
		return err
	}
	_, err := o.timed(m)
	return err
}

// isNoisy reports whether the model's path has noise of its own.
func isNoisy(m *model.Model) bool {
	_, noisy := m.Scheduler().(path.Noisy)
	return noisy
}

// Limits implements [Limited]: with a coupling the field's score is not known.
func (o CFM) Limits() (noDensity, noScore string) {
	name := ""
	if c := o.coupling(); c != nil {
		name = fmt.Sprint(c)
	}
	return cfmKind().Limits(name)
}

// coupling returns the coupling; nil: independent.
func (o CFM) coupling() coupling.Coupling {
	if absent.Is(o.Coupling) || (o.Coupling == coupling.Independent{}) {
		return nil
	}
	return o.Coupling
}

// Examples implements [Regression]. Where ex.Of says that ex is a part of a batch, it makes that part, as
// it is in the whole.
func (o CFM) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	if err := fits(m, ex); err != nil {
		return err
	}
	if absent.Is(o.Data) {
		return misfit("it has no Data")
	}
	o, err := o.timed(m)
	if err != nil {
		return err
	}
	if ex.Of.N > 0 && !o.apart() {
		return misfit("examples of a part of a batch are asked for, and the coupling, or what is shown, is of all")
	}
	read := ex.Given
	if len(read.Label) == 0 && o.needsLabels() {
		read.Label = make([]int32, ex.X1.N) // for the coupling alone
	}
	o.prepare(m, ex)
	switch {
	case ex.Of.N > 0 && o.groups() > 0:
		if err := o.inGroups(m, ex, step); err != nil {
			return err
		}
	default:
		if err := fillPoints(o.Data, ex.X1, read, step, ex.Of); err != nil {
			return fmt.Errorf("train: data of step %d: %w", step, err)
		}
		if err := o.pair(m, ex, read.Label, step); err != nil {
			return err
		}
	}
	if err := o.complete(m, ex, step); err != nil {
		return err
	}
	if o.LabelDropout > 0 && ex.Given.Label != nil {
		o.dropLabels(ex, step)
	}
	return nil
}

// dropLabels takes labels away.
func (o CFM) dropLabels(ex *nn.Examples, step uint64) {
	rng := seed.Rand(o.Seed, "train/dropout", step)
	drawn := make([]float64, of(ex).N)
	for i := range drawn {
		drawn[i] = rng.Float64()
	}
	for k, i := range places(ex) {
		if drawn[i] < o.LabelDropout {
			ex.Given.Label[k] = -1
		}
	}
}

// loss returns that of the examples: with unit weights levels have their cross-entropy, which other
// weightings, factors of a squared error, are not for.
func (o CFM) loss(m *model.Model) nn.Loss {
	unit := o.Weighting == Unit || o.Weighting == ""
	return nn.Loss{CrossEntropy: unit && len(m.Net().Config().Levels) > 0}
}

// needsLabels reports whether the coupling transports within classes.
func (o CFM) needsLabels() bool { return o.coupling() != nil && coupling.NeedsLabels(o.Coupling) }

// Validation implements [Validator] by a fixed set of examples of held-out points: every
// point once, in batches of the size trained with (for a coupling of other batches
// would be another objective), with noise, pairing and time drawn from purposes
// of their own.
func (o CFM) Validation(m *model.Model, held data.Finite, batch int) (Validate, error) {
	return o.validation(m, held, batch, heldAtOnce)
}

// heldOut returns the examples of Validation; nil when there are no points.
func (o CFM) heldOut(m *model.Model, held data.Finite, batch int) (*nn.Examples, error) {
	x1, given, rng, err := heldPoints(m, held, batch, 0, o.Seed)
	n := x1.N
	if err != nil || n == 0 {
		return nil, err
	}
	if o, err = o.timed(m); err != nil {
		return nil, err
	}
	ex := nn.NewExamples(n, x1.D)
	ex.X1, ex.Given = x1, taken(m, given)
	o.prepare(m, ex)
	o.Seed = rng.Uint64() // apart from every training step
	return ex, o.fillHeld(m, ex, given.Label, 0, batch)
}

// fillHeld completes held-out examples, of which the first is number first, in batches.
func (o CFM) fillHeld(m *model.Model, ex *nn.Examples, labels []int32, first, batch int) error {
	for from := 0; from < ex.X1.N; from += batch {
		to := min(from+batch, ex.X1.N)
		var label []int32
		if labels != nil && (len(ex.Given.Label) > 0 || o.needsLabels()) {
			label = labels[from:to]
		}
		if err := o.fill(m, ex.Slice(from, to), label, uint64(first+from)); err != nil {
			return err
		}
	}
	return nil
}

// taken returns the part of what is given that the model takes.
func taken(m *model.Model, given flow.Given) flow.Given {
	if m.Net().Config().Classes == 0 {
		given.Label = nil
	}
	if m.Net().Config().Context == 0 {
		given.Context = flow.Batch{}
	}
	return given
}

// fill completes examples whose x_1 is there, and what is given; label are those that the
// coupling sees.
func (o CFM) fill(m *model.Model, ex *nn.Examples, label []int32, step uint64) error {
	if err := o.pair(m, ex, label, step); err != nil {
		return err
	}
	return o.complete(m, ex, step)
}

// pair draws x_0, and pairs it with x_1.
func (o CFM) pair(m *model.Model, ex *nn.Examples, label []int32, step uint64) error {
	if m.Spec().Source != nil || m.Manifold() != nil {
		sample(ex, m.Source(), seed.Rand(o.Seed, "train/noise", step))
	} else if err := noise(ex, ex.X0.X, seed.Key(o.Seed, "train/noise"), step); err != nil {
		return err
	}
	if o.coupling() == nil {
		return nil
	}
	return o.couple(ex, label, step)
}

// complete completes examples whose pairs are there.
func (o CFM) complete(m *model.Model, ex *nn.Examples, step uint64) error {
	o.show(ex, step)
	wholly(ex, func(all *nn.Examples) { o.timing.draw(all.T, all.Weight, seed.Rand(o.Seed, "train/time", step)) })
	if m.Manifold() != nil {
		return geodesic(m.Manifold(), ex, step)
	}
	o.coefficients(m, ex)
	if noisy, ok := m.Scheduler().(path.Noisy); ok {
		return o.addNoise(ex, noisy, step)
	}
	return nil
}

// couple reorders x_0 so that row j is paired with row j of x_1. The two spans of a share are of whole groups,
// and apart.
func (o CFM) couple(ex *nn.Examples, label []int32, step uint64) error {
	if ex.Given.Context.N > 0 && !seesContexts(o.Coupling) {
		return errContextCoupled()
	}
	rng := seed.Rand(o.Seed, "train/coupling", step)
	old, at := ex.X0.Clone(), 0
	for _, span := range of(ex).Spans() {
		end := at + span[1] - span[0]
		if end == at {
			continue
		}
		x0, x1, label, context := old.Slice(at, end), ex.X1.Slice(at, end), label, ex.Given.Context
		if label != nil {
			label = label[at:end]
		}
		if context.N > 0 {
			context = context.Slice(at, end)
		}
		src := make([]int, end-at)
		if err := coupling.Match(o.Coupling, src, x0, x1, label, context, rng); err != nil {
			return fmt.Errorf("train: coupling of step %d: %w", step, err)
		}
		for j, i := range src {
			copy(ex.X0.Row(at+j), x0.Row(i))
		}
		at = end
	}
	return nil
}

// timed returns o with how it draws the times of m.
func (o CFM) timed(m *model.Model) (CFM, error) {
	if o.timing != nil {
		return o, nil
	}
	if err := usable(m); err != nil {
		return o, err
	}
	d, err := newTiming(m, o.Times, o.Weighting)
	o.timing = &d
	return o, err
}

// coefficients writes those of the path at the times of the examples, and multiplies the
// weights, which make up for how the times were drawn, by those of the weighting.
func (o CFM) coefficients(m *model.Model, ex *nn.Examples) {
	s, prediction := m.Scheduler(), m.Spec().Prediction
	if p := m.Spec().Precondition; p != nil {
		o.preconditioned(m, *p, ex)
		return
	}
	for i, t := range ex.T {
		c := s.At(t)
		ex.Alpha[i], ex.Sigma[i] = c.Alpha, c.Sigma
		ex.G1[i], ex.G0[i] = c.Weights(prediction)
		ex.Weight[i] *= o.Weighting.factor(m, c)
	}
}

// preconditioned writes the columns of a network that is given z and 4τ − 2, and learns w.
func (o CFM) preconditioned(m *model.Model, p path.Precondition, ex *nn.Examples) {
	for i, t := range ex.T {
		c := m.Scheduler().At(t)
		k := p.At(c, m.Spec().Prediction)
		ex.T[i] = k.Time
		ex.Alpha[i], ex.Sigma[i] = c.Alpha*k.In, c.Sigma*k.In
		ex.G1[i], ex.G0[i] = p.Target(c)
		ex.Weight[i] *= o.Weighting.factor(m, c)
	}
}

// onPoints turns the examples into a regression on given points, x_t in X1 with their
// targets in X0: see [nn.Examples].
func onPoints(ex *nn.Examples) {
	for i := range ex.T {
		ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i] = 1, 0, 0, 1
	}
}

// addNoise turns the examples of a path into those of one with noise around it.
func (o CFM) addNoise(ex *nn.Examples, s path.Noisy, step uint64) error {
	z := make([]float64, len(ex.X0.X))
	if err := noise(ex, z, seed.Key(o.Seed, "train/bridge"), step); err != nil {
		return err
	}
	if err := path.Interpolate(ex.X1, ex.X0, s, ex.T, ex.X0, ex.X1); err != nil {
		return err
	}
	for i, t := range ex.T {
		gamma, dgamma := s.Noise(t)
		x, target := ex.X1.Row(i), ex.X0.Row(i)
		for d, zd := range z[i*ex.X1.D : (i+1)*ex.X1.D] {
			x[d] += gamma * zd
			target[d] += dgamma * zd
		}
	}
	onPoints(ex)
	return nil
}
