package run

import (
	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/image"
	"flowmatch/data/synth"
	"flowmatch/data/table"
	"flowmatch/eval"
	"flowmatch/internal/settings"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/train"
)

// Key describes one key of a run file.
type Key = settings.Key

// Keys describes every key of a run file: type, default, meaning and the names that it
// may be. The defaults are those of a run on the set moons.
func Keys() []Key {
	return settings.Describe(Config{Data: dataset.Config{Name: "moons"}}.Defaults(), keyDocs, allowed())
}

// allowed returns the names that a key may be, by dotted key.
func allowed() map[string][]string {
	var predictions []string
	for _, p := range []path.Prediction{path.Velocity, path.Data, path.Noise, path.Score} {
		predictions = append(predictions, p.String())
	}
	return map[string][]string{
		"data.name": synth.Names(),
		"data.uci":  table.UCINames(),
		"data.kind": {
			data.KindSynthetic, data.KindTable, data.KindUCI, data.KindImages,
			data.KindCIFAR10, data.KindCIFAR100, data.KindFolder, data.KindShards,
		},
		"data.standardize":    {dataset.StandardizeNone, dataset.StandardizeColumns, dataset.StandardizeScalar},
		"data.corrupt":        {dataset.CorruptFail, dataset.CorruptSkip},
		"source.name":         synth.Names(),
		"path.name":           path.Names(),
		"coupling.name":       coupling.Names(),
		"net.activation":      nn.Activations(),
		"condition.kind":      {image.SuperRes, image.Inpaint},
		"condition.mask":      image.Masks(),
		"train.objective":     train.Objectives(),
		"train.prediction":    predictions,
		"train.times.name":    train.TimeNames(),
		"train.weighting":     train.Weightings(),
		"train.schedule":      train.Schedules(),
		"train.precision":     nn.Precisions(),
		"train.ml.solver":     ode.Names(),
		"train.ml.divergence": likelihood.Names(),
		"eval.solver":         eval.Solvers(),
		"eval.divergence":     likelihood.Names(),
	}
}
