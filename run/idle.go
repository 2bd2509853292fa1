package run

import (
	"fmt"
	"strings"

	"flowmatch/eval"
	"flowmatch/internal/choice"
	"flowmatch/internal/settings"
	"flowmatch/path"
	"flowmatch/train"
)

// rule says of some keys of a run file why they have no effect; "" is that they have.
type rule struct {
	keys string // dotted, with blanks between them
	why  func(c Config, k train.Kind) string
	fix  string // what else would give them one
}

// Idle implements [settings.Idler]: no setting of a run file is without effect. Settings
// that an objective, a schedule, a coupling or a kind of data does not take are reported by
// Validate.
func (c Config) Idle() []settings.Idle {
	k, err := train.KindOf(c.Train.Objective)
	if err != nil {
		return nil // which Validate reports
	}
	var idle []settings.Idle
	for _, r := range rules() {
		if why := r.why(c, k); why != "" {
			idle = append(idle, settings.Idle{Keys: strings.Fields(r.keys), Why: why, Fix: r.fix})
		}
	}
	return idle
}

// rules is the table.
func rules() []rule {
	const withControl = "set eval.solver to a method with an error estimate, such as dopri5, without eval.steps"
	return []rule{
		{"net.hidden net.activation net.time_frequencies net.space_frequencies net.space_scale net.waves.count " +
			"net.waves.lowest net.waves.highest net.waves.fade", ofPerceptrons,
			"leave net.unet and net.dit out"},
		{"net.hidden", ofPlainPerceptrons, "set net.residual.width, or leave net.residual out"},
		{"net.residual.embed.kind net.residual.embed.shape net.residual.embed.hidden net.residual.embed.width",
			withoutContext, ""},
		{"coupling.context_weight", withoutContexts, ""},
		{"net.space_scale", withoutSpaceFrequencies, "set net.space_frequencies"},
		{"net.unet.heads", whereHeadsAreCounted, "leave net.unet.head_channels out"},
		{"train.times.name", whereTheWeightingIsUnit, "set train.weighting to likelihood, for instance"},
		{"train.times.name", whereAllTimesWeighAlike, "set another train.weighting or train.prediction"},
		{"net.classes", whereUnconditional, "set conditional: true"},
		{"train.intervals.falloff", whereOneLengthIsLearnt, "set train.intervals.finest to 2 or more"},
		{"train.lr_min", whereTheRateIsConstant, "set train.warmup, or another train.schedule"},
		{"train.val_every train.patience train.ml.val", whereNothingIsHeldOut, "set data.val to a number of points"},
		{"train.ml.val", whereNothingValidates, "set train.val_every"},
		{"train.ml.rtol train.ml.atol train.ml.control", func(c Config, k train.Kind) string {
			if !k.Solves {
				return ""
			}
			return c.Train.ML.Solve.WithoutTolerance()
		}, strings.ReplaceAll(withControl, "eval.", "train.ml.")},
		{"eval.rtol eval.atol eval.control", func(c Config, _ train.Kind) string {
			if c.Eval.Solve.Solver == eval.Average {
				return "" // they are those of densities and of paths
			}
			return c.Eval.Solve.WithoutTolerance()
		}, withControl},
		{"eval.projected", whereSpaceIsFlat, "set space"},
		{"train.ml.projected", func(Config, train.Kind) string { return "maximum likelihood is for R^d" }, ""},
		{"eval.divergence eval.probes eval.test eval.dequantizations", withoutDensity, ""},
		{"eval.samples eval.test eval.dequantizations", whereNothingIsTested, "set data.test to a number of points"},
		{"eval.dequantizations", withoutDequantization, ""},
	}
}

// Warnings says what a training of so few steps never comes to: early stopping, snapshots
// and pictures. These are no errors, for a run may be continued with more steps, and a short
// trial of a run file needs no other change of it. Nor is a prediction an error that
// preconditioning makes the same training as any other, nor a column of labels that is left
// out of both sides. c is complete.
func (c Config) Warnings() []string {
	t := c.Train
	var warnings []string
	warn := func(key string, value int, never bool, what string) {
		if value > 0 && never {
			warnings = append(warnings, fmt.Sprintf("train.%s is %d, but has no effect in a training of %d steps: %s",
				key, value, t.Steps, what))
		}
	}
	warn("patience", t.Patience, *t.ValEvery >= t.Steps, fmt.Sprintf("train.val_every is %d", *t.ValEvery))
	warn("snapshot_every", t.SnapshotEvery, t.SnapshotEvery > t.Steps, "no snapshot is kept")
	warn("sample_every", t.SampleEvery, t.SampleEvery > t.Steps, "no samples are drawn")
	if *c.Precondition && t.Prediction != path.Velocity && t.Weighting != train.SigmaSquared {
		warnings = append(warnings, fmt.Sprintf("train.prediction is %v, but with precondition: true all predictions "+
			"give the same training; precondition: false trains the network on the %[1]v itself", t.Prediction))
	}
	if c.Data.Label != "" && !c.Conditional {
		warnings = append(warnings, fmt.Sprintf("data.label is %s, but conditional is not true: the column is neither "+
			"learnt nor given to the network; set conditional: true, or leave data.label out to learn the column",
			choice.Quote(c.Data.Label)))
	}
	if aware := c.Coupling.LabelAware; c.Conditional && aware != nil && !*aware {
		warnings = append(warnings, fmt.Sprintf("coupling.label_aware is false in a conditional training: %s over "+
			"all classes pairs each class with only a part of the noise; samples start from all of the noise, "+
			"so they will not be those of the class", c.Coupling.Name))
	}
	if c.Coupling.Batch > t.Batch {
		warnings = append(warnings, fmt.Sprintf("coupling.batch is %d, but has no effect: train.batch is %d, and all "+
			"its rows are coupled among themselves", c.Coupling.Batch, t.Batch))
	}
	if w := c.Coupling.ContextWeight; w != nil && *w == 0 && c.Data.Given() {
		warnings = append(warnings, fmt.Sprintf("coupling.context_weight is 0: %s over all contexts pairs each "+
			"context with its own part of the noise, and samples, which start from all of it, are not those of the "+
			"context", c.Coupling.Name))
	}
	return warnings
}

