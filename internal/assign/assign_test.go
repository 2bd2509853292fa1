package assign

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// bruteForce tries all permutations.
func bruteForce(cost []float64, n int) float64 {
	used := make([]bool, n)
	var try func(i int) float64
	try = func(i int) float64 {
		if i == n {
			return 0
		}
		best := math.Inf(1)
		for j := range n {
			if !used[j] {
				used[j] = true
				best = min(best, cost[i*n+j]+try(i+1))
				used[j] = false
			}
		}
		return best
	}
	return try(0)
}

// hungarian is the textbook O(n³) method with potentials, written plainly: an
// implementation that shares nothing with the one under test.
func hungarian(cost []float64, n int) float64 {
	u, v := make([]float64, n+1), make([]float64, n+1)
	match, way := make([]int, n+1), make([]int, n+1) // columns from 1; column 0 is the root
	for i := 1; i <= n; i++ {
		match[0] = i
		j0 := 0
		least, used := make([]float64, n+1), make([]bool, n+1)
		for j := range least {
			least[j] = math.Inf(1)
		}
		for match[j0] != 0 {
			used[j0] = true
			i0, delta, j1 := match[j0], math.Inf(1), 0
			for j := 1; j <= n; j++ {
				if used[j] {
					continue
				}
				if h := cost[(i0-1)*n+j-1] - u[i0] - v[j]; h < least[j] {
					least[j], way[j] = h, j0
				}
				if least[j] < delta {
					delta, j1 = least[j], j
				}
			}
			for j := range used {
				if used[j] {
					u[match[j]] += delta
					v[j] -= delta
				} else {
					least[j] -= delta
				}
			}
			j0 = j1
		}
		for j0 != 0 {
			j1 := way[j0]
			match[j0] = match[j1]
			j0 = j1
		}
	}
	total := 0.0
	for j := 1; j <= n; j++ {
		total += cost[(match[j]-1)*n+j-1]
	}
	return total
}

// certify proves that perm is optimal: it is a permutation, the prices are
// feasible for all n² edges, and tight on its own.
func certify(t *testing.T, w *Workspace, perm []int, cost []float64, total float64) {
	t.Helper()
	n := len(perm)
	scale, sum, dual := 0.0, 0.0, 0.0
	seen := make([]bool, n)
	for i, j := range perm {
		if j < 0 || j >= n || seen[j] {
			t.Fatalf("not a permutation: row %d has column %d", i, j)
		}
		seen[j] = true
		sum += cost[i*n+j]
	}
	for _, c := range cost {
		scale = max(scale, math.Abs(c))
	}
	tol := 1e-12 * scale // some thousand roundings
	u, v := w.duals()
	worst := math.Inf(1)
	for i := range n {
		dual += u[i] + v[i]
		for j := range n {
			worst = min(worst, cost[i*n+j]-u[i]-v[j])
		}
		if r := cost[i*n+perm[i]] - u[i] - v[perm[i]]; math.Abs(r) > tol {
			t.Errorf("matched edge (%d,%d): reduced cost %g, want 0 within %g", i, perm[i], r, tol)
		}
	}
	if worst < -tol {
		t.Errorf("prices are not feasible: least reduced cost %g, tolerance %g", worst, tol)
	}
	if math.Abs(sum-total) > tol*float64(n) || math.Abs(dual-total) > tol*float64(n) {
		t.Errorf("total %v, sum over perm %v, dual value %v: want equal within %g", total, sum, dual, tol*float64(n))
	}
}

func solve(t *testing.T, cost []float64, n int) float64 {
	t.Helper()
	perm, w := make([]int, n), new(Workspace)
	total, err := w.Solve(perm, cost, n)
	if err != nil {
		t.Fatal(err)
	}
	certify(t, w, perm, cost, total)
	return total
}

func fill(n int, f func(i, j int) float64) []float64 {
	cost := make([]float64, n*n)
	for k := range cost {
		cost[k] = f(k/n, k%n)
	}
	return cost
}

func TestSolveEqualsTheBestOfAllPermutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := range 9 {
		for trial := range 20 {
			reals := fill(n, func(_, _ int) float64 { return rng.NormFloat64() })
			ties := fill(n, func(_, _ int) float64 { return float64(rng.IntN(3)) })
			for name, cost := range map[string][]float64{"reals": reals, "ties": ties} {
				if got, want := solve(t, cost, n), bruteForce(cost, n); math.Abs(got-want) > 1e-12 {
					t.Errorf("n=%d %s trial %d: got %v, want %v", n, name, trial, got, want)
				}
			}
		}
	}
}

