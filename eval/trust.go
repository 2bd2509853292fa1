package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/path"
)

// Check says whether a mean log-density is to be believed. It is not where it depends on
// the solver, or on where the times of the path are cut off beside a singularity, by more
// than Limit; or where a few points decide it.
type Check struct {
	Points int `json:"points"` // that were solved again
	// Difference is the mean of |log p - log p by a finer solve| over those points, in
	// nats, and CutDifference that of a solve which stops twice as far from where the
	// velocity is singular (nil: nowhere); see [model.LikelihoodCheck]. They are nil, too,
	// where a solve failed or came to no number: Why then says so.
	Difference    *float64 `json:"difference,omitempty"`
	CutDifference *float64 `json:"cut_difference,omitempty"`
	// DifferenceBPD and CutDifferenceBPD are the same in bits per dimension, where the
	// likelihood is given in those.
	DifferenceBPD    *float64 `json:"difference_bpd,omitempty"`
	CutDifferenceBPD *float64 `json:"cut_difference_bpd,omitempty"`
	// Limit is what the differences may be, in nats: the standard error of the mean, but at
	// least 0.02 nats, and at least 0.002 nats for each dimension.
	Limit float64 `json:"limit"`
	// Tail is by how many nats the one point in a hundred that is least likely raises the
	// mean of -log p above the median; of fewer than 100 points it is that of the least likely
	// one, nil of fewer than 4.
	Tail    *float64 `json:"tail,omitempty"`
	Trusted bool     `json:"trusted"`
	// Why says why the mean is not to be trusted, and Help what would help; both are empty
	// of one that is.
	Why  []string `json:"why"`
	Help []string `json:"help"`
}

const (
	// leastLimit is twice what a page of results rounds off, and leastLimitPerDim 0.003 bits
	// per dimension, of which papers print two decimals.
	leastLimit, leastLimitPerDim = 0.02, 0.002
	// tailPoints is the number of points of which one is 1 %, and tailShare the part of the
	// range of the middle half of the points that their largest 1 % may add to the mean: an
	// exponential distribution has 0.05 of it, a log-normal one with σ = 1 0.1, with σ = 2
	// 0.8.
	tailPoints, tailShare = 100, 0.25
	// Of leastTail to 100 points one is more than 1 %, and may add fewShare of that range:
	// the largest of 4 draws of an exponential distribution adds 0.3 of it.
	leastTail, fewShare = 4, 1
	// normalRange is the range of the middle half of a normal distribution, in its
	// standard deviations.
	normalRange = 1.349
)

// spread is what half of the points say of a distribution, whatever the tails are.
type spread struct{ median, half, tail float64 }

// spreadOf returns that of v; half is the range of its middle half, and tail what its
// largest 1 %, or the largest one, add to the mean beside the median.
func spreadOf(v []float64) (s spread) {
	v, n := slices.Clone(v), len(v)
	slices.Sort(v)
	s.median, s.half = v[n/2], v[n*3/4]-v[n/4]
	for _, x := range v[n-max(1, n/tailPoints):] {
		s.tail += (x - s.median) / float64(n)
	}
	return s
}

// trust checks the likelihood l of points x in data units, whose log-densities logp were
// evaluated with options o; scored are those of the points that have one. The error is that of
// ctx: a check that fails is one that cannot be trusted.
func (s Subject) trust(ctx context.Context, x flow.Batch, logp, scored []float64, o model.LikelihoodOptions,
	l *Likelihood) (*Check, error) {
	o.Progress = s.watch("log-densities solved again", x.N)
	m, err := s.Model.CheckLogProb(ctx, x, logp, o)
	if ctx.Err() != nil {
		return nil, err
	}
	nll := make([]float64, len(scored))
	for i, v := range scored {
		nll[i] = -v
	}
	return s.verdict(l, spreadOf(nll), m, err), nil
}

