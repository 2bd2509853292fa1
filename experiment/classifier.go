package experiment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"flowmatch/classify"
	"flowmatch/data"
	"flowmatch/internal/digest"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// Classifier is the classifier of a grid of images, whose features samples are compared by.
// It is trained once for each task, before the first measure that needs it, on the training
// images and with the first seed of the grid.
type Classifier struct {
	Steps int `yaml:"steps"` // default 2000
	Batch int `yaml:"batch"` // images a step; default 64
}

// Defaults returns c with every unset field filled in.
func (c Classifier) Defaults() Classifier {
	c.Steps, c.Batch = cmp.Or(c.Steps, 2000), cmp.Or(c.Batch, 64)
	return c
}

// Files in the folder of a task: its classifier, and what that is made from.
const (
	classifierFile     = "classifier.safetensors"
	classifierPlanFile = "classifier.json"
)

// classifier reports what is wrong with the classifier of a grid.
func (f *faults) classifier(g Grid) {
	names := slices.Concat(g.Measure, g.MeasureFirst)
	if g.Search != nil {
		names = append(names, g.Search.Measure...)
	}
	needed := slices.ContainsFunc(names, ofFeatures)
	switch c := g.Classifier; {
	case c == nil && needed:
		f.add("measures of features need a classifier: add the section, {} for the usual one")
	case c != nil && !needed:
		f.add("classifier: nothing that is measured needs it; leave it out")
	case c != nil && (c.Steps < 1 || c.Batch < 1):
		f.add("classifier: steps is %d and batch %d; both must be at least 1", c.Steps, c.Batch)
	}
}

// ofFeatures says whether a measure needs the classifier.
func ofFeatures(name string) bool {
	m, err := measureByName(name)
	return err == nil && m.needs.features
}

func (c Cell) needsClassifier() bool { return slices.ContainsFunc(c.measures, ofFeatures) }

// check reports cells whose images a classifier of the task cannot judge.
func (k *Classifier) check(g Grid, c Cell) error {
	d := c.Config.Data
	switch {
	case !c.needsClassifier():
		return nil
	case !d.Images():
		return errors.New("measures of features are for images, and the data are none")
	case len(g.Seeds) > 1 && d.SplitSeed == nil && d.TestPath == "":
		return errors.New("each seed holds out other images, and the classifier would be trained on some of them; " +
			"set data.split_seed")
	}
	return nil
}

// of returns the classifier for a cell, trained or read from the folder of its task.
func (k *Classifier) of(ctx context.Context, g Grid, c Cell, o RunOptions) (*nn.Classifier, error) {
	eng, err := nn.Open(c.Config.Backend)
	if err != nil {
		return nil, err
	}
	set, err := c.Config.Data.Open("", g.Seeds[0])
	if err != nil {
		return nil, err
	}
	plan, err := k.plan(g, c, set)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(c.shared, classifierFile)
	var made struct{ Plan string }
	if ok, err := readJSON(filepath.Join(c.shared, classifierPlanFile), &made); err != nil {
		return nil, err
	} else if ok && made.Plan != plan {
		return nil, fmt.Errorf("%w: the classifier of %s; remove its files and the runs beside it, or run into "+
			"another folder", ErrStale, c.shared)
	} else if ok {
		return model.LoadClassifier(file, eng)
	}
	if o.Classifier != nil {
		o.Classifier(c.Task, k.Steps)
	}
	cfg := classify.Config{Loop: train.Loop{Steps: k.Steps, Batch: k.Batch}, Seed: g.Seeds[0]}
	made.Plan = plan
	by, err := classify.Train(ctx, eng, set, cfg, train.Hooks{Step: o.Step})
	if err != nil {
		return nil, err
	}
	if err := model.SaveClassifier(file, by); err != nil {
		return nil, err
	}
	return by, writeJSON(filepath.Join(c.shared, classifierPlanFile), made)
}

// plan is a fingerprint of what a classifier is made from.
func (k *Classifier) plan(g Grid, c Cell, set *data.Set) (string, error) {
	text, err := json.Marshal(struct {
		Classifier Classifier
		Seed       uint64
		Data       string
		Split      *uint64
		Held       [2]int
	}{*k, g.Seeds[0], set.Fingerprint, c.Config.Data.SplitSeed, [2]int{set.Val.Len(), set.Test.Len()}})
	if err != nil {
		return "", fmt.Errorf("experiment: %w", err)
	}
	return digest.Short(string(text), 8), nil
}
