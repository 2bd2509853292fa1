package train

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// AverageConfig says how average velocities are learnt: the settings of the
// objectives meanflow and shortcut. The zero value of every field is usable.
type AverageConfig struct {
	// Ratio is the share of a batch that learns averages over times t < s; the rest
	// learns the velocity itself, s = t. Default 0.5.
	Ratio float64 `yaml:"ratio,omitempty" json:"ratio,omitempty"`
	// Target, of meanflow, is the velocity that the target of an average is made of:
	// TargetOwn (default) or TargetExample.
	Target string `yaml:"target,omitempty" json:"target,omitempty"`
	// Power p, of meanflow, weighs every squared error by 1/(|Δ|²+Offset)^p. Default 1, as
	// in the paper; 0: no such weight.
	Power *float64 `yaml:"power,omitempty" json:"power,omitempty"`
	// Offset of that weight; default 10. A small one pulls the velocity away from the mean:
	// the paper's is 1e-3, for images.
	Offset float64 `yaml:"offset,omitempty" json:"offset,omitempty"`
	// Parts, of shortcut, is the number of equal parts of a step whose averages make its
	// target, from 2 to [nn.MostParts]; default 4. The paper has 2.
	Parts int `yaml:"parts,omitempty" json:"parts,omitempty"`
	// Finest, of shortcut, is the number of the shortest steps that are learnt, a power of
	// two: lengths are 1, 1/2, ..., 1/Finest of the time from noise to data. Default 16.
	Finest int `yaml:"finest,omitempty" json:"finest,omitempty"`
	// Falloff, of shortcut, is how many examples learn a length beside those of its double,
	// in (0, 1]; default 0.5. 1: as many of each, as the paper has it.
	Falloff float64 `yaml:"falloff,omitempty" json:"falloff,omitempty"`
	// Weight, of shortcut, is how much an example that learns an average weighs beside one
	// that learns the velocity, whose target is noisy; default 10. 1 in the paper.
	Weight float64 `yaml:"weight,omitempty" json:"weight,omitempty"`
	// Warmup, of shortcut, is the number of steps in which that weight grows evenly from 0;
	// default 2000. The first targets are made by a network that knows nothing yet, and a
	// large weight makes it run after itself. 0: none.
	Warmup *int `yaml:"warmup,omitempty" json:"warmup,omitempty"`
}

// What AverageConfig.Target can be.
const (
	TargetOwn     = "own"     // the network's own velocity under averaged weights: see [nn.ByIdentity]
	TargetExample = "example" // that of the example: see [nn.ByExample]
)

// AverageTargets returns the names that AverageConfig.Target takes.
func AverageTargets() []string { return []string{TargetOwn, TargetExample} }

// Defaults returns v with every unset field that both objectives use filled in.
func (v AverageConfig) Defaults() AverageConfig {
	setDefault(&v.Ratio, 0.5)
	return v
}

// forMeanFlow is Defaults with the fields of meanflow alone.
func (v AverageConfig) forMeanFlow() AverageConfig {
	setDefault(&v.Target, TargetOwn)
	if setPointer(&v.Power, 1); *v.Power > 0 {
		setDefault(&v.Offset, 10)
	}
	return v.Defaults()
}

// forShortcut is Defaults with the fields of shortcut alone.
func (v AverageConfig) forShortcut() AverageConfig {
	setDefault(&v.Parts, 4)
	setDefault(&v.Finest, 16)
	setDefault(&v.Falloff, 0.5)
	setDefault(&v.Weight, 10)
	setPointer(&v.Warmup, 2000)
	return v.Defaults()
}

// validate reports the first setting out of range.
func (v AverageConfig) validate() error {
	if !(v.Ratio > 0 && v.Ratio <= 1) {
		return fmt.Errorf("train: intervals.ratio is %g; it must be above 0 and at most 1", v.Ratio)
	}
	return nil
}

// foreign reports a setting that belongs to other objectives than one.
func (v AverageConfig) foreign(k Kind) error {
	for _, key := range v.set() {
		if !slices.Contains(k.keys, key) {
			return fmt.Errorf("train: %s is set, but belongs to the objective %s, not to %s", key,
				strings.Join(owners(key), " or "), k.Name)
		}
	}
	return nil
}

