package classify

import (
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
)

// numbers are n of (0, 1), by SplitMix64, as scripts/fixture-c2st.py makes them.
func numbers(seed uint64, n int) []float64 {
	u := make([]float64, n)
	for i := range u {
		z := (uint64(i+1) + seed<<32) * 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		u[i] = (float64(z>>11) + 0.5) / (1 << 53)
	}
	return u
}

// normal are n points of N(0, I) in d dimensions, by Box and Muller.
func normal(seed uint64, n, d int) flow.Batch {
	u, x := numbers(seed, 2*n*d), flow.NewBatch(n, d)
	for k := range x.X {
		x.X[k] = math.Sqrt(-2*math.Log(u[2*k])) * math.Cos(2*math.Pi*u[2*k+1])
	}
	return x
}

// each changes the points of x.
func each(x flow.Batch, change func(i int, row []float64)) flow.Batch {
	for i := range x.N {
		change(i, x.Row(i))
	}
	return x
}

// linear is a x + b in every coordinate.
func linear(a, b float64) func(int, []float64) {
	return func(_ int, row []float64) {
		for k := range row {
			row[k] = a*row[k] + b
		}
	}
}

// The generator's numbers are those of numpy.random.RandomState 2.4.6, and the folds those of
// scikit-learn's KFold(3, shuffle=True, random_state=5) of 11 points.
func TestMersenneIsNumPys(t *testing.T) {
	r := newMersenne(1)
	for i, want := range []float64{0.417022004702574, 0.7203244934421581, 0.00011437481734488664} {
		if got := r.float64(); got != want {
			t.Errorf("number %d is %v, want %v", i, got, want)
		}
	}
	r, v := newMersenne(7), indices(10)
	r.shuffle(v)
	if want := []int{8, 5, 0, 2, 1, 9, 7, 3, 6, 4}; !slices.Equal(v, want) {
		t.Errorf("shuffled: %v, want %v", v, want)
	}
	if got := r.float64(); got != 0.07205113335976154 {
		t.Errorf("then %v", got)
	}
	r, v = newMersenne(3), indices(1000)
	r.shuffle(v)
	if want := []int{642, 762, 909, 199, 586}; !slices.Equal(v[:5], want) {
		t.Errorf("shuffled: %v, want %v", v[:5], want)
	}
	if got, want := newMersenne(5).folds(11, 3), []int{1, 1, 0, 2, 1, 0, 2, 1, 0, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("folds: %v, want %v", got, want)
	}
	if newMersenne(1<<32+1).float64() == newMersenne(1).float64() {
		t.Error("seeds above 32 bits are those below")
	}
}
