// Package assign solves the linear assignment problem exactly: given the cost
// c_ij of pairing row i with column j, find the permutation of least total cost
//
//	min over π of Σ_i c_{i,π(i)}
//
// which is discrete optimal transport between two sets of n points of equal
// weight (a linear program whose vertices are permutations: Birkhoff).
//
// There are only a few types: [Workspace] is a solver and the memory it reuses;
// [Power] says which power of the distance is the cost between points. [Solve]
// is a Workspace used once.
//
// The method: an auction with ε-scaling comes close, and shortest augmenting paths
// finish exactly. On large problems both look at a few edges of each row and
// return to the full matrix only when these no longer suffice, so that most of the
// n² costs are read a handful of times. The answer comes with a proof of
// optimality, see Workspace.duals.
//
// # Caveats
//
// A Workspace must not be used by two goroutines at once. Optimality is up to the rounding
// of float64 relative to what a usual pair costs: add no large constant to the costs. Among
// equally good permutations one is chosen, always the same one for the same input, whatever
// GOMAXPROCS is.
package assign

import (
	"fmt"
	"math"
)

// denseMax is the largest n of a matrix that is looked at as a whole; above it the core is
// faster.
const denseMax = 384

// Workspace solves assignment problems one after the other and reuses its memory
// between them. The zero value is ready. Not safe for concurrent use.
type Workspace struct {
	n    int
	x    []int     // x[i] = column of row i, -1 while free
	y    []int     // y[j] = row of column j, -1 while free
	u, v []float64 // dual prices of rows and columns

	free []int     // rows without a column
	dist []float64 // shortest path distance to each column
	pred []int     // row before each column on that path
	cols []int     // columns by state of the search (dense), columns scanned (core)

	cost []float64 // matrix of SolvePoints and of the coarse problem
	core core
	next *Workspace // solves the coarse problem
}

// Solve fills perm with the permutation that minimises Σ_i cost[i*n+perm[i]]
// and returns that sum. cost is row-major, length n², and is not modified;
// len(perm) == n. Negative costs are welcome; a NaN or an infinity is an error
// that names its row and column. n = 0 is valid and costs 0.
func Solve(perm []int, cost []float64, n int) (total float64, err error) {
	return new(Workspace).Solve(perm, cost, n)
}

// Solve is like the function [Solve] and reuses the memory of w.
func (w *Workspace) Solve(perm []int, cost []float64, n int) (total float64, err error) {
	if len(perm) != n || len(cost) != n*n {
		panic(fmt.Sprintf("assign: n = %d needs len(perm) = %d and len(cost) = %d, got %d and %d", n, n, n*n,
			len(perm), len(cost)))
	}
	scale, err := largest(cost, n)
	if err != nil {
		return 0, err
	}
	w.solveMatrix(cost, n, scale)
	if w.needsRefinement(cost, n, scale) {
		w.cost = grow(w.cost, n*n)
		w.refine(w.cost, cost, n)
	}
	copy(perm, w.x)
	for i, j := range perm {
		total += cost[i*n+j]
	}
	return total, nil
}

// solveMatrix solves the problem of a cost matrix with entries of size scale at most.
func (w *Workspace) solveMatrix(cost []float64, n int, scale float64) {
	if n <= denseMax {
		w.solveDense(cost, n, scale)
		return
	}
	w.solveWithCore(cost, n, scale)
}

// solveWithCore is solveMatrix for large n, more than rowEdges at least.
func (w *Workspace) solveWithCore(cost []float64, n int, scale float64) {
	w.reset(n)
	all := &matrix{n, cost, w.v}
	w.coarsePrices(all)
	w.solveCore(all, scale, firstEps, nil)
}

// duals returns the dual prices u, v of the last problem solved, each of length n:
//
//	u_i + v_j <= c_ij for all i, j, with equality where j = perm[i]
//
// (up to rounding). By weak duality Σu + Σv is a lower bound of every
// assignment's cost, and here it is attained: the prices prove the optimum.
// The slices belong to w and hold until its next use.
func (w *Workspace) duals() (u, v []float64) { return w.u[:w.n], w.v[:w.n] }

// reset makes room for n rows and columns, all of them free, all prices zero.
func (w *Workspace) reset(n int) {
	w.n = n
	w.x, w.y, w.pred, w.cols = grow(w.x, n), grow(w.y, n), grow(w.pred, n), grow(w.cols, n)
	w.u, w.v, w.dist = grow(w.u, n), grow(w.v, n), grow(w.dist, n)
	w.free = grow(w.free, n)[:0]
	for i := range n {
		w.x[i], w.y[i] = -1, -1
		w.u[i], w.v[i] = 0, 0
	}
}

// grow returns a slice of length n, reusing s where it is large enough.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// largest returns max |c_ij|, or an error for the first entry that is not finite.
func largest(cost []float64, n int) (float64, error) {
	rowMax := make([]float64, n)
	Parallel(n, 1+65536/max(n, 1), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			m := 0.0
			for _, c := range cost[i*n : (i+1)*n] {
				a := math.Abs(c)
				if !(a <= math.MaxFloat64) { // infinite or NaN
					m = math.Inf(1)
					break
				}
				m = max(m, a)
			}
			rowMax[i] = m
		}
	})
	scale := 0.0
	for i, m := range rowMax {
		if math.IsInf(m, 1) {
			return 0, notFinite(cost[i*n:(i+1)*n], i)
		}
		scale = max(scale, m)
	}
	return scale, nil
}

func notFinite(row []float64, i int) error {
	for j, c := range row {
		if math.IsNaN(c) || math.IsInf(c, 0) {
			return fmt.Errorf("assign: cost of row %d, column %d is %v: every cost must be finite", i, j, c)
		}
	}
	return nil
}
