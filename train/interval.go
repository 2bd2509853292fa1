package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"flowmatch/data"
	"flowmatch/internal/seed"
	"flowmatch/nn"
	"flowmatch/path"
)

// Intervals says how average velocities are learnt: the settings of the
// objectives meanflow and shortcut. The zero value of every field is usable.
type Intervals struct {
	// Ratio is the share of a batch whose interval has a length; the rest learn the
	// velocity itself, s = t. Default 0.25, the choice of both papers for images; in
	// the plane meanflow does better with 0.5.
	Ratio float64 `yaml:"ratio,omitempty" json:"ratio,omitempty"`
	// Power p > 0, of meanflow, weighs every squared error by 1/(|Δ|²+Offset)^p.
	// Default 0: no such weight. The paper takes 1 for images; where the velocity at a
	// point is as spread out as in the plane, 1 pulls it away from the mean, and does harm.
	Power float64 `yaml:"power,omitempty" json:"power,omitempty"`
	// Offset of that weight; default 1e-3.
	Offset float64 `yaml:"offset,omitempty" json:"offset,omitempty"`
	// Finest, of shortcut, is the number of steps whose halves are the shortest
	// that are learnt, a power of two: lengths are 1, 1/2, ..., 1/Finest of the time
	// from noise to data. Default 64, whose halves are the paper's 1/128.
	Finest int `yaml:"finest,omitempty" json:"finest,omitempty"`
}

// Defaults returns v with every unset field that an objective uses filled in.
func (v Intervals) Defaults(objective string) Intervals {
	if LearnsAverages(objective) && v.Ratio == 0 {
		v.Ratio = 0.25
	}
	if v.Power > 0 && v.Offset == 0 {
		v.Offset = 1e-3
	}
	if objective == "shortcut" && v.Finest == 0 {
		v.Finest = 64
	}
	return v
}

// LearnsAverages says whether an objective trains a network of two times.
func LearnsAverages(objective string) bool {
	return objective == "meanflow" || objective == "shortcut"
}

// validate reports the first setting that the objective cannot use.
func (v Intervals) validate(objective string) error {
	if !LearnsAverages(objective) {
		if v != (Intervals{}) {
			return fmt.Errorf("train: intervals belong to the objectives meanflow and shortcut, not to %s", objective)
		}
		return nil
	}
	if !(v.Ratio > 0 && v.Ratio <= 1) {
		return fmt.Errorf("train: intervals: ratio is %g; it must be above 0 and at most 1", v.Ratio)
	}
	if !(v.Power >= 0) || !(v.Offset >= 0) || math.IsInf(v.Power+v.Offset, 0) {
		return fmt.Errorf("train: intervals: power %g and offset %g must not be negative", v.Power, v.Offset)
	}
	if objective == "shortcut" && v.Power != 0 {
		return fmt.Errorf("train: intervals: power belongs to the objective meanflow, not to shortcut")
	}
	if objective == "meanflow" && v.Finest != 0 {
		return fmt.Errorf("train: intervals: finest belongs to the objective shortcut, not to meanflow")
	}
	if objective == "shortcut" && (v.Finest < 1 || v.Finest&(v.Finest-1) != 0) {
		return fmt.Errorf("train: intervals: finest is %d; it must be a power of two", v.Finest)
	}
	return nil
}

// ErrAverages is returned when an average velocity is asked of a network whose
// output is another prediction.
var ErrAverages = errors.New("train: the objectives meanflow, shortcut and distill are for the prediction velocity")

// MeanFlow learns the average velocity u(x, t, s) of Geng et al. 2025
// (arXiv:2505.13447) by the identity that it obeys; see [nn.ByIdentity]. The
// examples are those of CFM, but a share of Intervals.Ratio, the first of each
// batch, has two times of the distribution Times: the lesser for t, the greater
// for s.
type MeanFlow struct {
	CFM
	Intervals Intervals
}

// Steps implements [Objective].
func (o MeanFlow) Steps(ctx context.Context, tr *nn.Trainer, cfg Config, from int) StepFunc {
	return regress(ctx, o, tr, cfg, from)
}

// Examples fills ex with the examples of a step; see [CFM.Examples].
func (o MeanFlow) Examples(ex *nn.Examples, step uint64) error {
	if err := o.CFM.Examples(ex, step); err != nil {
		return err
	}
	return o.intervals(ex, step)
}

