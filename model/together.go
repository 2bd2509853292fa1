package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"flowmatch/cluster"
	"flowmatch/flow"
	"flowmatch/internal/digest"
	"flowmatch/ode"
)

// Together returns the model with solves that ranks share: sampling, log-densities and velocities of many
// points. All ranks must make the same calls, and all get the results of one process: where points have
// steps that do not depend on each other, each rank solves its share of them, else some of
// the batches, which SampleOptions.Batch and LikelihoodOptions.Batch bound.
func (m *Model) Together(ranks *cluster.Comm) *Model {
	if m == nil {
		return nil
	}
	with := *m
	with.ranks = ranks
	with.digest = sync.OnceValues(func() (string, error) {
		weights, err := m.net.Weights()
		return digest.Of(weights), err
	})
	return &with
}

// sameCall reports a rank that has other weights than rank 0, or solves for other points: what they come to would
// be parts of one result.
func (m *Model) sameCall(x flow.Batch, given flow.Given) error {
	if m.ranks.Size() == 1 {
		return nil
	}
	weights, err := m.digest()
	points := digest.New()
	points.Text(fmt.Sprint(x.N, x.D))
	digest.Add(points, x.X)
	digest.Add(points, given.Label)
	digest.Add(points, given.Context.X)
	if err := m.ranks.Agree(err); err != nil {
		return err
	}
	for _, of := range []struct{ is, what string }{
		{weights, "has other weights than rank 0: all must open the same model"},
		{points.String(), "solves for other points than rank 0: all must make the same calls"},
	} {
		all, err := m.ranks.Gather([]byte(of.is))
		if err != nil {
			return err
		}
		for rank, is := range all {
			if string(is) != string(all[0]) {
				return fmt.Errorf("model: rank %d %s", rank, of.what)
			}
		}
	}
	return nil
}

// perRank returns the most of n points that are solved together where size is asked for: no more than a
// share of each rank, unless the points of a batch have their steps in common.
func (m *Model) perRank(size, n int, common bool) int {
	if m.ranks.Size() == 1 || common || size < 0 {
		return size
	}
	if size == 0 {
		size = max(1, batchNumbers/m.Dim())
	}
	return min(size, (n+m.ranks.Size()-1)/m.ranks.Size())
}

// common says whether the points of a batch have their steps in common.
func common(s ode.Solver) bool {
	a, ok := s.Control.(ode.Adaptive)
	return ok && !a.Each
}

// commonSteps is common of a sampler.
func commonSteps(s Sampler) bool {
	switch s := s.(type) {
	case ODE:
		return common(s.Solver)
	case Density:
		return common(s.Solver)
	case SDE, Average:
		return false
	}
	return true // a pointer to one
}

// sent is what a rank tells the others of a part that it solved.
type sent struct {
	Stats   ode.Stats
	Density bool
	Points  []int
	Errs    []string
}

// exchange gives all ranks the parts of the points x that each has solved, or the error of one.
func (m *Model) exchange(x flow.Batch, size int, parts []solved, failed error) error {
	if m.ranks.Size() == 1 {
		return failed
	}
	if err := m.ranks.Agree(failed); err != nil {
		return err
	}
	for k := range parts {
		from := k * size
		if err := parts[k].broadcast(m.ranks, x.Slice(from, min(from+size, x.N)), k%m.ranks.Size()); err != nil {
			return fmt.Errorf("model: points of other ranks: %w", err)
		}
	}
	return nil
}

// broadcast gives all ranks a part, of points x, that the rank from has solved.
func (s *solved) broadcast(ranks *cluster.Comm, x flow.Batch, from int) error {
	own := sent{Stats: s.stats, Density: s.logp != nil, Points: s.failed.Points}
	for _, err := range s.failed.Errs {
		own.Errs = append(own.Errs, err.Error())
	}
	text, err := json.Marshal(own)
	if err != nil {
		return err
	}
	if text, err = ranks.BroadcastBytes(text, from); err != nil {
		return err
	}
	var got sent
	if err := json.Unmarshal(text, &got); err != nil {
		return err
	}
	if ranks.Rank() != from {
		if s.stats = got.Stats; got.Density {
			s.logp = make([]float64, x.N)
		}
		s.failed.Points = got.Points
		for _, text := range got.Errs {
			s.failed.Errs = append(s.failed.Errs, errors.New(text))
		}
	}
	if err := cluster.Broadcast(ranks, x.X, from); err != nil {
		return err
	}
	return cluster.Broadcast(ranks, s.logp, from)
}
