package coupling

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/assign"
	"flowmatch/internal/seed"
)

// Large matches take turns, small ones do not, and a workspace that was used before changes no match.
func TestLargeMatchesTakeTurns(t *testing.T) {
	const n, d, from = 300, 8, 200
	points := func(stream uint64, n int) (x, y flow.Batch) {
		x, y = flow.NewBatch(n, d), flow.NewBatch(n, d)
		rng := seed.Rand(stream, "test", 0)
		for i := range x.X {
			x.X[i], y.X[i] = rng.NormFloat64(), rng.NormFloat64()
		}
		return x, y
	}
	var of turns
	var at, most atomic.Int64
	var team sync.WaitGroup
	for k := range uint64(8) {
		team.Go(func() {
			x, y := points(k, n-10*int(k))
			want, got := make([]int, x.N), make([]int, x.N)
			if _, err := new(assign.Workspace).SolvePoints(want, x.X, y.X, d, assign.Squared); err != nil {
				t.Error(err)
			}
			err := of.workspace(x.N, from, func(w *assign.Workspace) error {
				most.Store(max(most.Load(), at.Add(1)))
				defer at.Add(-1)
				_, err := w.SolvePoints(got, x.X, y.X, d, assign.Squared)
				return err
			})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("match %d is another (%v)", k, err)
			}
		})
	}
	if team.Wait(); most.Load() != 1 {
		t.Errorf("%d large matches at once", most.Load())
	}
	// A small one needs no turn.
	of.mu.Lock()
	defer of.mu.Unlock()
	if err := of.workspace(from-1, from, func(*assign.Workspace) error { return nil }); err != nil {
		t.Error(err)
	}
}
