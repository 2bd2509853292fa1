package coupling_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
)

func TestEveryCouplingKeepsThePromises(t *testing.T) {
	for _, c := range []coupling.Coupling{
		coupling.Independent{},
		coupling.OT{},
		coupling.OT{LabelAware: true},
		coupling.Sinkhorn{},
		coupling.Sinkhorn{LabelAware: true},
		coupling.Sinkhorn{Reg: 0.5, Tol: 1e-6},
	} {
		t.Run(fmt.Sprintf("%#v", c), func(t *testing.T) { flowtest.TestCoupling(t, c) })
	}
}

// points returns noise, shifted noise and a class for each row.
func points(n, d, classes int, rng *rand.Rand) (x0, x1 flow.Batch, label []int32) {
	x0, x1, label = flow.NewBatch(n, d), flow.NewBatch(n, d), make([]int32, n)
	flow.Gaussian{}.Sample(x0, rng)
	flow.Gaussian{Std: 2}.Sample(x1, rng)
	for j := range label {
		label[j] = int32(rng.IntN(classes))
		x1.Row(j)[0] += 3 * float64(label[j])
	}
	return x0, x1, label
}

func squared(a, b []float64) float64 {
	sum := 0.0
	for k := range a {
		sum += (a[k] - b[k]) * (a[k] - b[k])
	}
	return sum
}

func costOf(src []int, x0, x1 flow.Batch) float64 {
	sum := 0.0
	for j, i := range src {
		sum += squared(x0.Row(i), x1.Row(j))
	}
	return sum
}

// cheapest returns the least cost over all permutations of the rows in x0 given,
// for the rows of x1 given, by trying them all.
func cheapest(x0, x1 flow.Batch, rows0, rows1 []int) float64 {
	if len(rows1) == 0 {
		return 0
	}
	best := math.Inf(1)
	for k := range rows0 {
		rest := append(slices.Clone(rows0[:k]), rows0[k+1:]...)
		best = min(best, squared(x0.Row(rows0[k]), x1.Row(rows1[0]))+cheapest(x0, x1, rest, rows1[1:]))
	}
	return best
}