// set are the keys of the settings that are not left to their defaults.
func (v AverageConfig) set() (keys []string) {
	for _, f := range []struct {
		key string
		set bool
	}{
		{"ratio", v.Ratio != 0}, {"target", v.Target != ""}, {"power", v.Power != nil}, {"offset", v.Offset != 0},
		{"parts", v.Parts != 0}, {"finest", v.Finest != 0}, {"falloff", v.Falloff != 0},
		{"weight", v.Weight != 0}, {"warmup", v.Warmup != nil},
	} {
		if f.set {
			keys = append(keys, "intervals."+f.key)
		}
	}
	return keys
}

// validateMeanFlow reports what meanflow cannot use.
func (v AverageConfig) validateMeanFlow() error {
	if err := v.foreign(meanFlowKind()); err != nil {
		return err
	}
	v = v.forMeanFlow()
	if err := choice.Check("target of an average", v.Target, AverageTargets()); err != nil {
		return fmt.Errorf("train: intervals.target: %w", err)
	}
	if v.Target == TargetOwn && v.Ratio == 1 {
		return fmt.Errorf("train: intervals.ratio is 1, but with intervals.target %s no example is left to learn the "+
			"velocity from: it must be below 1", v.Target)
	}
	if !(*v.Power >= 0) || !(v.Offset >= 0) || math.IsInf(*v.Power+v.Offset, 0) {
		return fmt.Errorf("train: intervals.power %g and intervals.offset %g must not be negative", *v.Power, v.Offset)
	}
	if v.Offset > 0 && *v.Power == 0 {
		return fmt.Errorf("train: intervals.offset is %g, but intervals.power is 0, without which it weighs nothing: "+
			"set power, or leave offset out", v.Offset)
	}
	return v.validate()
}

// validateShortcut reports what shortcut cannot use.
func (v AverageConfig) validateShortcut() error {
	if err := v.foreign(shortcutKind()); err != nil {
		return err
	}
	v = v.forShortcut()
	switch {
	case v.Finest < 1 || v.Finest&(v.Finest-1) != 0:
		return fmt.Errorf("train: intervals.finest is %d; it must be a power of two", v.Finest)
	case v.Parts < 2 || v.Parts > nn.MostParts:
		return fmt.Errorf("train: intervals.parts is %d; it must be from 2 to %d", v.Parts, nn.MostParts)
	case !(v.Falloff > 0 && v.Falloff <= 1):
		return fmt.Errorf("train: intervals.falloff is %g; it must be above 0 and at most 1", v.Falloff)
	case !(v.Weight > 0) || math.IsInf(v.Weight, 0):
		return fmt.Errorf("train: intervals.weight is %g; it must be above 0", v.Weight)
	case *v.Warmup < 0:
		return fmt.Errorf("train: intervals.warmup is %d; it must be a number of steps, or 0 for none", *v.Warmup)
	}
	return v.validate()
}

func meanFlowKind() Kind {
	return Kind{
		Name: "meanflow", Doc: "average velocities, by the identity that they satisfy (MeanFlow)",
		Averages: true, Context: true, Coupled: true, Sourced: true, Velocity: true,
		keys:     []string{"intervals.ratio", "intervals.target", "intervals.power", "intervals.offset"},
		defaults: func(c *Config) { c.Averages = c.Averages.forMeanFlow() },
		validate: func(c Config) error { return c.Averages.validateMeanFlow() },
		build: func(c Config, in Inputs) (Objective, error) {
			return MeanFlow{CFM: c.cfm(in), Averages: c.Averages}, nil
		},
	}
}

