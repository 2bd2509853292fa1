package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/internal/settings"
	"flowmatch/run"
)

// Tabular is the cell of a grid of kind tables: a model makes rows like those of a table, or fills in its holes. All
// methods have the same rows to learn from, in a file, and leave a file, which is then measured.
type Tabular struct {
	File   string `yaml:"file" json:"file"`     // the table
	Target string `yaml:"target" json:"target"` // column that is predicted; default: the last
	// Model is what learns, see [TableModels]; default flowmatch, this program with its defaults, as a program
	// of its own.
	Model string `yaml:"model" json:"model"`
	Seed  uint64 `yaml:"seed" json:"seed"`
	// Held is the share of the rows that nobody learns from, Holes that of the values that are to be filled in.
	// Both default to 0.2.
	Held  float64 `yaml:"held" json:"held"`
	Holes float64 `yaml:"holes" json:"holes"`
	Fills int     `yaml:"fills" json:"fills"` // how often holes are filled in, by models that draw; default 5
	// Minutes and Gigabytes are what each measure may take; default 60 and 16. A model that would take more has
	// no figures, and the page says so.
	Minutes   float64 `yaml:"minutes" json:"minutes"`
	Gigabytes float64 `yaml:"gigabytes" json:"gigabytes"`
	// Options are settings of flowmatch train, key=value.
	Options []string `yaml:"options" json:"options"`
}

// tableModel is one that Tabular.Model names.
type tableModel struct {
	name  string
	peer  string // whose it is; empty: of this program
	tasks []string
}

// The measures of a grid of kind tables, which are also what a model is asked for.
const (
	taskSamples    = "samples"
	taskImputation = "imputation"
)

// tableModels is the table of models:
//
//	flowmatch   this program: train FILE, then sample, or impute
//	data        the rows to learn from as samples: what figures are of rows of the law itself
//	mean        holes are filled in by the mean, or the most frequent level
//	flow        ForestDiffusion's flow
//	diffusion   its diffusion, which imputes, too
//	ctgan       CTGAN
//	tvae        TVAE
//	missforest  scikit-learn's IterativeImputer with random forests
func tableModels() []tableModel {
	samples, imputation, both := []string{taskSamples}, []string{taskImputation}, []string{taskSamples, taskImputation}
	return []tableModel{
		{modelOwn, "", both}, {modelData, "", samples}, {modelMean, "", imputation},
		{"flow", "ForestDiffusion", samples}, {"diffusion", "ForestDiffusion", both},
		{"ctgan", "ctgan", samples}, {"tvae", "ctgan", samples},
		{"missforest", "scikit-learn", imputation},
	}
}

const modelOwn, modelData, modelMean = "flowmatch", "data", "mean"

// TableModels returns the names that Tabular.Model takes, of a peer or, without a name, of this program.
func TableModels(peer string) (names []string) {
	for _, m := range tableModels() {
		if m.peer == peer {
			names = append(names, m.name)
		}
	}
	return names
}

// does says whether the model of a cell does what a measure asks for.
func (t Tabular) does(task string) bool {
	return slices.ContainsFunc(tableModels(), func(m tableModel) bool {
		return m.name == t.Model && slices.Contains(m.tasks, task)
	})
}

