package train

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"

	"flowmatch/data"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// AverageConfig says how average velocities are learnt: the settings of the
// objectives meanflow and shortcut. The zero value of every field is usable.
type AverageConfig struct {
	// Ratio is the share of a batch that learns averages over times t < s; the rest
	// learns the velocity itself, s = t. Default 0.25, the choice of both papers for
	// images; in the plane meanflow does better with 0.5.
	Ratio float64 `yaml:"ratio,omitempty" json:"ratio,omitempty"`
	// Power p > 0, of meanflow, weighs every squared error by 1/(|Δ|²+Offset)^p.
	// Default 0: no such weight. The paper takes 1 for images. In the plane it needs an
	// offset above the usual |Δ|², such as 10: a small one pulls the velocity away from
	// the mean.
	Power float64 `yaml:"power,omitempty" json:"power,omitempty"`
	// Offset of that weight; default 1e-3.
	Offset float64 `yaml:"offset,omitempty" json:"offset,omitempty"`
	// Finest, of shortcut, is the number of steps whose halves are the shortest
	// that are learnt, a power of two: lengths are 1, 1/2, ..., 1/Finest of the time
	// from noise to data. Default 64, whose halves are the paper's 1/128.
	Finest int `yaml:"finest,omitempty" json:"finest,omitempty"`
}

// Defaults returns v with every unset field that both objectives use filled in.
func (v AverageConfig) Defaults() AverageConfig {
	setDefault(&v.Ratio, 0.25)
	if v.Power > 0 {
		setDefault(&v.Offset, 1e-3)
	}
	return v
}

// validate reports the first setting out of range.
func (v AverageConfig) validate() error {
	if !(v.Ratio > 0 && v.Ratio <= 1) {
		return fmt.Errorf("train: intervals.ratio is %g; it must be above 0 and at most 1", v.Ratio)
	}
	if !(v.Power >= 0) || !(v.Offset >= 0) || math.IsInf(v.Power+v.Offset, 0) {
		return fmt.Errorf("train: intervals.power %g and intervals.offset %g must not be negative", v.Power, v.Offset)
	}
	if v.Offset > 0 && v.Power == 0 {
		return fmt.Errorf("train: intervals.offset is %g, but intervals.power is 0, without which it weighs nothing: "+
			"set power, or leave offset out", v.Offset)
	}
	return nil
}

// validateMeanFlow reports what meanflow cannot use.
func (v AverageConfig) validateMeanFlow() error {
	if v.Finest != 0 {
		return fmt.Errorf("train: intervals.finest is %d, but belongs to the objective %s, not to %s", v.Finest,
			strings.Join(owners("intervals.finest"), " or "), meanFlowKind().Name)
	}
	return v.Defaults().validate()
}

// validateShortcut reports what shortcut cannot use.
func (v AverageConfig) validateShortcut() error {
	if v.Power != 0 || v.Offset != 0 {
		return fmt.Errorf("train: intervals.power is %g and intervals.offset %g, but they belong "+
			"to the objective %s, not to %s", v.Power, v.Offset, strings.Join(owners("intervals.power"), " or "),
			shortcutKind().Name)
	}
	if f := v.finest(); f < 1 || f&(f-1) != 0 {
		return fmt.Errorf("train: intervals.finest is %d; it must be a power of two", f)
	}
	return v.Defaults().validate()
}

// defaultFinest is the default of AverageConfig.Finest.
const defaultFinest = 64

func (v AverageConfig) finest() int { return cmp.Or(v.Finest, defaultFinest) }

func meanFlowKind() Kind {
	return Kind{
		Name: "meanflow", Doc: "average velocities, by the identity that they satisfy (MeanFlow)",
		Averages: true, Context: true, Coupled: true, Sourced: true, Velocity: true,
		keys:     []string{"intervals.ratio", "intervals.power", "intervals.offset"},
		defaults: func(c *Config) { c.Averages = c.Averages.Defaults() },
		validate: func(c Config) error { return c.Averages.validateMeanFlow() },
		build: func(c Config, in Inputs) (Objective, error) {
			return MeanFlow{CFM: c.cfm(in), Averages: c.Averages}, nil
		},
	}
}

func shortcutKind() Kind {
	return Kind{
		Name: "shortcut", Doc: "average velocities, where each step equals two of half its length (shortcut models)",
		Averages: true, Context: true, Coupled: true, Sourced: true, Velocity: true,
		keys: []string{"intervals.ratio", "intervals.finest"},
		defaults: func(c *Config) {
			c.Averages = c.Averages.Defaults()
			c.Averages.Finest = c.Averages.finest()
		},
		validate: func(c Config) error { return c.Averages.validateShortcut() },
		build: func(c Config, in Inputs) (Objective, error) {
			return Shortcut{CFM: c.cfm(in), Averages: c.Averages}, nil
		},
	}
}

// errPrediction is that of an average velocity that is asked of a network whose output is
// another prediction.
func errPrediction(p path.Prediction) error {
	return misfit("average velocities are for the prediction velocity, not %v", p)
}

// MeanFlow learns the average velocity u(x, t, s) of Geng et al. 2025
// (arXiv:2505.13447) by the identity that it obeys; see [nn.ByIdentity]. The
// examples are those of CFM, but a share of Averages.Ratio, the first of each
// batch, has two times of the distribution Times: the lesser for t, the greater
// for s.
type MeanFlow struct {
	CFM
	Averages AverageConfig
}

// Shortcut learns the average velocity u(x, t, s) of Frans et al. 2024
// (arXiv:2410.12557): a share of Averages.Ratio, the first examples of each batch,
// learns that a step is two of half its length, under the averaged weights; see
// [nn.ByHalves]. Lengths are powers of 1/2, each as likely, and begin at their multiples.
// The rest is CFM at length zero.
type Shortcut struct {
	CFM
	Averages AverageConfig
}