func shortcutKind() Kind {
	return Kind{
		Name: "shortcut", Doc: "average velocities, where each step equals several of its parts (shortcut models)",
		Averages: true, Context: true, Coupled: true, Sourced: true, Velocity: true,
		keys: []string{"intervals.ratio", "intervals.parts", "intervals.finest", "intervals.falloff",
			"intervals.weight", "intervals.warmup"},
		defaults: func(c *Config) { c.Averages = c.Averages.forShortcut() },
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
// (arXiv:2505.13447) by the identity that it obeys; see [nn.ByIdentity], and [nn.ByExample]
// for Averages.Target of TargetExample. The
// examples are those of CFM, but a share of Averages.Ratio, the first of each
// batch, has two times of the distribution Times: the lesser for t, the greater
// for s.
type MeanFlow struct {
	CFM
	Averages AverageConfig
}

// Shortcut learns the average velocity u(x, t, s) of Frans et al. 2024
// (arXiv:2410.12557): a share of Averages.Ratio, the first examples of each batch,
// learns that a step is the mean of its parts, under the averaged weights; see
// [nn.ByParts]. Lengths are powers of 1/2, and begin at their multiples.
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
	o.Averages.Power, o.Averages.Offset = new(0.0), 0
	o, err := o.timed(m)
	if err != nil {
		return nil, err
	}
	return o.averages().validation(m, held, batch)
}

// Validation is that of [CFM.Validation], with averages, whose targets come from
// the network that is measured, and weigh as much as velocities.
func (o Shortcut) Validation(m *model.Model, held data.Finite, batch int) (Validate, error) {
	o.Averages.Weight = 1
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
	v := o.Averages.forMeanFlow()
	rows := v.rows(of(ex).N)
	o.split(ex, rows, step, func(all *nn.Examples, rng *rand.Rand) {
		o.timing.pairs(all.T[:rows], all.S[:rows], all.Weight[:rows], rng)
	})
	o.coefficients(m, ex)
	ex.Loss = nn.Loss{Average: nn.ByIdentity, Rows: rowsMade(ex, rows), Power: *v.Power, Offset: v.Offset}
	if v.Target == TargetExample {
		ex.Loss.Average = nn.ByExample
	}
}

// lengthen gives the first examples of a batch steps of all lengths.
func (o Shortcut) lengthen(m *model.Model, ex *nn.Examples, step uint64) {
	v := o.Averages.forShortcut()
	rows := v.rows(of(ex).N)
	lo, hi := m.Span()
	o.split(ex, rows, step, func(all *nn.Examples, rng *rand.Rand) {
		for i, level := range levels(rows, bits.Len(uint(v.Finest)), v.Falloff) {
			steps := 1 << level
			k := rng.IntN(steps)
			all.T[i] = lo + (hi-lo)*float64(k)/float64(steps)
			all.S[i] = lo + (hi-lo)*float64(k+1)/float64(steps)
			all.Weight[i] = v.weight(step)
		}
	})
	o.coefficients(m, ex)
	ex.Loss = nn.Loss{Average: nn.ByParts, Rows: rowsMade(ex, rows), Parts: v.Parts}
}

// weight is that of an average in a step.
func (v AverageConfig) weight(step uint64) float64 {
	if step >= uint64(*v.Warmup) {
		return v.Weight
	}
	return v.Weight * float64(step) / float64(*v.Warmup)
}

// levels deals the levels 0, 1, ... out to n examples, so that after each of them every level
// has nearly its share, which is falloff times that of the level before.
func levels(n, count int, falloff float64) []int {
	share, sum := make([]float64, count), 0.0
	for l := range share {
		share[l] = math.Pow(falloff, float64(l))
		sum += share[l]
	}
	out, dealt := make([]int, n), make([]float64, count)
	for i := range out {
		most := 0
		for l := range share {
			if lacks := func(l int) float64 { return float64(i+1)*share[l]/sum - dealt[l] }; lacks(l) > lacks(most) {
				most = l
			}
		}
		out[i], dealt[most] = most, dealt[most]+1
	}
	return out
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

// rows returns how many examples of a batch of n, the first ones, learn averages.
func (v AverageConfig) rows(n int) int { return int(math.Round(v.Ratio * float64(n))) }

// split gives all examples averages over no time, s = t, and draws the times of those
// that keep it again, so that they are stratified by themselves. lengthen then draws those of
// the others, the first rows of all, by a generator of its own.
func (o CFM) split(ex *nn.Examples, rows int, step uint64, lengthen func(all *nn.Examples, rng *rand.Rand)) {
	if ex.S == nil {
		ex.S = make([]float64, len(ex.T))
	}
	wholly(ex, func(all *nn.Examples) {
		rest := all.T[rows:]
		o.timing.draw(rest, all.Weight[rows:], seed.Rand(o.Seed, "train/velocity-time", step))
		copy(all.S[rows:], rest)
		lengthen(all, seed.Rand(o.Seed, "train/interval", step))
	})
}
