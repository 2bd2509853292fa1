package field_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

// A large sample of the mixture is a data set whose Marginal must tend to the
// Mixture: the two fields share no code but the schedule.
func TestTheMarginalOfALargeSampleTendsToTheMixture(t *testing.T) {
	const m = 20000
	s := path.CondOT{}
	f := flowtest.TwoModes(s)
	x1 := flow.NewBatch(m, 2)
	f.Sample(x1, seed.Rand(51, "large sample", 0))
	g := marginal(t, s, x1, nil)
	x := []float64{0, 0, 0.5, -0.5, -1, 0.3}
	const at = 0.3
	c := s.At(at)
	want, got := velocity(t, f, at, x), velocity(t, g, at, x)
	for i := range 3 {
		xi := x[2*i : 2*i+2]
		// x̂_1 is an average of m points under w: its error is about the spread of
		// x_1 (1.2) over the root of the effective sample size 1/Σ w².
		sum, sumSq := 0.0, 0.0
		for j := range m {
			r := math.Hypot(xi[0]-c.Alpha*x1.Row(j)[0], xi[1]-c.Alpha*x1.Row(j)[1])
			w := math.Exp(-0.5 * r * r / (c.Sigma * c.Sigma))
			sum, sumSq = sum+w, sumSq+w*w
		}
		_, b := c.Convert(path.Data, path.Velocity)
		tol := 4 * math.Abs(b) * 1.2 * math.Sqrt(sumSq) / sum
		for d := range 2 {
			within(t, fmt.Sprintf("velocity %d at %v", d, xi), got[2*i+d], want[2*i+d], tol)
		}
	}
}

// With −σ score = E[x_0|x], the score and the velocity are conversions of one another.
func TestTheMixturesScoreAndVelocityAreConversionsOfEachOther(t *testing.T) {
	for _, s := range flowtest.Schedules() {
		f := flowtest.TwoModes(s)
		lo, hi := path.Span(s, path.Score)
		for _, share := range []float64{0, 0.3, 0.7, 1} {
			at := lo + share*(hi-lo)
			x := normals(6, 2, path.Source(s).Std, 14).X
			score := make([]float64, len(x))
			if err := f.Score(score, at, x); err != nil {
				t.Fatal(err)
			}
			a, b := s.At(at).Convert(path.Score, path.Velocity)
			for i, v := range velocity(t, f, at, x) {
				got := a*x[i] + b*score[i]
				within(t, fmt.Sprintf("%s, t = %g, element %d", s.Name, at, i), got, v,
					1e-9*(1+math.Abs(a*x[i])+math.Abs(b*score[i])))
			}
		}
	}
}

func TestTheScoreIsTheGradientOfTheLogDensity(t *testing.T) {
	f := flowtest.TwoModes(path.VP{})
	x := normals(5, 2, 1, 15).X
	for _, at := range []float64{0, 0.5, 0.99} {
		score := make([]float64, len(x))
		if err := f.Score(score, at, x); err != nil {
			t.Fatal(err)
		}
		for d := range 2 {
			grad := fivePoint(1e-3, func(h float64) []float64 {
				y := append([]float64(nil), x...)
				for i := d; i < len(y); i += 2 {
					y[i] += h
				}
				return logp(t, f, at, y)
			})
			for i, g := range grad {
				within(t, fmt.Sprintf("t = %g, point %d, coordinate %d", at, i, d), score[2*i+d], g,
					1e-8*(1+math.Abs(g)))
			}
		}
	}
}

func TestSamplesHaveTheMixturesMoments(t *testing.T) {
	x := flow.NewBatch(20000, 2)
	flowtest.TwoModes(path.CondOT{}).Sample(x, seed.Rand(61, "sample", 0))
	reachesTwoModes(t, path.Coef{Alpha: 1}, x)
}

func TestACovarianceWrittenOutEqualsTheIsotropicOne(t *testing.T) {
	s := path.Cosine{}
	mean := []float64{1, 2, 3}
	round, err := field.NewMixture(s, field.Component{Weight: 1, Mean: mean, Std: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	full, err := field.NewMixture(s, field.Component{Weight: 1, Mean: mean,
		Cov: []float64{0.25, 0, 0, 0, 0.25, 0, 0, 0, 0.25}})
	if err != nil {
		t.Fatal(err)
	}
	x := normals(4, 3, 1, 16).X
	want := velocity(t, round, 0.6, x)
	for i, v := range velocity(t, full, 0.6, x) {
		within(t, fmt.Sprintf("element %d", i), v, want[i], 1e-14*(1+math.Abs(want[i])))
	}
}

func TestAMixtureThatIsNoneIsAnErrorThatNamesTheComponent(t *testing.T) {
	ok := field.Component{Weight: 0.5, Mean: []float64{0, 0}, Std: 1}
	for _, c := range []struct {
		name string
		bad  field.Component
		want string
	}{
		{"weights that sum to 1.1", field.Component{Weight: 0.6, Mean: []float64{0, 0}, Std: 1}, "sum to 1.1, want 1"},
		{"a negative weight", field.Component{Weight: -0.5, Mean: []float64{0, 0}, Std: 1}, "component 1: weight -0.5"},
		{"no spread", field.Component{Weight: 0.5, Mean: []float64{0, 0}}, "component 1: standard deviation 0"},
		{"a mean of another dimension", field.Component{Weight: 0.5, Mean: []float64{0}, Std: 1},
			"component 1: mean of 1 coordinates, component 0 has 2"},
		{"an indefinite covariance", field.Component{Weight: 0.5, Mean: []float64{0, 0}, Cov: []float64{1, 2, 2, 1}},
			"component 1: covariance is not positive definite: its smallest eigenvalue is -1"},
		{"a singular covariance", field.Component{Weight: 0.5, Mean: []float64{0, 0}, Cov: []float64{1, 1, 1, 1}},
			"component 1: covariance is not positive definite"},
		{"an asymmetric covariance",
			field.Component{Weight: 0.5, Mean: []float64{0, 0}, Cov: []float64{1, 0.1, 0.2, 1}},
			"component 1: covariance is not symmetric: [1, 0] is 0.2, [0, 1] is 0.1"},
		{"a covariance of the wrong size", field.Component{Weight: 0.5, Mean: []float64{0, 0}, Cov: []float64{1}},
			"component 1: covariance of 1 values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := field.NewMixture(path.CondOT{}, ok, c.bad); err == nil ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that says %q", err, c.want)
			}
		})
	}
	if err := flowtest.TwoModes(path.LinearVP{}).Velocity(make([]float64, 2), 1, make([]float64, 2)); err == nil ||
		!strings.Contains(err.Error(), "t = 1") {
		t.Errorf("outside the domain: got error %v, want one that says t = 1", err)
	}
}

func Example() {
	// Two data points on a line, half way along the optimal transport path.
	x1 := flow.Batch{N: 2, D: 1, X: []float64{-1, 1}}
	m, err := field.NewMarginal(path.CondOT{}, x1, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	x := []float64{0, 0.1, 0.5}
	v := make([]float64, 3)
	if err := m.Velocity(v, 0.5, x); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("velocity %.3f\n", v) // (tanh(2x) − x)/(1 − t)
	// Output: velocity [0.000 0.195 0.523]
}