// hardCases are matrices that have broken assignment codes: ties, wars over few
// columns, duplicates, scales far apart.
func hardCases(n int, rng *rand.Rand) map[string][]float64 {
	x, y := points(rng, n, 2), points(rng, n, 2)
	planar := make([]float64, n*n)
	SquaredDistances(planar, x, y, 2)
	return map[string][]float64{
		"uniform": func() []float64 {
			return fill(n, func(_, _ int) float64 { return rng.Float64() })
		}(),
		"planar":       planar,
		"negative":     fill(n, func(_, _ int) float64 { return -rng.ExpFloat64() }),
		"all equal":    fill(n, func(_, _ int) float64 { return 3.5 }),
		"all zero":     make([]float64, n*n),
		"few integers": fill(n, func(_, _ int) float64 { return float64(rng.IntN(4)) }),
		"huge":         fill(n, func(_, _ int) float64 { return 1e300 * rng.Float64() }),
		"tiny":         fill(n, func(_, _ int) float64 { return 1e-300 * rng.Float64() }),
		"huge offset":  fill(n, func(_, _ int) float64 { return 1e12 + rng.Float64() }),
		// the classic worst case
		"product":          fill(n, func(i, j int) float64 { return float64((i + 1) * (j + 1)) }),
		"one cheap column": fill(n, func(_, j int) float64 { return rng.Float64() + 10*float64(min(j, 1)) }),
		"rows alike":       fill(n, func(_, j int) float64 { return math.Sin(float64(j)) }),
		"tight clusters, uneven": fill(n,
			func(i, j int) float64 { return math.Abs(float64(i*7/n-j*j*7/n/n)) + 1e-7*rng.Float64() }),
		"scales far apart": fill(n, func(_, _ int) float64 { return math.Exp(30 * rng.NormFloat64()) }),
	}
}

func TestSolveProvesItsOptimumByDualPrices(t *testing.T) {
	for _, n := range []int{1, 2, 13, 64, denseMax, denseMax + 1, 200, 513} {
		for name, cost := range hardCases(n, rand.New(rand.NewPCG(uint64(n), 2))) {
			t.Run(fmt.Sprintf("%s of size %d", name, n), func(t *testing.T) { solve(t, cost, n) })
		}
	}
}

func TestSolveEqualsThePlainHungarianMethod(t *testing.T) {
	n := 300
	for name, cost := range hardCases(n, rand.New(rand.NewPCG(3, 3))) {
		got, want := solve(t, cost, n), hungarian(cost, n)
		scale, err := largest(cost, n)
		if err != nil {
			t.Fatal(err)
		}
		if tol := 1e-12 * scale * float64(n); !(math.Abs(got-want) <= tol) {
			t.Errorf("%s: got %v, want %v, tolerance %g", name, got, want, tol)
		}
	}
}

func TestBothMethodsAgree(t *testing.T) {
	n := 90
	for name, cost := range hardCases(n, rand.New(rand.NewPCG(4, 4))) {
		scale, err := largest(cost, n)
		if err != nil {
			t.Fatal(err)
		}
		want := solve(t, cost, n) // dense
		w := new(Workspace)
		w.solveWithCore(cost, n, scale)
		got := 0.0
		for i, j := range w.x {
			got += cost[i*n+j]
		}
		if math.Abs(got-want) > 1e-12*float64(n)*scale {
			t.Errorf("%s: core %v, dense %v", name, got, want)
		}
		certify(t, w, w.x, cost, got)
	}
}

func TestOnTheLineTheSortedOrderIsOptimal(t *testing.T) {
	// For a convex cost of the difference (McCann 1999), so for both powers. The
	// distance is the degenerate one: where all b are right of all a every
	// permutation costs the same, and the prices differ by rounding only.
	rng := rand.New(rand.NewPCG(5, 5))
	for _, c := range []struct {
		n    int
		p    Power
		side float64
	}{{2000, Squared, 2}, {700, Distance, 2}, {300, Distance, 9}} {
		x, y := points(rng, c.n, 1), points(rng, c.n, 1)
		for j := range y {
			y[j] = c.side + 0.5*y[j]
		}
		a, b := slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))
		want := 0.0
		for i := range a {
			want += math.Pow(math.Abs(a[i]-b[i]), float64(c.p))
		}
		cost := fill(c.n, func(i, j int) float64 { return math.Pow(math.Abs(x[i]-y[j]), float64(c.p)) })
		tol := 1e-11 * want
		if got := solve(t, cost, c.n); math.Abs(got-want) > tol {
			t.Errorf("n=%d power %d: matrix %v, want %v, tolerance %g", c.n, c.p, got, want, tol)
		}
		perm, w := make([]int, c.n), new(Workspace)
		got, err := w.SolvePoints(perm, x, y, 1, c.p)
		if err != nil || math.Abs(got-want) > tol {
			t.Errorf("n=%d power %d: points %v, %v, want %v, tolerance %g", c.n, c.p, got, err, want, tol)
		}
		certify(t, w, perm, cost, got)
	}
}

