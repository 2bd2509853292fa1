package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"flowmatch/engine/native/machine"
	"flowmatch/nn"
)

// Sizes are taken instead of those that suit the machine where the median over rounds of the time with
// them, over that without, is at most clearWin in the mean of the cases, and in no case above noLoss.
const (
	clearWin = 0.97
	noLoss   = 1.02
)

// tuneBudget is the time of a whole measurement: under a minute with what is compiled besides.
const tuneBudget = 40 * time.Second

// tuneRounds is the least number of rounds that say anything.
const tuneRounds = 7

// Trial is sizes beside those that they were to replace.
type Trial struct {
	Sizes machine.Sizes `json:"sizes"`
	Cases []TrialCase   `json:"cases"`
	Taken bool          `json:"taken"`
}

// TrialCase is the quartiles, over rounds, of the time of a case with the sizes over that without.
type TrialCase struct {
	Case   string    `json:"case"`
	Ratio  Quartiles `json:"ratio"`
	Rounds int       `json:"rounds"`
}

// Tuning is what [Tune] has found.
type Tuning struct {
	Sizes  machine.Sizes `json:"sizes"`
	Trials []Trial       `json:"trials"`
}

// tuneCases are what sizes are tried on: steps of small and large perceptrons, and of a small UNet.
func tuneCases() []Case {
	small := imageNet
	small.Channels, small.HeadChannels = 16, 16
	return []Case{
		{Name: "train mlp64x3 B256", prepare: trainSteps(2, 64, 3, 256, nn.StepOptions{})},
		{Name: "train mlp512x5 B1024", prepare: trainSteps(2, 512, 5, 1024, nn.StepOptions{})},
		{Name: "train unet16 28x28 B16", prepare: func(eng *nn.Engine) (work, error) {
			u := small
			net, err := nn.New(eng, nn.Config{Dim: imageDim, Classes: digits, UNet: &u}, benchSeed)
			if err != nil {
				return nil, err
			}
			return steps(net, noise{imageDim, digits}, 16, nn.StepOptions{})
		}},
	}
}

// changes are what is tried, smaller and larger.
var changes = []func(s *machine.Sizes){
	func(s *machine.Sizes) { s.Tile /= 2 },
	func(s *machine.Sizes) { s.Tile *= 2 },
	func(s *machine.Sizes) { s.Rows *= 2 },
	func(s *machine.Sizes) { s.Strip /= 2 },
	func(s *machine.Sizes) { s.Strip *= 2 },
	func(s *machine.Sizes) { s.Block, s.Columns, s.Pixels = s.Block/2, s.Columns/2, s.Pixels/2 },
	func(s *machine.Sizes) { s.Block, s.Columns, s.Pixels = s.Block*2, s.Columns*2, s.Pixels*2 },
}

// tuner compares sizes.
type tuner struct {
	names  []string // of the cases
	open   func(s machine.Sizes) (all []work, done func(), err error)
	budget time.Duration
	round  float64 // seconds of a round: so short that what else the machine does meets few of them
	least  int     // rounds of two sizes, whatever the time
	timed  func(ctx context.Context, do work, units int) (seconds float64, nfe int, err error)
	report func(doing string)
}

// Tune measures, in under a minute, whether other sizes than the given ones are faster here: steps with
// both alternate. It tries one change after the other, keeps what wins clearly, and at last compares what
// it has kept with what it began with. report, unless nil, hears what is about to be done.
func Tune(ctx context.Context, begin machine.Sizes, report func(doing string)) (Tuning, error) {
	if report == nil {
		report = func(string) {}
	}
	t := tuner{open: openSized, budget: tuneBudget, round: 0.02, least: 1, timed: timed, report: report}
	for _, c := range tuneCases() {
		t.names = append(t.names, c.Name)
	}
	return t.tune(ctx, begin)
}

// openSized prepares the cases on an engine of its own.
func openSized(s machine.Sizes) (all []work, done func(), err error) {
	eng, err := nn.OpenSized(s)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range tuneCases() {
		do, err := c.prepare(eng)
		if err != nil {
			eng.Close()
			return nil, nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		all = append(all, do)
	}
	return all, eng.Close, nil
}

func (t *tuner) tune(ctx context.Context, begin machine.Sizes) (out Tuning, err error) {
	out.Sizes = begin
	end := time.Now().Add(t.budget)
	for k, change := range changes {
		v := out.Sizes
		if change(&v); v.Valid() != nil {
			continue
		}
		t.report(fmt.Sprintf("sizes %d/%d  %v", k+1, len(changes), v))
		left := time.Until(end) / time.Duration(len(changes)-k+1) // the last comparison has a share
		if err := t.try(ctx, &out, out.Sizes, v, left); err != nil {
			return out, err
		}
	}
	if out.Sizes != begin {
		found := out.Sizes
		t.report(fmt.Sprintf("all of it  %v", found))
		out.Sizes = begin // unless it wins as a whole
		if err := t.try(ctx, &out, begin, found, time.Until(end)); err != nil {
			return out, err
		}
	}
	return out, nil
}

// try compares sizes, and takes the second where they win.
func (t *tuner) try(ctx context.Context, out *Tuning, base, other machine.Sizes, budget time.Duration) error {
	trial := Trial{Sizes: other}
	first, done, err := t.open(base)
	if err != nil {
		return err
	}
	defer done()
	second, doneToo, err := t.open(other)
	if err != nil {
		return err
	}
	defer doneToo()
	for k, name := range t.names {
		c, err := t.pairs(ctx, first[k], second[k], budget/time.Duration(len(t.names)))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.Case = name
		trial.Cases = append(trial.Cases, c)
	}
	if trial.Taken = wins(trial.Cases); trial.Taken {
		out.Sizes = other
	}
	out.Trials = append(out.Trials, trial)
	return nil
}

// pairs times two works in turns.
func (t *tuner) pairs(ctx context.Context, first, second work, budget time.Duration) (c TrialCase, err error) {
	end := time.Now().Add(budget)
	for _, do := range []work{first, second} { // compiles
		if _, _, err := t.timed(ctx, do, 1); err != nil {
			return c, err
		}
	}
	estimate, _, err := t.timed(ctx, first, 1)
	if err != nil {
		return c, err
	}
	units := max(1, int(t.round/estimate))
	var ratios []float64
	for len(ratios) < t.least || time.Now().Before(end) {
		a, _, err := t.timed(ctx, first, units)
		if err != nil {
			return c, err
		}
		b, _, err := t.timed(ctx, second, units)
		if err != nil {
			return c, err
		}
		ratios = append(ratios, b/a)
	}
	return TrialCase{Ratio: quartilesOf(ratios), Rounds: len(ratios)}, nil
}

// wins says whether sizes win clearly: see [clearWin]. What the upper quartiles say must be a win, too.
func wins(cases []TrialCase) bool {
	median, upper := 0.0, 0.0
	for _, c := range cases {
		if c.Ratio.Median > noLoss || c.Rounds < tuneRounds {
			return false
		}
		median += math.Log(c.Ratio.Median)
		upper += math.Log(c.Ratio.High)
	}
	return len(cases) > 0 && median <= float64(len(cases))*math.Log(clearWin) && upper < 0
}
