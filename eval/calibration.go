package eval

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/calibration"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// Calibration says whether samples given a context are as wide as they should be, on average over
// held-out points: see package calibration.
type Calibration struct {
	Points  int `json:"points"`  // held out
	Samples int `json:"samples"` // drawn given what each of them is given
	// Ranks says of each coordinate whether the ranks of the held-out points among the samples are
	// uniform (SBC).
	Ranks []Ranked `json:"ranks"`
	// Coverage is that of balls about random reference points (TARP).
	Coverage calibration.Coverage `json:"coverage"`
	NFE      int                  `json:"nfe"` // of the samples
	// U are the ranks [Points, D], in [0, 1].
	U flow.Batch `json:"-"`
}

// Ranked is how uniform the ranks of a coordinate are.
type Ranked struct {
	Name string `json:"name"`
	calibration.Uniformity
}

// Held-out points and samples for each of them, of a test of calibration; and from how many points on
// it is made unasked.
const (
	calibrationPoints, calibrationSamples = 500, 100
	calibrationLeast                      = 20
)

// hasCalibration says whether the test is made unasked: of models of tables with contexts.
func (s Subject) hasCalibration() bool {
	return s.Model.Spec().ContextColumns != nil && s.Set.Test.Len() >= calibrationLeast &&
		s.Model.Dim() <= c2stDim
}

// Calibration tests up to n held-out points, 0 meaning up to 500, each beside 100 samples that are
// given what it is given. Of a model without contexts they are all of one law, which the ranks test
// as well. Images are an error.
func (s Subject) Calibration(ctx context.Context, n int) (*Calibration, error) {
	s, err := s.checked()
	if err != nil {
		return nil, err
	}
	if s.Model.Spec().Image() != nil {
		return nil, errors.New("eval: calibration is of points, and these are images")
	}
	if n == 0 {
		n = calibrationPoints
	}
	truth, given, err := s.TestPoints(n)
	if err != nil {
		return nil, err
	}
	sampler, err := s.Settings.Sampler()
	if err != nil {
		return nil, err
	}
	rows := make([]int, 0, truth.N*calibrationSamples)
	for i := range truth.N {
		for range calibrationSamples {
			rows = append(rows, i)
		}
	}
	drawn, err := s.draw(ctx, sampler, len(rows), given.Rows(rows))
	if err != nil {
		return nil, fmt.Errorf("samples: %w", err)
	}
	c := &Calibration{Points: truth.N, Samples: calibrationSamples, NFE: drawn.Stats.NFE}
	ranks, err := calibration.SBC(truth, drawn.X, seed.Rand(s.Seed, "eval/ranks", 0))
	if err != nil {
		return nil, err
	}
	c.U = ranks.U
	columns := s.Model.Spec().Columns
	for k := range truth.D {
		u, err := ranks.Uniformity(k, 0)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("c%d", k)
		if columns != nil {
			name = columns[k]
		}
		c.Ranks = append(c.Ranks, Ranked{name, u})
	}
	rng := seed.Rand(s.Seed, "eval/coverage", 0)
	c.Coverage, err = calibration.TARP(truth, drawn.X, calibration.References(truth, rng), rng)
	return c, err
}

// reportCalibration makes the test.
func (s Subject) reportCalibration(ctx context.Context, rep *Report) error {
	c, err := s.Calibration(ctx, 0)
	if err == nil {
		rep.Calibration = c
	}
	return err
}
