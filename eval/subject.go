package eval

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/model"
)

// Subject is what is evaluated: a model, and data to compare it with. Model must be set,
// and Set for all that compares with data; the zero value of the rest is usable.
type Subject struct {
	Model *model.Model
	// Set is the data. Of it Test is read, the points held out; TrainSet by distances over
	// features; Standardizer and Density where they are known.
	Set      *data.Set
	Settings Settings
	Seed     uint64 // of samples, of the noise of dequantisation, and of all else that is drawn
	// PartSeed is the seed by which points are chosen where fewer are measured than are held
	// out; nil: Seed. Models that share it are measured on the same points.
	PartSeed *uint64
	Name     string // of the model, as reports give it
	Step     int    // optimizer steps behind the model, likewise
	// Target is the column that [Subject.Efficacy] predicts from the others; empty: the class or, without one,
	// the last column.
	Target string
	// EulerSteps, of a distilled student, is the number of Euler steps that it was made
	// for, along which its paths are then measured; 0: 100 steps.
	EulerSteps int
	// Cache is the folder that statistics of features are kept in; empty: they are not.
	Cache string
	// Watch, if not nil, is called when a long solve begins, with what it makes
	// ("log-densities") and of how many points, and returns what its progress is reported
	// to.
	Watch func(what string, points int) model.Progress

	// Budget says how long some parts may take, and so how many points are measured; the zero value: any time.
	Budget Budget

	clock func() time.Time // for tests; nil: that of the machine
	drawn *tables          // what the parts of a report share; nil: each draws its own
}

// ErrNoPoints is returned when held-out points are needed and the subject has none.
var ErrNoPoints = errors.New("eval: no points are held out")

// watch calls Watch where it is set.
func (s Subject) watch(what string, points int) model.Progress {
	if s.Watch == nil {
		return nil
	}
	return s.Watch(what, points)
}

// checked returns the subject with its settings filled in, or what is wrong with it.
func (s Subject) checked() (Subject, error) {
	if s.Model == nil {
		return s, errors.New("eval: Subject.Model is nil; set it to the model to evaluate")
	}
	s.Settings = s.Settings.Defaults()
	if err := s.Settings.Validate(); err != nil {
		return s, err
	}
	if err := s.checkSet(); err != nil {
		return s, err
	}
	c := s.Model.Conditioner()
	if c == nil || s.Set == nil || s.Set.Test == nil || s.Set.Test.Context() > 0 {
		return s, nil
	}
	var err error // the set has images alone
	s.Set, err = s.Set.WithContext(c, s.Seed)
	return s, err
}

// warnings returns what is to be known of the data beside the figures.
func (s Subject) warnings() []string {
	was := s.Model.Spec().Fingerprint
	if s.Set == nil || was == "" || s.Set.Fingerprint == "" || was == s.Set.Fingerprint {
		return nil
	}
	return []string{"the data are not those that the model was trained on: held-out points may have been trained on"}
}

// checkSet reports data that the model is not of.
func (s Subject) checkSet() error {
	if s.Set == nil {
		return nil
	}
	dim := s.Model.Dim()
	if s.Set.Dim != 0 && s.Set.Dim != dim {
		return fmt.Errorf("eval: %s is of dimension %d, and the model of dimension %d", s.Set.Name, s.Set.Dim, dim)
	}
	spec := s.Model.Spec()
	if c := s.Set.Columns; c != nil && spec.Columns != nil && !slices.Equal(c, spec.Columns) {
		return fmt.Errorf("eval: the columns of %s are %s, and those of the model %s", s.Set.Name, choice.List(c),
			choice.List(spec.Columns))
	}
	if err := s.checkClasses(spec); err != nil {
		return err
	}
	for _, part := range []data.Finite{s.Set.Test, s.Set.TrainSet} {
		if part != nil && part.Len() > 0 && part.Dim() != dim {
			return fmt.Errorf("eval: the points of %s are of dimension %d, and the model is of dimension %d",
				s.Set.Name, part.Dim(), dim)
		}
	}
	if std := s.Set.Standardizer; std != nil {
		if err := std.Validate(); err != nil {
			return fmt.Errorf("eval: %w", err)
		}
		if n := len(std.Mean); n != 1 && n != dim {
			return fmt.Errorf("eval: the standardizer of %s is of %d coordinates, and the model of dimension %d",
				s.Set.Name, n, dim)
		}
	}
	return nil
}

