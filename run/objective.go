package run

import (
	"context"

	"flowmatch/data"
	"flowmatch/field"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/train"
)

// buildObjective makes what the network is trained to do, and what judges it.
func (s *session) buildObjective(ctx context.Context, set *data.Set, resume bool) error {
	if s.cfg.Train.Objective == "ml" {
		return s.buildML(set)
	}
	cfm, err := s.cfm(set)
	if err != nil {
		return err
	}
	var ex *nn.Examples
	t := s.cfg.Train
	validate := cfm.Validation
	switch t.Objective {
	case "reflow", "distill":
		s.objective, ex, err = s.reflow(ctx, cfm, set, resume)
		validate = nil
	case "meanflow":
		o := train.MeanFlow{CFM: cfm, Intervals: t.Intervals}
		s.objective, validate = o, o.Validation
	case "shortcut":
		o := train.Shortcut{CFM: cfm, Intervals: t.Intervals}
		s.objective, validate = o, o.Validation
	case "fm":
		s.objective, err = exactObjective(cfm, set)
	default:
		s.objective = cfm
	}
	if err == nil && validate != nil {
		ex, err = validate(set.Val, t.Batch, s.cfg.Conditional)
	}
	if ex != nil {
		s.val = train.MeanLoss(ex)
	}
	return err
}

// buildML is maximum likelihood as the Config asks for it.
func (s *session) buildML(set *data.Set) error {
	c := s.cfg.Train.ML
	solver, err := Eval{Solver: c.Solver, Steps: c.Steps, RTol: c.RTol, ATol: c.ATol, MaxNFE: c.MaxNFE}.ODESolver()
	if err != nil {
		return err
	}
	ml := train.ML{
		Data: set.Train, Labels: s.cfg.Conditional, Solver: solver, Hutchinson: c.Hutchinson(set.Dim),
		Regularizer: likelihood.Regularizer{Kinetic: c.Kinetic, Jacobian: c.Jacobian}, BatchSize: c.BatchSize, Seed: s.cfg.Seed,
	}
	s.objective, s.val = ml, ml.Validation(set.Val, c.Val)
	return nil
}

// cfm is conditional flow matching as the Config asks for it.
func (s *session) cfm(set *data.Set) (train.CFM, error) {
	cfg := s.cfg
	scheduler, err := cfg.Path.New()
	if err != nil {
		return train.CFM{}, err
	}
	pairs, err := cfg.Coupling.New()
	if err != nil {
		return train.CFM{}, err
	}
	source, err := cfg.Source.New()
	if err != nil {
		return train.CFM{}, err
	}
	cfm := train.CFM{
		Source: source, Condition: s.condition,
		Data: set.Train, Scheduler: scheduler, Prediction: cfg.Train.Prediction, Times: cfg.Train.Times,
		Weighting: cfg.Train.Weighting, Labels: cfg.Conditional || cfg.Coupling.LabelAware, LabelDropout: cfg.Train.LabelDropout, Seed: cfg.Seed,
	}
	if cfg.Coupling.Name != "independent" {
		cfm.Coupling = pairs
	}
	return cfm, nil
}

// exactObjective is the FM objective over all training points.
func exactObjective(cfm train.CFM, set *data.Set) (train.Objective, error) {
	x1, _ := data.Rows(set.TrainSet, 0, set.TrainSet.Len(), seed.Rand(cfm.Seed, "run/fm", 0))
	marginal, err := field.NewMarginal(cfm.Scheduler, x1, nil)
	if err != nil {
		return nil, err
	}
	return train.FM{CFM: cfm, Marginal: marginal}, nil
}