// Check implements [Objective].
func (o MeanFlow) Check(m *model.Model) error {
	return cmp.Or(o.Averages.validateMeanFlow(), o.averages().Check(m))
}

// Check implements [Objective].
func (o Shortcut) Check(m *model.Model) error {
	return cmp.Or(o.Averages.validateShortcut(), o.averages().Check(m))
}

// Examples implements [Regression].
func (o MeanFlow) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	o, err := o.timed(m)
	if err != nil {
		return err
	}
	return o.averages().Examples(m, ex, step)
}

// Examples implements [Regression].
func (o Shortcut) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	o, err := o.timed(m)
	if err != nil {
		return err
	}
	return o.averages().Examples(m, ex, step)
}

// Validation is that of [CFM.Validation], with averages, and without the adaptive
// weight, which would hide how large the error is.
func (o MeanFlow) Validation(m *model.Model, held data.Finite, batch int) (Validate, error) {
	o.Averages.Power = 0
	o, err := o.timed(m)
	if err != nil {
		return nil, err
	}
	return o.averages().validation(m, held, batch)
}

// Validation is that of [CFM.Validation], with averages, whose targets come from
// the network that is measured.
func (o Shortcut) Validation(m *model.Model, held data.Finite, batch int) (Validate, error) {
	o, err := o.timed(m)
	if err != nil {
		return nil, err
	}
	return o.averages().validation(m, held, batch)
}

// Limits implements [Limited].
func (o MeanFlow) Limits() (noDensity, noScore string) { return meanFlowKind().Limits("") }

// Limits implements [Limited].
func (o Shortcut) Limits() (noDensity, noScore string) { return shortcutKind().Limits("") }

func (o MeanFlow) averages() averages { return averages{o.CFM, meanFlowKind(), o.lengthen} }

func (o Shortcut) averages() averages { return averages{o.CFM, shortcutKind(), o.lengthen} }

// timed is that of [CFM].
func (o MeanFlow) timed(m *model.Model) (MeanFlow, error) {
	var err error
	o.CFM, err = o.CFM.timed(m)
	return o, err
}

// timed is that of [CFM].
func (o Shortcut) timed(m *model.Model) (Shortcut, error) {
	var err error
	o.CFM, err = o.CFM.timed(m)
	return o, err
}

// lengthen gives the first examples of a batch two times, t < s.
func (o MeanFlow) lengthen(m *model.Model, ex *nn.Examples, step uint64) {
	v := o.Averages.Defaults()
	rows, rng := o.split(ex, v.Ratio, step)
	o.timing.pairs(ex.T[:rows], ex.S[:rows], ex.Weight[:rows], rng)
	o.coefficients(m, ex)
	ex.Loss = nn.Loss{Average: nn.ByIdentity, Rows: rows, Power: v.Power, Offset: v.Offset}
}

// lengthen gives the first examples of a batch steps of all lengths.
func (o Shortcut) lengthen(m *model.Model, ex *nn.Examples, step uint64) {
	v := o.Averages.Defaults()
	rows, rng := o.split(ex, v.Ratio, step)
	lo, hi := m.Span()
	levels := bits.Len(uint(v.finest())) // lengths 1, 1/2, ..., 1/Finest
	for i := range rows {
		steps := 1 << (i % levels)
		k := rng.IntN(steps)
		ex.T[i] = lo + (hi-lo)*float64(k)/float64(steps)
		ex.S[i] = lo + (hi-lo)*float64(k+1)/float64(steps)
		ex.Weight[i] = 1
	}
	o.coefficients(m, ex)
	ex.Loss = nn.Loss{Average: nn.ByHalves, Rows: rows}
}

// averages is CFM of which a part of each batch learns averages: what MeanFlow and
// Shortcut share.
type averages struct {
	CFM
	kind     Kind
	lengthen func(m *model.Model, ex *nn.Examples, step uint64)
}

// Check is that of CFM, and reports a model that has no average velocity.
func (o averages) Check(m *model.Model) error {
	if err := usable(m); err != nil {
		return err
	}
	switch {
	case m.Spec().Prediction != path.Velocity:
		return errPrediction(m.Spec().Prediction)
	case !m.Net().Config().Average:
		return misfit("%w", nn.ErrNoAverage)
	}
	return cmp.Or(o.kind.takes(m), o.CFM.Check(m))
}

// Examples implements [Regression].
func (o averages) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	if err := usable(m); err != nil {
		return err
	}
	if p := m.Spec().Prediction; p != path.Velocity {
		return errPrediction(p)
	}
	if err := o.CFM.Examples(m, ex, step); err != nil {
		return err
	}
	o.lengthen(m, ex, step)
	return nil
}

func (o averages) validation(m *model.Model, held data.Finite, batch int) (Validate, error) {
	ex, err := o.heldOut(m, held, batch)
	if ex != nil && err == nil {
		o.lengthen(m, ex, math.MaxUint64) // apart from every training step
	}
	return meanLoss(ex), err
}

// split gives all examples averages over no time, s = t, draws the times of those
// that keep it again, so that they are stratified by themselves, and returns the
// number of those that do not, with the generator of their times.
func (o CFM) split(ex *nn.Examples, ratio float64, step uint64) (rows int, rng *rand.Rand) {
	if ex.S == nil {
		ex.S = make([]float64, len(ex.T))
	}
	rows = int(math.Round(ratio * float64(len(ex.T))))
	rest := ex.T[rows:]
	o.timing.draw(rest, ex.Weight[rows:], seed.Rand(o.Seed, "train/velocity-time", step))
	copy(ex.S[rows:], rest)
	return rows, seed.Rand(o.Seed, "train/interval", step)
}