// checkClasses reports classes of the data that are not those of a model that takes labels.
// Names that are no numbers have nothing to be compared with where the model has none.
func (s Subject) checkClasses(spec model.Spec) error {
	c, model := s.Set.ClassNames, data.NameClasses(spec.ClassNames, spec.Net.Classes)
	_, numbers := data.ClassNumbers(c)
	if c == nil || spec.Net.Classes == 0 || slices.Equal(c, model) || spec.ClassNames == nil && !numbers {
		return nil
	}
	return fmt.Errorf("eval: the classes of %s are %s, and those of the model %s; bring them to those of the model by "+
		"Set.WithClasses", s.Set.Name, choice.List(c), choice.List(model))
}

// held returns the points held out, or [ErrNoPoints].
func (s Subject) held() (data.Finite, error) {
	switch {
	case s.Set == nil:
		return nil, fmt.Errorf("%w: the subject has no data", ErrNoPoints)
	case s.Set.Test == nil || s.Set.Test.Len() == 0:
		return nil, fmt.Errorf("%w of %s", ErrNoPoints, s.Set.Name)
	}
	return s.Set.Test, nil
}

// TestPoints returns up to n held-out points [N, D] in data units, 0 meaning all of them,
// drawn at random with the PartSeed, in an order that is random, too, and what the model takes
// of what they are given: labels where it has classes, contexts where it has those. Images
// have their first sample of dequantisation noise. Contexts come with the points or, where
// these have none, are made of them by the model's Conditioner. The error is [ErrNoPoints] where there are none.
func (s Subject) TestPoints(n int) (x flow.Batch, given flow.Given, err error) {
	if s, err = s.checked(); err != nil {
		return x, given, err
	}
	test, err := s.held()
	if err != nil {
		return x, given, err
	}
	if n < 0 {
		return x, given, fmt.Errorf("eval: %d held-out points asked for; it must be at least 1, or 0 for all", n)
	}
	if all := test.Len(); n == 0 || n > all {
		n = all
	}
	return s.dequantized(n, 0)
}

// dequantized returns n test images, the same for all k, with the k-th sample of noise.
func (s Subject) dequantized(n int, k uint64) (flow.Batch, flow.Given, error) {
	x, given, err := s.rows(s.Set.Test, n, "run/test", k)
	if err != nil {
		return x, given, err
	}
	given, err = s.taken(x, given)
	return x, given, err
}

// rows returns up to n points of a part of the data, drawn at random, in data units, with
// all that they are given; what is drawn to make them has the purpose and index given.
func (s Subject) rows(part data.Finite, n int, purpose string, index uint64) (flow.Batch, flow.Given, error) {
	chosen := s.Seed
	if s.PartSeed != nil {
		chosen = *s.PartSeed
	}
	x, given, err := data.RandomRows(part, n, chosen, "eval/part", seed.Rand(s.Seed, purpose, index))
	if err != nil {
		return x, given, fmt.Errorf("eval: points of %s: %w", s.Set.Name, err)
	}
	s.Set.Original(x)
	return x, given, nil
}

// taken returns what the model takes of what points x in data units are given.
func (s Subject) taken(x flow.Batch, given flow.Given) (flow.Given, error) {
	cfg := s.Model.Net().Config()
	if cfg.Classes == 0 {
		given.Label = nil
	}
	if cfg.Context == 0 {
		given.Context = flow.Batch{}
	}
	if err := cfg.CheckGiven(given, x.N); err != nil {
		return given, fmt.Errorf("eval: what the points of %s are given: %w", s.Set.Name, err)
	}
	return given, nil
}

// DataLogProb returns log p of points x [N, D] under the data's own density, in nats and
// data units; nil where it is not known. That is the density of all classes together, and
// so nothing to compare a model with that is conditioned on something: nil for one.
func (s Subject) DataLogProb(x flow.Batch) ([]float64, error) {
	s, err := s.checked()
	if err == nil && x.D != s.Model.Dim() {
		err = fmt.Errorf("eval: points of dimension %d given to a model of dimension %d", x.D, s.Model.Dim())
	}
	if err != nil {
		return nil, err
	}
	cfg := s.Model.Net().Config()
	if s.Set == nil || s.Set.Density == nil || cfg.Classes > 0 || cfg.Context > 0 {
		return nil, nil
	}
	z, logp := x.Clone(), make([]float64, x.N)
	shift := 0.0
	if std := s.Set.Standardizer; std != nil {
		std.Apply(z)
		shift = std.LogDet(x.D)
	}
	s.Set.Density.LogProb(logp, z)
	for i := range logp {
		logp[i] -= shift
	}
	return logp, nil
}