func count(n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

func isPermutation(src []int) bool {
	sorted := slices.Sorted(slices.Values(src))
	return slices.Equal(sorted, count(len(src)))
}

func match(t *testing.T, c coupling.Coupling, x0, x1 flow.Batch, label []int32, rng *rand.Rand) []int {
	t.Helper()
	src := make([]int, x1.N)
	if err := c.Match(src, x0, x1, label, rng); err != nil {
		t.Fatalf("%#v: %v", c, err)
	}
	return src
}

func TestOTIsTheCheapestOfAllPermutations(t *testing.T) {
	for n := 1; n <= 7; n++ {
		for d := 1; d <= 6; d += 5 {
			x0, x1, _ := points(n, d, 2, seed.Rand(1, "coupling", uint64(10*n+d)))
			src := match(t, coupling.OT{}, x0, x1, nil, nil)
			if !isPermutation(src) {
				t.Fatalf("N = %d, D = %d: src = %v is no permutation", n, d, src)
			}
			got, want := costOf(src, x0, x1), cheapest(x0, x1, count(n), count(n))
			if math.Abs(got-want) > 1e-12*want {
				t.Errorf("N = %d, D = %d: cost %.15g, cheapest %.15g", n, d, got, want)
			}
		}
	}
}

// The defect this guards against: drawing pairs from the optimal plan with
// replacement uses some points of a batch twice and others never.
func TestOTUsesEveryPointOfALargeBatchOnce(t *testing.T) {
	x0, x1, label := points(700, 2, 4, seed.Rand(2, "coupling", 0))
	for _, c := range []coupling.Coupling{coupling.OT{}, coupling.OT{LabelAware: true}} {
		src := match(t, c, x0, x1, label, seed.Rand(2, "coupling", 1))
		if !isPermutation(src) {
			t.Errorf("%#v: src is no permutation", c)
		}
		if got, most := costOf(src, x0, x1), costOf(count(700), x0, x1); got >= most {
			t.Errorf("%#v: cost %g, want below that of rows as they come, %g", c, got, most)
		}
	}
}

func TestOTOnTheLineSortsBothSides(t *testing.T) {
	x0, x1, _ := points(300, 1, 1, seed.Rand(3, "coupling", 0))
	src := match(t, coupling.OT{}, x0, x1, nil, nil)
	rank := func(x []float64, v float64) int {
		k, _ := slices.BinarySearch(slices.Sorted(slices.Values(x)), v)
		return k
	}
	for j, i := range src {
		if r0, r1 := rank(x0.X, x0.X[i]), rank(x1.X, x1.X[j]); r0 != r1 {
			t.Errorf("x1_%d has rank %d and its x0 rank %d", j, r1, r0)
		}
	}
}

func TestLabelAwareOTIsTheCheapestWithinEachClass(t *testing.T) {
	x0, x1, label := points(18, 2, 3, seed.Rand(4, "coupling", 0))
	src := match(t, coupling.OT{LabelAware: true}, x0, x1, label, seed.Rand(4, "coupling", 1))
	if !isPermutation(src) {
		t.Fatalf("src = %v is no permutation", src)
	}
	for class := range int32(3) {
		var rows0, rows1 []int
		got := 0.0
		for j := range src {
			if label[j] == class {
				rows0, rows1 = append(rows0, src[j]), append(rows1, j)
				got += squared(x0.Row(src[j]), x1.Row(j))
			}
		}
		if len(rows1) < 2 || len(rows1) > 9 {
			t.Fatalf("class %d has %d rows; the test wants 2 to 9: choose another seed", class, len(rows1))
		}
		if want := cheapest(x0, x1, rows0, rows1); math.Abs(got-want) > 1e-12*want {
			t.Errorf("class %d: cost %.15g, cheapest %.15g", class, got, want)
		}
	}
}

// The reason for LabelAware: E[x_0|y] must be 0 for every class y. Classes lie at
// x = 0 and x = 3; transport over the whole batch gives them the left and the
// right of the noise.
func TestOnlyLabelAwareTransportKeepsTheSourceOfEachClass(t *testing.T) {
	const n, batches = 64, 100
	for _, c := range []struct {
		coupling coupling.Coupling
		keeps    bool
	}{
		{coupling.Independent{}, true},
		{coupling.OT{LabelAware: true}, true},
		{coupling.Sinkhorn{LabelAware: true}, true},
		{coupling.OT{}, false},
		{coupling.Sinkhorn{}, false},
	} {
		var sum, rows float64
		for k := range uint64(batches) {
			rng := seed.Rand(5, "coupling", k)
			x0, x1, label := points(n, 1, 2, rng)
			for j, i := range match(t, c.coupling, x0, x1, label, rng) {
				if label[j] == 1 {
					sum += x0.X[i]
					rows++
				}
			}
		}
		// x_0 is N(0, 1); Sinkhorn may use a row twice, so count twice the variance.
		mean, tol := sum/rows, 5*math.Sqrt(2/rows)
		if (math.Abs(mean) <= tol) != c.keeps {
			t.Errorf("%#v: E[x_0 | class 1] = %.3f, within %.3f of 0 wanted %v (seed 5)", c.coupling,
				mean, tol, c.keeps)
		}
	}
}

func TestPairsDoNotDependOnTheNumberOfCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	x0, x1, label := points(300, 3, 2, seed.Rand(9, "coupling", 0))
	for _, c := range []coupling.Coupling{coupling.OT{}, coupling.OT{LabelAware: true}, coupling.Sinkhorn{Reg: 0.02}} {
		var pairs [2][]int
		for k, cores := range []int{1, 4} {
			runtime.GOMAXPROCS(cores)
			pairs[k] = match(t, c, x0, x1, label, seed.Rand(9, "coupling", 1))
		}
		if !slices.Equal(pairs[0], pairs[1]) {
			t.Errorf("%#v: 1 core and 4 cores give other pairs (seed 9)", c)
		}
	}
}

func TestLabelAwareWithoutLabelsSaysSo(t *testing.T) {
	x0, x1, _ := points(4, 2, 1, seed.Rand(6, "coupling", 0))
	for _, c := range []coupling.Coupling{coupling.OT{LabelAware: true}, coupling.Sinkhorn{LabelAware: true}} {
		if err := c.Match(make([]int, 4), x0, x1, nil,
			seed.Rand(6, "coupling", 1)); !errors.Is(err, coupling.ErrNoLabels) {
			t.Errorf("%#v: got error %v, want ErrNoLabels", c, err)
		}
	}
}

func TestAPointThatIsNotFiniteIsNamed(t *testing.T) {
	for _, c := range []coupling.Coupling{coupling.OT{}, coupling.Sinkhorn{}, coupling.OT{LabelAware: true}} {
		x0, x1, _ := points(4, 2, 1, seed.Rand(7, "coupling", 0))
		x1.X[5] = math.NaN() // row 2
		err := c.Match(make([]int, 4), x0, x1, make([]int32, 4), seed.Rand(7, "coupling", 1))
		if err == nil || !strings.Contains(err.Error(), "2") || !strings.Contains(err.Error(), "NaN") {
			t.Errorf("%#v: got error %v, want one that names row 2 and NaN", c, err)
		}
	}
}

