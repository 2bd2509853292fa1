package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
)

// Budget is how long parts of a report may take: as many points are measured as fit it. The zero value is no limit.
type Budget struct {
	// Likelihood is for that of held-out points, where Settings.Test is 0. Samples is for drawing samples and for
	// their paths: of Settings.Samples, the most, fewer are drawn.
	Likelihood, Samples time.Duration
	// Agree, of several processes that solve together, returns the value of the first of them; nil: there is one.
	Agree func(v float64) (float64, error)
}

// Chosen says that as many points were measured as fit a [Budget]. Asking for as many by By gives the same figures
// on any machine.
type Chosen struct {
	Of      int     `json:"of"`      // points that there are
	Seconds float64 `json:"seconds"` // of the budget
	By      string  `json:"by"`      // the setting: "test", "samples" or "points"
}

// Points are measured for the time that they take: a few first, and more until they take long enough to tell.
const (
	firstTimed, timedTimes = 2, 4
	timedEnough            = time.Second
)

// affordable returns how many of all points fit into a time, of which cost measures some; all, where they surely do.
// It is at least 2, and of two digits. What it tries costs up to a second or the time of two points, if that is more.
func (s Subject) affordable(all int, within time.Duration, cost func(n int) error) (int, error) {
	clock := s.clock
	if clock == nil {
		clock = time.Now
	}
	for n := firstTimed; n < all; n *= timedTimes {
		start := clock()
		if err := cost(n); err != nil {
			return 0, err
		}
		spent := clock().Sub(start).Seconds()
		if s.Budget.Agree != nil {
			var err error
			if spent, err = s.Budget.Agree(spent); err != nil {
				return 0, err
			}
		}
		fits := within.Seconds() / spent * float64(n)
		switch {
		case fits >= 2*float64(all): // for small batches take longer for each point
			return all, nil
		case spent >= timedEnough.Seconds():
			return min(all, max(firstTimed, twoDigits(fits))), nil
		}
	}
	return all, nil
}

// twoDigits returns the largest number of two digits and zeros that is at most v, which is below 10^15.
func twoDigits(v float64) int {
	unit := 1.0
	for v/unit >= 100 {
		unit *= 10
	}
	return int(unit * math.Floor(v/unit))
}

// Afford chooses how many of the points x [N, D] in data units, with what they are given, have their likelihood
// evaluated within Budget.Likelihood, and draws them at random by the seed. All: x itself, and nil. by is the setting
// that asks for a number. index are the chosen ones.
func (s Subject) Afford(ctx context.Context, x flow.Batch, given flow.Given, by string) (index []int, c *Chosen,
	err error) {
	if s, err = s.checked(); err != nil || s.Budget.Likelihood == 0 {
		return nil, nil, err
	}
	n, err := s.affordable(x.N, s.Budget.Likelihood, func(n int) error {
		some := s.Some(x.N, n)
		return s.tried(ctx, x.Rows(some), given.Rows(some))
	})
	if err != nil || n >= x.N {
		return nil, nil, err
	}
	return s.Some(x.N, n), &Chosen{x.N, s.Budget.Likelihood.Seconds(), by}, nil
}

// Some returns n of the numbers below of, drawn at random by the seed; of fewer that are drawn of as many, these come
// first.
func (s Subject) Some(of, n int) []int { return seed.Rand(s.Seed, "eval/some", 0).Perm(of)[:n] }

// tried evaluates log-densities for the time that they take: what fails will fail again.
func (s Subject) tried(ctx context.Context, x flow.Batch, given flow.Given) error {
	_, _, _, err := s.logProb(ctx, x, given, nil)
	if some := (*ode.PointsError)(nil); errors.As(err, &some) {
		return nil
	}
	return err
}

// testPoints returns how many held-out points have their likelihood evaluated; 0: all.
func (s Subject) testPoints(ctx context.Context) (n int, c *Chosen, err error) {
	if s.Settings.Test > 0 || s.Budget.Likelihood == 0 {
		return s.Settings.Test, nil, nil
	}
	held, err := s.held()
	if err != nil {
		return 0, nil, err
	}
	k := time.Duration(max(1, s.Settings.Dequantizations))
	n, err = s.affordable(held.Len(), s.Budget.Likelihood/k, func(n int) error {
		x, given, err := s.TestPoints(n)
		if err != nil {
			return err
		}
		return s.tried(ctx, x, given)
	})
	if err != nil || n >= held.Len() {
		return 0, nil, err
	}
	return n, &Chosen{held.Len(), s.Budget.Likelihood.Seconds(), "test"}, nil
}

// samples returns how many samples are drawn.
func (s Subject) samples(ctx context.Context) (n int, c *Chosen, err error) {
	most := s.Settings.Samples
	held, err := s.held()
	if err != nil || s.Budget.Samples == 0 {
		return most, nil, err
	}
	sampler, err := s.Settings.Sampler()
	if err != nil {
		return 0, nil, err
	}
	if most = min(most, held.Len()); most < firstTimed {
		return most, nil, nil
	}
	quiet := s
	quiet.Watch = nil
	n, err = s.affordable(most, s.Budget.Samples, func(n int) error {
		test, given, err := s.TestPoints(n)
		if err != nil {
			return err
		}
		drawn, err := quiet.draw(ctx, sampler, n, given)
		if err == nil && s.Model.Manifold() == nil {
			_, err = s.paths(ctx, drawn.X0, test, given)
		}
		if ctx.Err() == nil && err != nil {
			return fmt.Errorf("%d samples, to see how long they take: %w", n, err)
		}
		return err
	})
	if err != nil || n >= most {
		return s.Settings.Samples, nil, err
	}
	return n, &Chosen{most, s.Budget.Samples.Seconds(), "samples"}, nil
}
