package metrics

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/assign"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
)

func normals(n, d int, rng *rand.Rand) flow.Batch {
	x := flow.NewBatch(n, d)
	flow.Gaussian{}.Sample(x, rng)
	return x
}

// shuffled returns the points of x moved by shift, in another order.
func shuffled(x flow.Batch, shift []float64, rng *rand.Rand) flow.Batch {
	y := flow.NewBatch(x.N, x.D)
	for to, from := range rng.Perm(x.N) {
		for k, v := range x.Row(from) {
			y.Row(to)[k] = v + shift[k]
		}
	}
	return y
}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %.12g, want %.12g, tolerance %.2g", what, got, want, tol)
	}
}

func must(t *testing.T) func(float64, error) float64 {
	return func(x float64, err error) float64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

func TestTranslationIsAsFarAsItsLength(t *testing.T) {
	for _, c := range []struct{ n, d int }{{1, 1}, {10, 2}, {300, 2}, {60, 20}} {
		rng := seed.Rand(1, "metrics", uint64(c.n))
		x, shift := normals(c.n, c.d, rng), make([]float64, c.d)
		length := 0.0
		for k := range shift {
			shift[k] = float64(k%3) - 1.5
			length += shift[k] * shift[k]
		}
		length = math.Sqrt(length)
		y := shuffled(x, shift, rng)
		name := fmt.Sprintf("N = %d, D = %d", c.n, c.d)
		near(t, name+", W2", must(t)(W2(x, y)), length, 1e-12*length)
		near(t, name+", W1", must(t)(W1(x, y)), length, 1e-12*length)
		near(t, name+", W2 to itself", must(t)(W2(x, shuffled(x, make([]float64, c.d), rng))), 0, 0)

		// E (θᵀs)² = |s|²/D with variance at most 2|s|⁴/D² (3/(D(D+2)) − 1/D²).
		const directions = 4000
		got := must(t)(SlicedW2(x, y, directions, rng))
		want := length * length / float64(c.d)
		near(t, name+", SlicedW2²", got*got, want, 5*want*math.Sqrt(2.0/directions)+1e-12)
	}
}

// Between the Gaussians N(0, 1) and N(m, s²) on the line, W_2² = m² + (s−1)². The
// points are the quantiles themselves, so there is no noise, only a grid.
func TestGaussiansOnTheLineAreAsFarAsTheClosedForm(t *testing.T) {
	const n, m, s = 2000, 1.5, 0.5
	a, b := flow.NewBatch(n, 1), flow.NewBatch(n, 1)
	for i := range n {
		z := math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/n-1)
		a.X[i], b.X[(i*7)%n] = z, m+s*z // 7 and n are coprime
	}
	want := math.Sqrt(m*m + (s-1)*(s-1))
	near(t, "W2", must(t)(W2(a, b)), want, 1e-3)
	near(t, "SlicedW2", must(t)(SlicedW2(a, b, 3, seed.Rand(2, "metrics", 0))), must(t)(W2(a, b)), 1e-12)
}

func TestSortingOnTheLineIsTheOptimalAssignment(t *testing.T) {
	const n = 150
	rng := seed.Rand(12, "metrics", 0)
	a, b := normals(n, 1, rng), normals(n, 1, rng)
	for i := range b.X {
		b.X[i] = 3*b.X[i] - 1
	}
	metrics := map[assign.Power]func(a, b flow.Batch) (float64, error){assign.Distance: W1, assign.Squared: W2}
	for p, metric := range metrics {
		total, err := new(assign.Workspace).SolvePoints(make([]int, n), a.X, b.X, 1, p)
		want := math.Pow(must(t)(total, err)/n, 1/float64(p))
		near(t, fmt.Sprintf("W%d", p), must(t)(metric(a, b)), want, 1e-12*want)
	}
}