func TestPointsFarFromTheOriginAreMatchedAsNearIt(t *testing.T) {
	// On a grid of 1/1024 the shift is exact, so the optimum must be the same.
	rng := rand.New(rand.NewPCG(8, 8))
	n := 300
	x, y := make([]float64, 2*n), make([]float64, 2*n)
	for k := range x {
		x[k], y[k] = float64(rng.IntN(4096))/1024, float64(rng.IntN(4096))/1024
	}
	want, err := new(Workspace).SolvePoints(make([]int, n), x, y, 2, Squared)
	if err != nil {
		t.Fatal(err)
	}
	for k := range x {
		x[k] += 1e9
		y[k] += 1e9
	}
	got, err := new(Workspace).SolvePoints(make([]int, n), x, y, 2, Squared)
	if err != nil || got != want {
		t.Errorf("shifted by 1e9: got %v, %v, want %v", got, err, want)
	}
}

func TestPointsAndTheirMatrixHaveTheSameOptimum(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for _, d := range []int{1, 2, 3, 5, 17} {
		for _, n := range []int{1, 50, 131, 250} {
			x, y := points(rng, n, d), points(rng, n, d)
			cost := make([]float64, n*n)
			for k := range cost {
				for c := range d {
					e := x[k/n*d+c] - y[k%n*d+c]
					cost[k] += e * e
				}
			}
			again := make([]float64, n*n)
			SquaredDistances(again, x, y, d)
			if !slices.Equal(cost, again) {
				t.Fatalf("n=%d d=%d: SquaredDistances differs from the plain sum", n, d)
			}
			for _, p := range []Power{Distance, Squared} {
				power(again, p)
				want := solve(t, again, n)
				perm, w := make([]int, n), new(Workspace)
				got, err := w.SolvePoints(perm, x, y, d, p)
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(got-want) > 1e-12*want {
					t.Errorf("n=%d d=%d power %d: points %v, matrix %v", n, d, p, got, want)
				}
				certify(t, w, perm, again, got)
				copy(again, cost)
			}
		}
	}
}

func TestTheAnswerIsTheSameForAnyNumberOfCoresAndForReusedMemory(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	n := 700
	x, y := points(rng, n, 2), points(rng, n, 2)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first []int
	w := new(Workspace)
	for _, cores := range []int{1, 2, 5, 1} {
		runtime.GOMAXPROCS(cores)
		perm := make([]int, n)
		if _, err := w.SolvePoints(perm, x, y, 2, Squared); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = perm
		}
		if !slices.Equal(first, perm) {
			t.Errorf("GOMAXPROCS=%d gives another permutation", cores)
		}
		small := make([]int, 20) // leaves its traces in w
		if _, err := w.Solve(small, x[:400], 20); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACostThatIsNotFiniteIsNamed(t *testing.T) {
	for _, n := range []int{3, 300} {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			cost := make([]float64, n*n)
			cost[2*n+1] = bad
			_, err := Solve(make([]int, n), cost, n)
			if err == nil || !strings.Contains(err.Error(), "row 2, column 1") {
				t.Errorf("n=%d, %v: got error %v, want one naming row 2, column 1", n, bad, err)
			}
		}
	}
	x := []float64{0, 0, 0, math.NaN()}
	_, err := new(Workspace).SolvePoints(make([]int, 2), make([]float64, 4), x, 2, Squared)
	if err == nil || !strings.Contains(err.Error(), "point 1 of the second set has coordinate 1") {
		t.Errorf("got error %v, want one naming point 1, coordinate 1", err)
	}
}

func ExampleSolve() {
	// Three workers (rows), three tasks (columns).
	cost := []float64{
		4, 1, 3,
		2, 0, 5,
		3, 2, 2,
	}
	perm := make([]int, 3)
	total, err := Solve(perm, cost, 3)
	fmt.Println(perm, total, err)
	// Output: [1 0 2] 5 <nil>
}
