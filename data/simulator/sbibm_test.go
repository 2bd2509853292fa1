package simulator

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// fixture is testdata/moments.json, which scripts/sbibm-fixtures.sh makes with sbibm itself,
// save that it solves the equations of sir and lotka_volterra by SciPy.
type fixture struct {
	Simulations int
	Parts       struct {
		Permutation        []int
		Loc, Scale, Design []float64
	}
	Tasks map[string]struct {
		Arsinh bool // the moments are those of arsinh x
		At     []struct {
			Theta []float64
			moments
		}
		Prior struct { // of sir and lotka_volterra, moments of the logarithms
			moments
			Theta [][]float64
			LogP  []float64
		}
	}
}

// moments are those of the columns of a batch, each with its standard error: mean, standard
// deviation, and correlation with the next column.
type moments struct {
	Mean      []float64
	MeanError []float64 `json:"mean_error"`
	Std       []float64
	StdError  []float64 `json:"std_error"`
	Next      []float64
	NextError []float64 `json:"next_error"`
}

// newMoments does what moments() of scripts/sbibm-fixtures.py does.
func newMoments(x flow.Batch) moments {
	var m moments
	n := float64(x.N)
	var z [][]float64
	for j := range x.D {
		column := make([]float64, x.N)
		for i := range column {
			column[i] = x.Row(i)[j]
		}
		mean, std := meanStd(column)
		influence := make([]float64, x.N)
		for i, v := range column {
			if column[i] = 0; std > 0 {
				column[i] = (v - mean) / std
			}
			influence[i] = std * (column[i]*column[i] - 1) / 2
		}
		_, spread := meanStd(influence)
		m.Mean, m.MeanError = append(m.Mean, mean), append(m.MeanError, std/math.Sqrt(n))
		m.Std, m.StdError = append(m.Std, std), append(m.StdError, spread/math.Sqrt(n))
		z = append(z, column)
	}
	for j := range x.D - 1 {
		product := make([]float64, x.N)
		for i := range product {
			product[i] = z[j][i] * z[j+1][i]
		}
		r, _ := meanStd(product)
		for i, p := range product {
			product[i] = p - r*(z[j][i]*z[j][i]+z[j+1][i]*z[j+1][i])/2
		}
		_, spread := meanStd(product)
		m.Next, m.NextError = append(m.Next, r), append(m.NextError, spread/math.Sqrt(n))
	}
	return m
}

func meanStd(x []float64) (mean, std float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v
	}
	mean /= n // of equal whole numbers exactly that number
	for _, v := range x {
		std += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(std / n)
}

// compare fails where the moments of two samples are more than five standard errors apart. Of
// the two thousand comparisons of this file one fails by chance for one in some nine hundred
// seeds.
func (m moments) compare(t *testing.T, what string, want moments) {
	t.Helper()
	worst := 0.0
	for _, p := range []struct {
		name                string
		a, aErr, want, wErr []float64
	}{
		{"mean", m.Mean, m.MeanError, want.Mean, want.MeanError},
		{"standard deviation", m.Std, m.StdError, want.Std, want.StdError},
		{"correlation with the next", m.Next, m.NextError, want.Next, want.NextError},
	} {
		if len(p.a) != len(p.want) {
			t.Fatalf("%s: %s of %d columns, want %d", what, p.name, len(p.a), len(p.want))
		}
		for j, a := range p.a {
			// 1e-6 is for the digits of the file.
			apart := max(math.Abs(a-p.want[j])-1e-6*math.Abs(p.want[j]), 0)
			sigma := math.Hypot(p.aErr[j], p.wErr[j])
			if apart > 5*sigma {
				t.Errorf("%s: %s of column %d is %.6g, want %.6g; a standard error of the difference is %.2g",
					what, p.name, j+1, a, p.want[j], sigma)
			}
			if sigma > 0 {
				worst = max(worst, apart/sigma)
			}
		}
	}
	t.Logf("%s: within %.1f standard errors", what, worst)
}

func readFixture(t *testing.T) fixture {
	t.Helper()
	b, err := os.ReadFile("testdata/moments.json")
	if err != nil {
		t.Fatal(err)
	}
	var f fixture
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func byName(t *testing.T, name string) *Simulator {
	t.Helper()
	s, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSimulationsHaveTheMomentsOfSbibm(t *testing.T) {
	f := readFixture(t)
	if len(f.Tasks) != len(Names()) {
		t.Fatalf("the fixture has %d tasks, want %d", len(f.Tasks), len(Names()))
	}
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			s := byName(t, name)
			for k, at := range f.Tasks[name].At {
				theta, x := flow.NewBatch(f.Simulations, len(s.Params)), flow.NewBatch(f.Simulations, len(s.Data))
				for i := range theta.N {
					copy(theta.Row(i), at.Theta)
				}
				if err := s.Simulate(x, theta, seed.Rand(uint64(k), "test", 0)); err != nil {
					t.Fatal(err)
				}
				if f.Tasks[name].Arsinh {
					for i, v := range x.X {
						x.X[i] = math.Asinh(v)
					}
				}
				newMoments(x).compare(t, name, at.moments)
			}
		})
	}
}

func TestPriorsAreThoseOfSbibm(t *testing.T) {
	f := readFixture(t)
	for _, name := range Names() {
		s, want := byName(t, name), f.Tasks[name].Prior
		theta := flow.NewBatch(f.Simulations, len(s.Params))
		s.Prior.Sample(theta, seed.Rand(1, "test", 0))
		if box := s.Prior.Box(); box != nil && math.IsInf(box.Hi[0], 1) {
			for i, v := range theta.X {
				theta.X[i] = math.Log(v)
			}
		}
		newMoments(theta).compare(t, name, want.moments)
		for i, at := range want.Theta {
			var logp [1]float64
			s.Prior.LogProb(logp[:], flow.Batch{N: 1, D: len(at), X: at})
			if math.Abs(logp[0]-want.LogP[i]) > 1e-5*max(1, math.Abs(want.LogP[i])) { // sbibm's are float32
				t.Errorf("%s: log density %.7g at %v, want %.7g", name, logp[0], at, want.LogP[i])
			}
		}
	}
}

// sbibm keeps these in files; here they are drawn again.
func TestRandomPartsAreThoseOfSbibm(t *testing.T) {
	want, law := readFixture(t).Parts, distractors()
	if !slices.Equal(law.order, want.Permutation) {
		t.Errorf("order %v, want %v", law.order, want.Permutation)
	}
	var mean, root, row []float64
	for k := range law.mean {
		mean, root = append(mean, total(law.mean[k], false)), append(root, total(law.root[k], true))
	}
	for _, v := range design() {
		row = append(row, total(v, false))
	}
	for _, p := range []struct {
		what      string
		got, want []float64
	}{{"means", mean, want.Loc}, {"roots", root, want.Scale}, {"design matrix", row, want.Design}} {
		if len(p.got) != len(p.want) {
			t.Fatalf("%s: %d sums, want %d", p.what, len(p.got), len(p.want))
		}
		for i, v := range p.got {
			if math.Abs(v-p.want[i]) > 1e-6*max(1, math.Abs(p.want[i])) {
				t.Errorf("%s: sum %d is %.8g, want %.8g", p.what, i, v, p.want[i])
			}
		}
	}
}

func total(x []float64, absolute bool) float64 {
	sum := 0.0
	for _, v := range x {
		if absolute {
			v = math.Abs(v)
		}
		sum += v
	}
	return sum
}