func TestSlicedW2OfUnequalSizesIsThatOfCopiesOfThePoints(t *testing.T) {
	rng := seed.Rand(3, "metrics", 0)
	a, b := normals(6, 3, rng), normals(4, 3, rng)
	repeat := func(x flow.Batch, k int) flow.Batch {
		return flow.Batch{N: x.N * k, D: x.D, X: slices.Repeat(x.X, k)}
	}
	got := must(t)(SlicedW2(a, b, 50, seed.Rand(3, "metrics", 1)))
	want := must(t)(SlicedW2(repeat(a, 2), repeat(b, 3), 50, seed.Rand(3, "metrics", 1)))
	near(t, "6 and 4 points beside 12 and 12", got, want, 1e-12)

	// By hand: quantiles of {0, 3} and {0, 1, 2} differ by 0 up to 1/3, by 1 up to
	// 1/2, by 2 up to 2/3, and by 1 up to 1.
	a, b = flow.Batch{N: 2, D: 1, X: []float64{3, 0}}, flow.Batch{N: 3, D: 1, X: []float64{1, 2, 0}}
	near(t, "two and three points, by hand", must(t)(SlicedW2(a, b, 1, rng)), math.Sqrt((2*0+1*1+1*4+2*1)/6.), 1e-15)
}

// direct is the definition of MMD² of a and b for a given h².
func direct(a, b flow.Batch, h2 float64) float64 {
	average := func(x, y flow.Batch, same bool) float64 {
		sum, count := 0.0, 0.0
		for i := range x.N {
			for j := range y.N {
				if same && i == j {
					continue
				}
				square := 0.0
				for k, v := range x.Row(i) {
					square += (v - y.Row(j)[k]) * (v - y.Row(j)[k])
				}
				sum += math.Exp(-square / (2 * h2))
				count++
			}
		}
		return sum / count
	}
	return average(a, a, true) + average(b, b, true) - 2*average(a, b, false)
}

func TestMMDIsItsDefinition(t *testing.T) {
	for _, c := range []struct{ n, m, d int }{{2, 2, 1}, {130, 270, 2}, {40, 30, 7}} {
		rng := seed.Rand(4, "metrics", uint64(c.n))
		a, b := normals(c.n, c.d, rng), normals(c.m, c.d, rng)
		for i := range b.X {
			b.X[i] += 0.5
		}
		name := fmt.Sprintf("N = %d, M = %d, D = %d", c.n, c.m, c.d)
		var squares []float64
		both := slices.Concat(a.X, b.X)
		for i := range c.n + c.m {
			for j := range i {
				square := 0.0
				for k := range c.d {
					square += (both[i*c.d+k] - both[j*c.d+k]) * (both[i*c.d+k] - both[j*c.d+k])
				}
				squares = append(squares, square)
			}
		}
		slices.Sort(squares)
		median := squares[len(squares)/2]
		near(t, name, must(t)(MMD(a, b)), direct(a, b, median), 1e-12)
		near(t, name+", exchanged", must(t)(MMD(b, a)), must(t)(MMD(a, b)), 1e-12)
	}
}

func TestMMDIsZeroOnAverageForOneLawAndNotForTwo(t *testing.T) {
	const batches = 200
	var same, other []float64
	for k := range uint64(batches) {
		rng := seed.Rand(5, "metrics", k)
		a, b := normals(30, 2, rng), normals(40, 2, rng)
		same = append(same, must(t)(MMD(a, b)))
		for i := range b.X {
			b.X[i] += 0.5
		}
		other = append(other, must(t)(MMD(a, b)))
	}
	stdErr := func(x []float64) float64 {
		sum := 0.0
		for _, v := range x {
			sum += (v - stat.Mean(x)) * (v - stat.Mean(x))
		}
		return math.Sqrt(sum) / batches
	}
	near(t, "mean under one law (seed 5)", stat.Mean(same), 0, 4*stdErr(same))
	if stat.Mean(other) < 10*stdErr(other) {
		t.Errorf("mean under two laws: %g, want above ten standard errors of %g (seed 5)", stat.Mean(other),
			stdErr(other))
	}
	if least := slices.Min(same); least >= 0 {
		t.Errorf("least of %d unbiased estimates under one law is %g, want some below zero", batches, least)
	}
}