func ofPerceptrons(c Config, _ train.Kind) string {
	switch {
	case c.Net.UNet != nil:
		return "it is for perceptrons, and the network is net.unet"
	case c.Net.DiT != nil:
		return "it is for perceptrons, and the network is net.dit"
	}
	return ""
}

func ofPlainPerceptrons(c Config, _ train.Kind) string {
	if c.Net.Residual == nil {
		return ""
	}
	return "all blocks of net.residual have one width"
}

func withoutContext(c Config, _ train.Kind) string {
	if c.Net.Residual == nil || c.Data.Given() || c.Condition.Kind != "" {
		return ""
	}
	return "it embeds the context, and the data have none"
}

func withoutContexts(c Config, _ train.Kind) string {
	if c.Data.Given() || c.Coupling.Name == "independent" { // which Validate reports
		return ""
	}
	return "the data have no context"
}

func withoutSpaceFrequencies(c Config, _ train.Kind) string {
	if c.Net.SpaceFrequencies > 0 || c.Net.OfImages() {
		return ""
	}
	return "it is the scale of net.space_frequencies, which is 0"
}

func whereHeadsAreCounted(c Config, _ train.Kind) string {
	if c.Net.UNet == nil || c.Net.UNet.HeadChannels == 0 {
		return ""
	}
	return "net.unet.head_channels says how many heads there are"
}

// whereTheWeightingIsUnit is about times in proportion to a weighting.
func whereTheWeightingIsUnit(c Config, _ train.Kind) string {
	if c.Train.Times.Name != train.Proportional || c.Train.Weighting != train.Unit {
		return ""
	}
	return "the weighting unit is the same at all times"
}

// whereAllTimesWeighAlike is about the same for the other weightings.
func whereAllTimesWeighAlike(c Config, _ train.Kind) string {
	t := c.Train
	if t.Times.Name != train.Proportional || t.Weighting == train.Unit {
		return ""
	}
	s, err := c.Path.New()
	if err != nil || *c.Precondition || !t.Weighting.Even(s, t.Prediction) {
		return "" // an error is one that Validate reports
	}
	return fmt.Sprintf("the weighting %s of the prediction %v is the same at all times of path %s", t.Weighting,
		t.Prediction, c.Path.Name)
}

func whereOneLengthIsLearnt(c Config, _ train.Kind) string {
	if v := c.Train.Averages; v.Falloff == 0 || v.Finest != 1 {
		return ""
	}
	return "train.intervals.finest is 1, so that all steps have one length"
}

func whereUnconditional(c Config, _ train.Kind) string {
	if c.Conditional {
		return ""
	}
	return "the network is not conditional on labels"
}

func whereTheRateIsConstant(c Config, _ train.Kind) string {
	if c.Train.Schedule != "constant" || c.Train.Warmup > 0 {
		return ""
	}
	return "the learning rate is constant, without a warm-up"
}

// whereNothingIsHeldOut is about validation, which a teacher's pairs need no data for.
func whereNothingIsHeldOut(c Config, k train.Kind) string {
	if k.Teacher || c.Data.Val == nil || *c.Data.Val > 0 {
		return ""
	}
	return "data.val is 0, so that there are no points to validate on"
}

func whereNothingValidates(c Config, _ train.Kind) string {
	if *c.Train.ValEvery > 0 {
		return ""
	}
	return "train.val_every is 0, so that nothing is validated"
}

func whereSpaceIsFlat(c Config, _ train.Kind) string {
	if !c.Space.Flat() {
		return ""
	}
	return "there is no space to project to"
}

func withoutDensity(_ Config, k train.Kind) string {
	if k.NoDensity == "" {
		return ""
	}
	return fmt.Sprintf("a run of the objective %s has no density", k.Name)
}

func whereNothingIsTested(c Config, _ train.Kind) string {
	if c.Data.Test == nil || *c.Data.Test > 0 {
		return ""
	}
	return "data.test is 0, so that there are no points to evaluate on"
}

func withoutDequantization(c Config, _ train.Kind) string {
	switch {
	case !c.Data.Images():
		return "it is for images"
	case c.Data.Dequantize != nil && !*c.Data.Dequantize:
		return "data.dequantize is false"
	}
	return ""
}

var _ settings.Idler = Config{}
