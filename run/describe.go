package run

import (
	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/image"
	"flowmatch/data/simulator"
	"flowmatch/data/synth"
	"flowmatch/data/table"
	"flowmatch/eval"
	"flowmatch/internal/settings"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/timegrid"
	"flowmatch/train"
)

// Key describes one key of a run file.
type Key = settings.Key

// Keys describes every key of a run file: type, default, meaning and the names that it
// may be. The defaults are those of a run on the set moons.
func Keys() []Key {
	keys := settings.Describe(Config{Data: dataset.Config{Name: "moons"}}.Defaults(), docs(), allowed())
	for i := range keys {
		if keys[i].Name == "train.objective" {
			keys[i].Choices = objectiveChoices()
		}
	}
	return keys
}

// objectiveChoices describes every objective: what it is, and what it takes and gives.
func objectiveChoices() []settings.Choice {
	var out []settings.Choice
	for _, k := range train.Kinds() {
		c := settings.Choice{Name: k.Name, Doc: k.Doc}
		for _, p := range []struct {
			has  bool
			text string
		}{
			{k.Teacher, "learns from a trained run, train.teacher"},
			{k.Averages, "learns average velocities, so samples need one or a few steps (eval.solver average)"},
			{k.EulerSteps != nil, "samples with train.distill_steps Euler steps"},
			{k.Solves, "solves the ODE in every step: path, coupling and source are not used"},
			{k.Finite, "needs a finite data set: a file, or data.n points"},
			{k.Straight, "needs path condot and coupling independent"},
			{k.Velocity, "needs the prediction velocity"},
			{k.Coupled, "takes a coupling"},
			{k.Sourced, "takes a source"},
			{k.Context, "takes a condition"},
			{k.Preconditioned, "takes precondition: true"},
			{k.Noisy, "takes paths that add noise (icfm, bridge)"},
			{k.Score && k.NoDensity == "", "gives a density, and the score, which samplers with noise need"},
			{!k.Score && k.NoDensity == "", "gives a density"},
			{k.NoDensity != "", "gives no density"},
		} {
			if p.has {
				c.Properties = append(c.Properties, p.text)
			}
		}
		out = append(out, c)
	}
	return out
}

// allowed returns the names that a key may be, by dotted key.
func allowed() map[string][]string {
	var predictions []string
	for _, p := range path.Predictions() {
		predictions = append(predictions, p.String())
	}
	return map[string][]string{
		"data.name":      append(synth.Names(), synth.WrappedName),
		"data.uci":       table.UCINames(),
		"data.simulator": simulator.Names(),
		"data.kind": {
			data.KindSynthetic, data.KindTable, data.KindUCI, data.KindSimulator, data.KindImages,
			data.KindCIFAR10, data.KindCIFAR100, data.KindFolder, data.KindShards,
		},
		"data.standardize":           {dataset.StandardizeNone, dataset.StandardizeColumns, dataset.StandardizeScalar},
		"data.layout":                image.Layouts(),
		"data.posterior":             {dataset.PosteriorSample, dataset.PosteriorMean},
		"data.corrupt":               {dataset.CorruptFail, dataset.CorruptSkip},
		"source.name":                synth.Names(),
		"path.name":                  path.Names(),
		"coupling.name":              coupling.Names(),
		"net.activation":             nn.Activations(),
		"condition.kind":             {image.SuperRes, image.Inpaint},
		"condition.mask":             image.Masks(),
		"train.objective":            train.Objectives(),
		"train.prediction":           predictions,
		"train.times.name":           train.TimeNames(),
		"train.weighting":            train.Weightings(),
		"train.intervals.target":     train.AverageTargets(),
		"train.schedule":             train.Schedules(),
		"train.optimizer.name":       nn.OptimizerNames(),
		"train.precision":            nn.Precisions(),
		"train.ml.solver":            ode.Names(),
		"train.ml.time_grid.spacing": timegrid.Spacings(),
		"train.ml.divergence":        likelihood.Names(),
		"eval.solver":                eval.Solvers(),
		"eval.time_grid.spacing":     timegrid.Spacings(),
		"eval.divergence":            likelihood.Names(),
	}
}