func TestShapesThatDifferAreErrors(t *testing.T) {
	for _, c := range []coupling.Coupling{coupling.Independent{}, coupling.OT{}, coupling.Sinkhorn{}} {
		for _, x := range [][2]flow.Batch{
			{flow.NewBatch(3, 2), flow.NewBatch(4, 2)},
			{flow.NewBatch(3, 2), flow.NewBatch(3, 1)},
			{flow.NewBatch(3, 2), {N: 3, D: 2, X: make([]float64, 5)}},
		} {
			err := c.Match(make([]int, 3), x[0], x[1], nil, nil)
			if err == nil || !strings.Contains(err.Error(), "[3, 2]") {
				t.Errorf("%#v: error %v for points of shapes %v and %v", c, err, x[0], x[1])
			}
		}
		x := flow.NewBatch(3, 2)
		if err := c.Match(make([]int, 3), x, x, []int32{1}, nil); err == nil ||
			!strings.Contains(err.Error(), "1 labels") {
			t.Errorf("%#v: error %v for a single label", c, err)
		}
	}
}

func TestConfigKnowsItsNamesAndRefusesWhatItDoesNotUse(t *testing.T) {
	for _, name := range append(coupling.Names(), "") {
		if err := (coupling.Config{Name: name}).Validate(); err != nil {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, c := range []struct {
		config coupling.Config
		want   []string
	}{
		{coupling.Config{Name: "emd"}, append(coupling.Names(), `"emd"`)},
		{coupling.Config{LabelAware: new(true)}, []string{"label_aware", "independent"}},
		{coupling.Config{Reg: 1}, []string{"reg = 1", "independent", "only sinkhorn"}},
		{coupling.Config{Name: "ot", MaxIter: 5}, []string{"max_iter = 5", "ot"}},
		{coupling.Config{Name: "ot", Tol: -1}, []string{"tol = -1", "ot"}},
		{coupling.Config{Name: "sinkhorn", Reg: -0.1}, []string{"reg = -0.1", "above 0"}},
		{coupling.Config{Name: "sinkhorn", Epsilon: -1}, []string{"epsilon = -1", "above 0"}},
		{coupling.Config{Name: "sinkhorn", Epsilon: 1, Reg: 1}, []string{"both reg = 1 and epsilon = 1"}},
		{coupling.Config{Name: "ot", Epsilon: 1}, []string{"epsilon = 1", "only sinkhorn"}},
		{coupling.Config{Name: "sinkhorn", Reg: math.NaN()}, []string{"reg = NaN"}},
		{coupling.Config{Name: "sinkhorn", MaxIter: -1}, []string{"max_iter = -1"}},
		{coupling.Config{Name: "sinkhorn", Tol: 1}, []string{"tol = 1", "(0, 1)"}},
	} {
		err := c.config.Validate()
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got error %v, want one that says %q", c.config, err, want)
			}
		}
	}
	got, err := coupling.Config{Name: "sinkhorn", Reg: 0.1, MaxIter: 7, Tol: 0.2, LabelAware: new(true)}.New()
	if want := (coupling.Sinkhorn{Reg: 0.1, MaxIter: 7, Tol: 0.2, LabelAware: true}); err != nil || got != want {
		t.Errorf("got %#v, %v, want %#v", got, err, want)
	}
}

func Example() {
	x0 := flow.Batch{N: 3, D: 1, X: []float64{0, 1, 2}}
	x1 := flow.Batch{N: 3, D: 1, X: []float64{12, 10, 11}}
	src := make([]int, 3)
	if err := (coupling.OT{}).Match(src, x0, x1, nil, nil); err != nil {
		fmt.Println(err)
		return
	}
	for j, i := range src {
		fmt.Printf("%g goes to %g\n", x0.Row(i)[0], x1.Row(j)[0])
	}
	// Output:
	// 2 goes to 12
	// 0 goes to 10
	// 1 goes to 11
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range []coupling.Coupling{coupling.OT{}, coupling.Sinkhorn{}} {
		for _, size := range [][2]int{{256, 2}, {256, 784}, {1024, 2}} {
			b.Run(fmt.Sprintf("%T/N=%d/D=%d", c, size[0], size[1]), func(b *testing.B) {
				x0, x1, label := points(size[0], size[1], 2, seed.Rand(8, "coupling", 0))
				src := make([]int, x1.N)
				b.ReportAllocs()
				for b.Loop() {
					if err := c.Match(src, x0, x1, label, seed.Rand(8, "coupling", 1)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