// Validation is that of [CFM.Validation], with intervals, and without the adaptive
// weight, which would hide how large the error is.
func (o MeanFlow) Validation(points data.Finite, batch int, labels bool) (*nn.Examples, error) {
	o.Intervals.Power = 0
	return intervalValidation(o.CFM, o.intervals, points, batch, labels)
}

func (o MeanFlow) intervals(ex *nn.Examples, step uint64) error {
	v := o.Intervals.Defaults("meanflow")
	rows, err := o.lengthen(ex, step, v.Ratio)
	if err != nil {
		return err
	}
	rng := seed.Rand(o.Seed, "train/interval", step)
	lo, hi := path.Span(o.Scheduler, o.Prediction)
	t, s := ex.T[:rows], ex.S[:rows]
	o.Times.Sample(t, lo, hi, rng)
	o.Times.Sample(s, lo, hi, rng)
	// Stratified times ascend; in this order the two are independent.
	rng.Shuffle(rows, func(i, j int) { s[i], s[j] = s[j], s[i] })
	for i := range t {
		t[i], s[i] = min(t[i], s[i]), max(t[i], s[i])
	}
	o.place(ex)
	ex.Loss = nn.Loss{Average: nn.ByIdentity, Rows: rows, Power: v.Power, Offset: v.Offset}
	return nil
}

// Shortcut learns the average velocity u(x, t, s) of Frans et al. 2024
// (arXiv:2410.12557): a share of Intervals.Ratio, the first examples of each batch,
// learns that a step is two of half its length, under the averaged weights; see
// [nn.ByHalves]. Lengths are powers of 1/2, each as likely, and begin at their multiples.
// The rest is CFM at length zero.
type Shortcut struct {
	CFM
	Intervals Intervals
}

// Steps implements [Objective].
func (o Shortcut) Steps(ctx context.Context, tr *nn.Trainer, cfg Config, from int) StepFunc {
	return regress(ctx, o, tr, cfg, from)
}

// Examples fills ex with the examples of a step; see [CFM.Examples].
func (o Shortcut) Examples(ex *nn.Examples, step uint64) error {
	if err := o.CFM.Examples(ex, step); err != nil {
		return err
	}
	return o.intervals(ex, step)
}

// Validation is that of [CFM.Validation], with intervals, whose targets come from
// the network judged.
func (o Shortcut) Validation(points data.Finite, batch int, labels bool) (*nn.Examples, error) {
	return intervalValidation(o.CFM, o.intervals, points, batch, labels)
}

func (o Shortcut) intervals(ex *nn.Examples, step uint64) error {
	v := o.Intervals.Defaults("shortcut")
	rows, err := o.lengthen(ex, step, v.Ratio)
	if err != nil {
		return err
	}
	rng := seed.Rand(o.Seed, "train/interval", step)
	lo, hi := path.Span(o.Scheduler, o.Prediction)
	levels := bits.Len(uint(v.Finest)) // lengths 1, 1/2, ..., 1/Finest
	for i := range rows {
		steps := 1 << (i % levels)
		k := rng.IntN(steps)
		ex.T[i] = lo + (hi-lo)*float64(k)/float64(steps)
		ex.S[i] = lo + (hi-lo)*float64(k+1)/float64(steps)
	}
	o.place(ex)
	ex.Loss = nn.Loss{Average: nn.ByHalves, Rows: rows}
	return nil
}

// lengthen makes intervals of no length for all examples, draws the times of those
// that keep it anew, so that they are stratified by themselves, and returns the
// number of those that do not.
func (o CFM) lengthen(ex *nn.Examples, step uint64, ratio float64) (rows int, err error) {
	if o.Prediction != path.Velocity {
		return 0, ErrAverages
	}
	if ex.S == nil {
		ex.S = make([]float64, len(ex.T))
	}
	rows = int(math.Round(ratio * float64(len(ex.T))))
	rest := ex.T[rows:]
	if rows > 0 && len(rest) > 0 {
		lo, hi := path.Span(o.Scheduler, o.Prediction)
		o.Times.Sample(rest, lo, hi, seed.Rand(o.Seed, "train/velocity-time", step))
	}
	copy(ex.S[rows:], rest)
	return rows, nil
}

func intervalValidation(o CFM, intervals func(*nn.Examples, uint64) error, points data.Finite, batch int, labels bool) (*nn.Examples, error) {
	ex, err := o.Validation(points, batch, labels)
	if ex == nil || err != nil {
		return nil, err
	}
	return ex, intervals(ex, math.MaxUint64) // apart from every training step
}