func TestPointsThatMostlyCoincideStillHaveABandwidth(t *testing.T) {
	a, b := flow.NewBatch(20, 2), flow.NewBatch(20, 2)
	near(t, "all points equal", must(t)(MMD(a, b)), 0, 0)
	b.X[0] = 1
	near(t, "one point apart", must(t)(MMD(a, b)), direct(a, b, 39./(40*39/2)), 1e-12)
}

// On the line the energy distance is 2 ∫ (F − G)² dx (Székely and Rizzo).
func TestEnergyDistanceOnTheLineIsThatOfTheDistributionFunctions(t *testing.T) {
	rng := seed.Rand(6, "metrics", 0)
	a, b := normals(150, 1, rng), normals(200, 1, rng)
	for i := range b.X {
		b.X[i] = 2*b.X[i] + 1
	}
	x, y := slices.Sorted(slices.Values(a.X)), slices.Sorted(slices.Values(b.X))
	both := slices.Sorted(slices.Values(slices.Concat(x, y)))
	want := 0.0
	for k := 1; k < len(both); k++ {
		mid := (both[k] + both[k-1]) / 2
		i, _ := slices.BinarySearch(x, mid)
		j, _ := slices.BinarySearch(y, mid)
		gap := float64(i)/150 - float64(j)/200
		want += 2 * gap * gap * (both[k] - both[k-1])
	}
	near(t, "150 and 200 points", must(t)(EnergyDistance(a, b)), want, 1e-12)
	near(t, "a set and itself", must(t)(EnergyDistance(a, a)), 0, 1e-12)
}

func TestMetricsDoNotDependOnTheNumberOfCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rng := seed.Rand(13, "metrics", 0)
	a, b := normals(300, 5, rng), normals(300, 5, rng)
	for name, metric := range map[string]func(a, b flow.Batch) (float64, error){
		"W1": W1, "W2": W2, "MMD": MMD, "EnergyDistance": EnergyDistance,
		"SlicedW2": func(a, b flow.Batch) (float64, error) { return SlicedW2(a, b, 40, seed.Rand(13, "metrics", 1)) },
	} {
		runtime.GOMAXPROCS(1)
		one := must(t)(metric(a, b))
		runtime.GOMAXPROCS(4)
		if four := must(t)(metric(a, b)); one != four {
			t.Errorf("%s: 1 core %v, 4 cores %v (seed 13)", name, one, four)
		}
	}
}

func TestBatchesThatDoNotFitAreRefusedWithARemedy(t *testing.T) {
	rng := seed.Rand(7, "metrics", 0)
	x, bad := normals(5, 2, rng), normals(5, 2, rng)
	bad.X[7] = math.Inf(1)
	all := map[string]func(a, b flow.Batch) (float64, error){
		"W1": W1, "W2": W2, "MMD": MMD, "EnergyDistance": EnergyDistance,
		"SlicedW2": func(a, b flow.Batch) (float64, error) { return SlicedW2(a, b, 10, rng) },
	}
	for name, metric := range all {
		if _, err := metric(x, normals(5, 3, rng)); !errors.Is(err, ErrSize) {
			t.Errorf("%s of other dimensions: got error %v, want ErrSize", name, err)
		}
		if _, err := metric(x, flow.NewBatch(0, 2)); !errors.Is(err, ErrSize) {
			t.Errorf("%s of no points: got error %v, want ErrSize", name, err)
		}
		if _, err := metric(x, flow.Batch{N: 5, D: 2, X: make([]float64, 9)}); !errors.Is(err, ErrSize) {
			t.Errorf("%s of a batch with too few values: got error %v, want ErrSize", name, err)
		}
		_, err := metric(x, bad)
		if err == nil || !strings.Contains(err.Error(), "coordinate 1 of point 3 of the second batch is +Inf") {
			t.Errorf("%s of an infinite point: got error %v, want one that names it", name, err)
		}
	}
	many := flow.NewBatch(20_000, 2)
	for _, name := range []string{"W1", "W2"} {
		if _, err := all[name](many, many.Slice(0, 19_000)); !errors.Is(err, ErrSize) ||
			!strings.Contains(err.Error(), "first 19000") {
			t.Errorf("%s of 20000 and 19000 points: got error %v, want ErrSize with a remedy", name, err)
		}
	}
	if _, err := SlicedW2(x, x, 0, rng); err == nil {
		t.Error("SlicedW2 along 0 directions: got no error")
	}
}