// tabularMeasures are the measures of a grid of kind tables. Of as many samples as there are rows to learn from:
//
//	samples     c2st, of a random forest, against held-out rows; c2st_all, against as many of all rows; w1 and tv,
//	            the mean over the columns of numbers and of levels, and correlation, the mean over the pairs of
//	            columns, all against all rows; efficacy, the accuracy (of numbers R²) on held-out rows of a forest
//	            that learnt from samples, efficacy_data, of one that learnt from the rows, and efficacy_loss, their
//	            difference; closest, the ratio of the distances of samples and of held-out rows to the closest of
//	            the rows, closest_error, how far it is from 1, nearer and copies, those of [eval.Closest];
//	            impossible, the share of values that no row could have; seconds, cpu_seconds and memory, in MB, of
//	            learning and drawing
//	imputation  of the holes in the rows to learn from, filled in: rmse of numbers in standard deviations, of the
//	            mean where a model draws, and wrong, the share of levels, of the most frequent; rmse_draw and
//	            wrong_draw, of one draw; impute_seconds, impute_cpu_seconds and impute_memory
//
// Each is measured as `flowmatch eval` does, by [eval.Tables].
func tabularMeasures() []measure {
	return []measure{
		{name: taskSamples, recorded: recorded{values: []string{
			"c2st", "c2st_all", "w1", "tv", "correlation", "efficacy", "efficacy_data", "efficacy_loss", "closest",
			"closest_error", "nearer", "copies", "impossible", "seconds", "cpu_seconds", "memory",
		}}},
		{name: taskImputation, recorded: recorded{values: []string{
			"rmse", "wrong", "rmse_draw", "wrong_draw", "impute_seconds", "impute_cpu_seconds", "impute_memory",
		}}},
	}
}

// Defaults returns t with every unset field filled in.
func (t Tabular) Defaults() Tabular {
	t.Model = cmp.Or(t.Model, modelOwn)
	t.Held, t.Holes, t.Fills = cmp.Or(t.Held, 0.2), cmp.Or(t.Holes, 0.2), cmp.Or(t.Fills, 5)
	t.Minutes, t.Gigabytes = cmp.Or(t.Minutes, 60), cmp.Or(t.Gigabytes, 16)
	return t
}

// Validate reports the first field that cannot be used, and what would be right. t is complete: see Defaults.
func (t Tabular) Validate() error {
	if t.File == "" {
		return errors.New("file is missing: the table to learn from")
	}
	var all []string
	for _, m := range tableModels() {
		all = append(all, m.name)
	}
	if err := choice.Check("model", t.Model, all); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"held", t.Held}, {"holes", t.Holes}} {
		if !(f.v > 0 && f.v < 1) {
			return fmt.Errorf("%s is %g; it must be between 0 and 1", f.name, f.v)
		}
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"fills", float64(t.Fills)}, {"minutes", t.Minutes}, {"gigabytes", t.Gigabytes}} {
		if !(f.v > 0) || math.IsInf(f.v, 0) {
			return fmt.Errorf("%s is %g; it must be positive", f.name, f.v)
		}
	}
	return nil
}

// checkTabular reports a cell of a grid of kind tables that cannot be.
func (c Cell) checkTabular() error {
	t := c.Tabular
	if t.Seed != c.Seed {
		return errSeed
	}
	if c.Peer != "" && len(TableModels(c.Peer)) == 0 {
		return fmt.Errorf("the peer %s has no models of tables; those that have are %s", c.Peer,
			choice.List(slices.DeleteFunc(peerNames(), func(p string) bool { return len(TableModels(p)) == 0 })))
	}
	if own := TableModels(c.Peer); !slices.Contains(own, t.Model) {
		of := "this program without a peer has"
		if c.Peer != "" {
			of = "the peer " + c.Peer + " has"
		}
		return fmt.Errorf("model is %s, and %s %s; set model, or peer", t.Model, of, choice.List(own))
	}
	if !slices.ContainsFunc(c.measures, t.does) {
		return fmt.Errorf("model %s does nothing of what is measured, %s", t.Model, strings.Join(c.measures, " and "))
	}
	if len(t.Options) > 0 && t.Model != modelOwn {
		return fmt.Errorf("options are settings of %s, and the model is %s; leave them out", modelOwn, t.Model)
	}
	layers := append([]settings.Layer{settings.Values("file", "data.path", t.File)}, settings.Settings(t.Options)...)
	if _, _, err := settings.Load[run.Config](layers...); err != nil {
		return fmt.Errorf("options: %w", err)
	}
	return nil
}
