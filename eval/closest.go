package eval

import (
	"context"
	"fmt"
	"slices"

	"flowmatch/metrics"
)

// Closest says how near samples of a table are to the rows that the model was trained on, beside held-out rows:
// a model that copies is nearer. Distances are those of [metrics.Closest].
type Closest struct {
	Training int `json:"training"` // rows that the closest is sought in
	HeldOut  int `json:"held_out"`
	Samples  int `json:"samples"`
	// Median and HeldOutMedian are those of the distances of samples and of held-out rows.
	Median        float64 `json:"median"`
	HeldOutMedian float64 `json:"held_out_median"`
	// Ratio is that of both; nil: the latter is 0.
	Ratio *float64 `json:"ratio,omitempty"`
	// Nearer is the probability that a sample is nearer to a row that was trained on than a held-out row is,
	// with its standard error. 0.5: samples are as near as new rows; 1: all are copies or almost.
	Nearer       float64 `json:"nearer"`
	NearerStdErr float64 `json:"nearer_std_err"`
	// Copies and HeldOutCopies are how many samples and held-out rows are a row that was trained on.
	Copies        int      `json:"copies"`
	HeldOutCopies int      `json:"held_out_copies"`
	Doubts        []string `json:"doubts,omitempty"`
}

// copied is the distance of a copy: numbers are rounded where they were transformed, and back.
const copied = 1e-9

// Closest compares up to Settings.Samples samples with as many held-out rows.
func (s Subject) Closest(ctx context.Context) (*Closest, error) {
	s, t, err := s.comparing(ctx, true)
	if err != nil {
		return nil, err
	}
	if t.training.X.N == 0 {
		return nil, fmt.Errorf("eval: %s has no rows to train on that could be copied: each batch is drawn afresh",
			s.Set.Name)
	}
	c, err := Tables{Samples: t.fresh, Training: t.training, Held: t.held}.Closest(ctx)
	if err != nil {
		return nil, err
	}
	if all := s.Set.TrainSet.Len(); c.Training < all {
		c.Doubts = append(c.Doubts, fmt.Sprintf(
			"the closest is sought in %d of %d rows, so that copies of others are not counted", c.Training, all))
	}
	return c, nil
}

// Closest compares samples with held-out rows by the closest of the rows trained on.
func (t Tables) Closest(ctx context.Context) (*Closest, error) {
	samples, err := metrics.Closest(ctx, t.Training.table(), t.Samples.table())
	if err != nil {
		return nil, err
	}
	held, err := metrics.Closest(ctx, t.Training.table(), t.Held.table())
	if err != nil {
		return nil, err
	}
	c := &Closest{Training: t.Training.X.N, HeldOut: len(held), Samples: len(samples), Median: median(samples),
		HeldOutMedian: median(held), Copies: copies(samples), HeldOutCopies: copies(held),
		Doubts: few(len(held), "held-out rows")}
	if c.HeldOutMedian > copied {
		ratio := c.Median / c.HeldOutMedian
		c.Ratio = &ratio
	}
	c.Nearer, c.NearerStdErr = metrics.Nearer(samples, held)
	if 2*c.HeldOutCopies > c.HeldOut {
		c.Doubts = append(c.Doubts,
			"most held-out rows are rows that were trained on, too: so few rows are different that copies say little")
	}
	return c, nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// copies returns how many distances are those of copies.
func copies(distances []float64) (n int) {
	for _, d := range distances {
		if d < copied {
			n++
		}
	}
	return n
}

// reportClosest measures it.
func (s Subject) reportClosest(ctx context.Context, rep *Report) (err error) {
	rep.Closest, err = s.Closest(ctx)
	return err
}