// Sets of unequal size are compared whole: with each point of one three times, as itself.
func TestDistancesOfUnequalSizes(t *testing.T) {
	rng := seed.Rand(17, "metrics", 0)
	a, b := normals(40, 3, rng), normals(60, 3, rng)
	var three flow.Batch
	for range 3 {
		three = flow.Batch{N: three.N + b.N, D: 3, X: append(three.X, b.X...)}
	}
	for name, metric := range map[string]func(a, b flow.Batch) (float64, error){"W1": W1, "W2": W2} {
		near(t, name+" of a set and itself three times", must(t)(metric(b, three)), 0, 1e-9)
		near(t, name, must(t)(metric(a, three)), must(t)(metric(a, b)), 1e-12)
		near(t, name, must(t)(metric(a, b)), must(t)(metric(b, a)), 1e-12)
	}
}

// trajectories is Trajectories without an error.
func trajectories(t *testing.T, f flow.Field, x0 flow.Batch, steps int) (energy, straightness float64) {
	t.Helper()
	energy, straightness, err := Trajectories(f, x0, steps)
	if err != nil {
		t.Fatal(err)
	}
	return energy, straightness
}

func TestAConstantFieldIsStraightAndItsEnergyIsItsSquare(t *testing.T) {
	x0 := normals(50, 2, seed.Rand(8, "metrics", 0))
	constant := flowtest.Linear{A: make([]float64, 4), B: []float64{3, -4}}
	energy, straight := trajectories(t, constant, x0, 7)
	near(t, "path energy", energy, 25, 1e-12)
	near(t, "straightness", straight, 0, 0)
	x1 := shuffled(x0, constant.B, seed.Rand(8, "metrics", 1))
	near(t, "NPE", NPE(energy, must(t)(W2(x0, x1))), 0, 1e-12)
	near(t, "NPE of twice the energy", NPE(50, 5), 1, 1e-15)
	near(t, "NPE of half the energy", NPE(12.5, 5), 0.5, 1e-15)
}

// v = ω J x turns the plane: |v|² = ω²|x|², and the variance of the velocity over
// the arc from 0 to ω is ω²|x|² − |x_1 − x_0|² = |x|² (ω² − 2 + 2 cos ω). Euler's
// method widens the circle by h² ω² a step: energy Σ_k h ω² |x|² (1+h²ω²)^k.
func TestARotationHasTheClosedFormsEnergyAndStraightness(t *testing.T) {
	const omega = 1.2
	x0 := normals(40, 2, seed.Rand(9, "metrics", 0))
	before := x0.Clone()
	rotation := flowtest.Linear{A: []float64{0, -omega, omega, 0}, B: []float64{0, 0}}
	square := 0.0
	for _, v := range x0.X {
		square += v * v / 40
	}
	const few = 10
	euler := (math.Pow(1+omega*omega/few/few, few) - 1) * few * square
	got, _ := trajectories(t, rotation, x0, few)
	near(t, "path energy in 10 steps", got, euler, 1e-12*euler)
	energy, straight := omega*omega*square, square*(omega*omega-2+2*math.Cos(omega))
	var errs [2]float64
	for i, steps := range []int{1000, 2000} {
		gotEnergy, gotStraight := trajectories(t, rotation, x0, steps)
		near(t, fmt.Sprintf("path energy in %d steps", steps), gotEnergy, energy, 2*energy/float64(steps))
		errs[i] = gotStraight - straight
	}
	near(t, "ratio of errors of straightness, order 1", errs[0]/errs[1], 2, 0.02)
	if !slices.Equal(x0.X, before.X) {
		t.Error("x0 has been changed")
	}
}