// verdict judges a likelihood by its points and by how a check m of it ended.
func (s Subject) verdict(l *Likelihood, of spread, m model.LikelihoodCheck, err error) *Check {
	// The standard error that the middle half suggests, where it is less: a heavy tail
	// must not excuse what the solver does.
	stdErr := min(l.StdErr, of.half/normalRange/math.Sqrt(float64(l.Points)))
	dim := s.Model.Dim()
	limit := max(leastLimit, leastLimitPerDim*float64(dim), stdErr)
	c := &Check{Points: m.Points, Limit: limit, Why: []string{}, Help: []string{}}
	if err != nil {
		c.doubt(s.finer(), "it could not be solved for again: %v", err)
	}
	if l.Points == 1 {
		c.doubt("hold out more points", "it is of one point, which has no standard error")
	}
	c.solved(m, s)
	c.tailed(of, l.Points, s)
	if l.BPD != nil {
		c.DifferenceBPD, c.CutDifferenceBPD = inBits(c.Difference, dim), inBits(c.CutDifference, dim)
	}
	c.Trusted = len(c.Why) == 0
	return c
}

// doubt adds a reason and what would help.
func (c *Check) doubt(help, format string, args ...any) {
	c.Why = append(c.Why, fmt.Sprintf(format, args...))
	if !slices.Contains(c.Help, help) {
		c.Help = append(c.Help, help)
	}
}

// solved records the differences that a check came to. What the solver gets wrong changes
// with the times as well, so that only a larger difference says something of these.
func (c *Check) solved(m model.LikelihoodCheck, s Subject) {
	solver := 0.0
	if d := m.Difference; d != nil {
		if c.Difference = finite(d); !(*d <= c.Limit) {
			solver = *d
			c.doubt(s.finer(), "a finer solve changes it by %.2g nats a point (limit %.2g)", *d, c.Limit)
		}
	}
	if d := m.CutDifference; d != nil {
		if c.CutDifference = finite(d); !(*d <= max(c.Limit, solver)) {
			c.doubt(s.remedy("train for longer, or on a path whose velocity is finite at both ends, as condot"),
				"it depends on where the times are cut: t from %.6g to %.6g, not %.6g to %.6g, changes it by "+
					"%.2g nats a point (limit %.2g)", m.InnerLo, m.InnerHi, m.Lo, m.Hi, *d, c.Limit)
		}
	}
}

// tailed records the tail of n points.
func (c *Check) tailed(of spread, n int, s Subject) {
	if n < leastTail {
		return
	}
	c.Tail = &of.tail
	share, which := tailShare, "a few points decide it: the least likely 1 % add"
	if n < tailPoints {
		share, which = fewShare, "one point decides it: the least likely adds"
	}
	if of.tail > max(share*of.half, c.Limit) {
		c.doubt(s.remedy("look at the log-densities of the points, and compare medians"),
			"%s %.2g nats to the mean, while the middle half lies within %.2g nats (median %.4g)", which,
			of.tail, of.half, of.median)
	}
}

// finer says how to solve more finely.
func (s Subject) finer() string {
	if s.Settings.ode().WithoutTolerance() != "" {
		return "take more steps, or a method with step control"
	}
	return "ask for finer tolerances (rtol, atol)"
}

// remedy says what would help against a velocity that is singular; otherwise is for models
// that have none of a prediction.
func (s Subject) remedy(otherwise string) string {
	spec := s.Model.Spec()
	if spec.Precondition != nil || spec.Prediction == path.Velocity {
		return otherwise
	}
	return "train with precondition: true, or with prediction velocity"
}

// finite returns v, or nil if it is no number that a report can hold.
func finite(v *float64) *float64 {
	if math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}

// inBits turns nats into bits per dimension.
func inBits(nats *float64, dim int) *float64 {
	if nats == nil {
		return nil
	}
	bits := *nats / float64(dim) / math.Ln2
	return &bits
}
