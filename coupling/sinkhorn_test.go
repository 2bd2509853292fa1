package coupling

import (
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// dense writes out N·π.
func (p *plan) dense() []float64 {
	pi := make([]float64, p.n*p.n)
	for i := range p.n {
		for j := range p.n {
			pi[i*p.n+j] = p.u[i] * p.kernel[i*p.n+j] * p.v[j]
		}
	}
	return pi
}

func noise(n, d int, index uint64) (x0, x1 flow.Batch) {
	rng := seed.Rand(11, "sinkhorn", index)
	x0, x1 = flow.NewBatch(n, d), flow.NewBatch(n, d)
	flow.Gaussian{}.Sample(x0, rng)
	flow.Gaussian{Std: 2}.Sample(x1, rng)
	return x0, x1
}

func TestSinkhornsPlanIsThatOfThePlainIteration(t *testing.T) {
	const n, reg = 9, 0.1
	x0, x1 := noise(n, 3, 0)
	p, err := Sinkhorn{Reg: reg, Tol: 1e-13}.plan(x0, x1)
	if err != nil {
		t.Fatal(err)
	}
	// Cuturi's iteration, algorithm 1, as it is printed.
	var k [n][n]float64
	mean := 0.0
	for i := range n {
		for j := range n {
			for c := range 3 {
				d := x0.Row(i)[c] - x1.Row(j)[c]
				k[i][j] += d * d
			}
			mean += k[i][j] / n / n
		}
	}
	var u, v [n]float64
	for i := range n {
		u[i], v[i] = 1, 1
		for j := range n {
			k[i][j] = math.Exp(-k[i][j] / (reg * mean))
		}
	}
	for range 20000 {
		for i := range n {
			sum := 0.0
			for j := range n {
				sum += k[i][j] * v[j]
			}
			u[i] = 1 / sum
		}
		for j := range n {
			sum := 0.0
			for i := range n {
				sum += k[i][j] * u[i]
			}
			v[j] = 1 / sum
		}
	}
	for i := range n {
		for j := range n {
			if got, want := p.dense()[i*n+j], u[i]*k[i][j]*v[j]; math.Abs(got-want) > 1e-10 {
				t.Errorf("N π at (%d, %d): got %.12g, want %.12g, tolerance 1e-10", i, j, got, want)
			}
		}
	}
}

func TestSinkhornKeepsTheMarginalsFromTheSmallestRegToTheLargest(t *testing.T) {
	const n = 40
	x0, x1 := noise(n, 2, 1)
	for k := range x1.X {
		x1.X[k] += 5 // exp(−C/ε) alone would underflow for every pair
	}
	for _, reg := range []float64{1e-4, 1e-3, 1e-2, 0.1, 1, 100} {
		p, err := Sinkhorn{Reg: reg, MaxIter: 200000}.plan(x0, x1)
		if err != nil {
			t.Errorf("reg %g: %v", reg, err)
			continue
		}
		pi, marginal := p.dense(), 0.0
		for i := range n {
			row, col := 0.0, 0.0
			for j := range n {
				row += pi[i*n+j]
				col += pi[j*n+i]
			}
			marginal += math.Abs(row-1) / n
			if math.Abs(col-1) > 1e-12 {
				t.Errorf("reg %g: column %d sums to %.15g, want 1 to 1e-12", reg, i, col)
			}
		}
		if !(marginal <= defaultTol*(1+1e-9)) {
			t.Errorf("reg %g: marginal error %g, want at most %g", reg, marginal, defaultTol)
		}
	}
}

func TestSinkhornGoesFromOptimalToIndependentWithReg(t *testing.T) {
	const n = 20
	x0, x1 := noise(n, 2, 2)
	src := make([]int, n)
	if err := (OT{}).Match(src, x0, x1, nil, nil); err != nil {
		t.Fatal(err)
	}
	p, err := Sinkhorn{Reg: 1e-3, MaxIter: 500000, Tol: 1e-5}.plan(x0, x1)
	if err != nil {
		t.Fatal(err)
	}
	pi, optimum, got := p.dense(), 0.0, 0.0
	for j, i := range src {
		optimum += p.cost[i*n+j]
	}
	for k, c := range p.cost {
		got += pi[k] * c
	}
	// <C, N π> − optimum lies between 0 and ε N log N, up to the marginal error.
	gap, most := got-optimum, p.eps*n*math.Log(n)
	if slack := 1e-4 * optimum; gap < -slack || gap > most+slack {
		t.Errorf("reg 1e-3: cost %g above the optimum %g, want between 0 and %g", gap, optimum, most)
	}

	p, err = Sinkhorn{Reg: 1e6, Tol: 1e-9}.plan(x0, x1)
	if err != nil {
		t.Fatal(err)
	}
	for k, q := range p.dense() {
		if math.Abs(q*n-1) > 1e-4 { // C/ε is at most some 1e-5
			t.Fatalf("reg 1e6: N² π at (%d, %d) is %g, want 1 to 1e-4", k/n, k%n, q*n)
		}
	}
}

func TestSinkhornDrawsFromTheColumnsOfItsPlan(t *testing.T) {
	const n, draws = 6, 20000
	x0, x1 := noise(n, 2, 3)
	s := Sinkhorn{Reg: 0.2, Tol: 1e-9}
	p, err := s.plan(x0, x1)
	if err != nil {
		t.Fatal(err)
	}
	rng := seed.Rand(11, "sinkhorn draws", 0)
	seen, src := make([]float64, n*n), make([]int, n)
	for range draws {
		p.sample(src, rng)
		for j, i := range src {
			seen[i*n+j]++
		}
	}
	for k, q := range p.dense() {
		got := seen[k] / draws
		if tol := 5*math.Sqrt(q*(1-q)/draws) + 2.0/draws; math.Abs(got-q) > tol {
			t.Errorf("pair (%d, %d): drawn with frequency %.4f, want %.4f, tolerance %.4f (seed 11)", k/n,
				k%n, got, q, tol)
		}
	}
}

func TestPointsThatAllCoincideArePairedAtRandom(t *testing.T) {
	x := flow.NewBatch(5, 2)
	p, err := Sinkhorn{}.plan(x, x)
	if err != nil {
		t.Fatal(err)
	}
	for k, q := range p.dense() {
		if math.Abs(q-0.2) > 1e-12 {
			t.Errorf("N π at (%d, %d) is %g, want 1/5", k/5, k%5, q)
		}
	}
}

func TestSinkhornThatDoesNotConvergeSaysHowFarItCameAndWhatToDo(t *testing.T) {
	x0, x1 := noise(50, 2, 4)
	err := Sinkhorn{Reg: 1e-4, MaxIter: 3, Tol: 1e-6}.Match(make([]int, 50), x0, x1, nil, seed.Rand(11, "sinkhorn", 5))
	if !errors.Is(err, ErrNotConverged) {
		t.Fatalf("got error %v, want ErrNotConverged", err)
	}
	for _, want := range []string{"marginal error", "max_iter = 3", "tol = 1e-06", "reg = 0.0001", "raise"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

// Two points on each side: the plan is known in closed form. N π_00 = N π_11 = p,
// N π_01 = N π_10 = 1 − p, with odds p/(1−p) = exp((C_01 + C_10 − C_00 − C_11)/(2ε)).
func TestEpsilonIsTheRegularisationItself(t *testing.T) {
	x0 := flow.Batch{N: 2, D: 1, X: []float64{0, 1}}
	x1 := flow.Batch{N: 2, D: 1, X: []float64{0.5, 2}}
	const eps = 2.0
	p, err := Sinkhorn{Epsilon: eps, Tol: 1e-12}.plan(x0, x1)
	if err != nil {
		t.Fatal(err)
	}
	odds := math.Exp((2*2 + 0.5*0.5 - 0.5*0.5 - 1*1) / (2 * eps))
	got := p.u[0] * math.Exp((p.f[0]+p.g[0]-p.cost[0])/p.eps) * p.v[0]
	if want := odds / (1 + odds); math.Abs(got-want) > 1e-9 {
		t.Errorf("N π_00 = %g, want %g", got, want)
	}
}