// trimmed is a field that must not be asked at t=1, nor off the grid k/4.
type trimmed struct {
	flowtest.Linear
	t *testing.T
}

func (f trimmed) Velocity(v []float64, t float64, x []float64) error {
	if t >= 1 || t*4 != math.Trunc(t*4) {
		f.t.Errorf("evaluated at t=%g", t)
	}
	if len(x) != 6 {
		f.t.Errorf("evaluated on %d numbers, want all 3 points at once", len(x))
	}
	if t == 0.5 {
		return errors.New("no more")
	}
	return f.Linear.Velocity(v, t, x)
}

func TestAFieldIsAskedOnTheGridAndItsErrorsCarryTheTime(t *testing.T) {
	f := trimmed{flowtest.Linear{A: make([]float64, 4), B: []float64{1, 1}}, t}
	x0 := normals(3, 2, seed.Rand(10, "metrics", 0))
	if _, _, err := Trajectories(f, x0, 4); err == nil ||
		!strings.Contains(err.Error(), "t=0.5, step 2 of 4: no more") {
		t.Errorf("got error %v, want the field's with the time", err)
	}
	if _, _, err := Trajectories(f, x0, 0); err == nil {
		t.Error("0 steps: got no error")
	}
	if _, _, err := Trajectories(f, normals(3, 3, seed.Rand(10, "metrics", 1)), 4); !errors.Is(err, ErrSize) {
		t.Errorf("points in R^3: got error %v, want ErrSize", err)
	}
	if _, _, err := Trajectories(f, flow.Batch{N: 3, D: 2, X: make([]float64, 5)}, 4); !errors.Is(err, ErrSize) {
		t.Errorf("a batch with too few values: got error %v, want ErrSize", err)
	}
	diverging := flowtest.Linear{A: make([]float64, 4), B: []float64{0, math.NaN()}}
	if _, _, err := Trajectories(diverging, x0, 4); err == nil ||
		!strings.Contains(err.Error(), "velocity of point 0 is NaN at t=0") {
		t.Errorf("a field that is NaN: got error %v, want one that says where", err)
	}
}

func Example() {
	a := flow.Batch{N: 3, D: 2, X: []float64{0, 0, 1, 0, 0, 1}}
	b := flow.Batch{N: 3, D: 2, X: []float64{3, 5, 4, 4, 3, 4}} // a moved by (3, 4)
	w2, err := W2(a, b)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("W2 %.4f\n", w2)
	w2, err = W2(a, b.Slice(0, 2)) // a half of each of two points
	fmt.Printf("W2 of 3 and 2 points %.4f, %v\n", w2, err)
	// Output:
	// W2 5.0000
	// W2 of 3 and 2 points 5.2599, <nil>
}

func BenchmarkMetrics(b *testing.B) {
	for _, size := range [][2]int{{1000, 2}, {4000, 2}, {1000, 784}} {
		rng := seed.Rand(11, "metrics", 0)
		x, y := normals(size[0], size[1], rng), normals(size[0], size[1], rng)
		for name, metric := range map[string]func(a, b flow.Batch) (float64, error){
			"W2": W2, "MMD": MMD, "EnergyDistance": EnergyDistance,
			"SlicedW2": func(a, b flow.Batch) (float64, error) { return SlicedW2(a, b, 100, rng) },
		} {
			b.Run(fmt.Sprintf("%s/N=%d/D=%d", name, size[0], size[1]), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := metric(x, y); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
