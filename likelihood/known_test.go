package likelihood

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

// Fields that offer less than they could.
type (
	onlyVJP   struct{ flow.Differentiable }
	onlyDiv   struct{ flow.Diverger }
	onlyField struct{ flow.Field }
)

func tight() ode.Solver {
	return ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-9, ATol: 1e-9}, MaxNFE: 100_000}
}

func normals(n, d int, scale float64, seedOf uint64) flow.Batch {
	x := flow.NewBatch(n, d)
	flow.Gaussian{Std: scale}.Sample(x, seed.Rand(seedOf, "test/points", 0))
	return x
}

func largestGap(a, b []float64) float64 {
	worst := 0.0
	for i := range a {
		d := math.Abs(a[i] - b[i])
		if math.IsNaN(d) {
			return math.NaN()
		}
		worst = max(worst, d)
	}
	return worst
}

// linear is a field on R^d without symmetry, its flow a matrix exponential.
func linear(d int, seedOf uint64) flowtest.Linear {
	rng := seed.Rand(seedOf, "test/linear", 0)
	l := flowtest.Linear{A: make([]float64, d*d), B: make([]float64, d)}
	for i := range l.A {
		l.A[i] = 0.5 * rng.NormFloat64()
	}
	for i := range l.B {
		l.B[i] = rng.NormFloat64()
	}
	return l
}

// A Gaussian pushed by x' = Ax + b stays Gaussian: log p_1(x) = log p_0(φ⁻¹(x)) − tr A.
// D = 12 is an image of 3 x 2 x 2: a divergence that sums over the first axis of the
// data alone, or over channels, is right for D = 1 and wrong here.
func TestLogProbUnderALinearFieldIsExact(t *testing.T) {
	for _, d := range []int{1, 2, 12} {
		l := linear(d, 1)
		x1 := normals(20, d, 1, 2)
		back := x1.Clone()
		l.Flow(back.X, -1)
		want := make([]float64, 20)
		flow.Gaussian{Std: 1.5}.LogProb(want, back)
		for i := range want {
			want[i] -= l.Trace()
		}
		for name, f := range map[string]flow.Field{"VelocityDiv": onlyDiv{l}, "VJPs": onlyVJP{l}} {
			p := Problem{Field: f, Source: flow.Gaussian{Std: 1.5}, Solver: tight()}
			got, x0, st, err := p.LogProb(context.Background(), x1)
			if err != nil {
				t.Fatal(err)
			}
			// tolerance 1e-9 a step, tens of steps, log p_0 with slopes of about 10
			if gap := largestGap(got, want); !(gap < 1e-6) {
				t.Errorf("D=%d by %s: log p is off by %.2g, want at most 1e-6; %+v", d, name, gap, st)
			}
			if gap := largestGap(x0.X, back.X); !(gap < 1e-6) {
				t.Errorf("D=%d by %s: x0 is off by %.2g, want at most 1e-6", d, name, gap)
			}
		}
	}
}

func TestLogProbOfAMixtureIsItsDensity(t *testing.T) {
	for _, s := range []path.Scheduler{path.CondOT{}, path.VP{}, path.Cosine{}} {
		m := flowtest.TwoModes(s)
		lo, hi := s.Domain()
		x1 := normals(100, 2, 1.5, 3)
		want := make([]float64, x1.N)
		if err := m.LogProb(want, hi, x1.X); err != nil {
			t.Fatal(err)
		}
		p := Problem{Field: m, Source: mixtureAt{m, lo}, Lo: lo, Hi: hi, Solver: tight()}
		got, _, st, err := p.LogProb(context.Background(), x1)
		if err != nil {
			t.Fatal(err)
		}
		gap := largestGap(got, want)
		t.Logf("%T: log p is off by %.2g; %+v", s, gap, st)
		if !(gap < 1e-6) {
			t.Errorf("%T: log p is off by %.2g, want at most 1e-6", s, gap)
		}
	}
}

// mixtureAt is the exact law of x at time t. For VP it is N(0, I) only nearly.
type mixtureAt struct {
	known interface {
		LogProb(logp []float64, t float64, x []float64) error
	}
	t float64
}

func (m mixtureAt) LogProb(logp []float64, x flow.Batch) {
	if err := m.known.LogProb(logp, m.t, x.X); err != nil {
		panic(err)
	}
}

func (mixtureAt) Sample(flow.Batch, *rand.Rand) { panic("not sampled here") }

// flow_matching#55: whether a computed likelihood integrates to one.
func TestTheDensityIntegratesToOne(t *testing.T) {
	m, err := field.NewMixture(path.CondOT{}, field.Component{Weight: 0.4, Mean: []float64{-2}, Std: 0.3},
		field.Component{Weight: 0.6, Mean: []float64{1}, Std: 0.8})
	if err != nil {
		t.Fatal(err)
	}
	one := Problem{Field: m, Source: flow.Gaussian{}, Solver: tight()}
	two := Problem{Field: flowtest.TwoModes(path.CondOT{}), Source: flow.Gaussian{}, Solver: ode.Solver{
		Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-6, ATol: 1e-6}}}
	for _, c := range []struct {
		name string
		p    Problem
		n    int // grid points per axis
		half float64
		axes int
	}{{"in one dimension", one, 401, 8, 1}, {"in two dimensions", two, 81, 6, 2}} {
		step := 2 * c.half / float64(c.n-1)
		total := 1
		for range c.axes {
			total *= c.n
		}
		x := flow.NewBatch(total, c.axes)
		for i := range x.N {
			for j, k := 0, i; j < c.axes; j, k = j+1, k/c.n {
				x.Row(i)[j] = -c.half + step*float64(k%c.n)
			}
		}
		logp, _, st, err := c.p.LogProb(context.Background(), x)
		if err != nil {
			t.Fatal(err)
		}
		mass := 0.0
		for _, v := range logp {
			mass += math.Exp(v)
		}
		mass *= math.Pow(step, float64(c.axes))
		t.Logf("%s: mass %.9f from %d points, NFE %d", c.name, mass, x.N, st.NFE)
		// The trapezoidal rule on smooth densities that vanish at the ends is exact to
		// many digits, the tails beyond ±6 hold less than 1e-9.
		if math.Abs(mass-1) > 1e-4 {
			t.Errorf("%s: the density integrates to %.6f, want 1 within 1e-4", c.name, mass)
		}
	}
}

func TestSampleReturnsTheLogProbOfWhatItReturns(t *testing.T) {
	m := flowtest.TwoModes(path.CondOT{})
	x0 := normals(64, 2, 1, 4)
	keep := x0.Clone()
	p := Problem{Field: m, Source: flow.Gaussian{}, Solver: tight()}
	x1, logp, st, err := p.Sample(context.Background(), x0)
	if err != nil || st.LastT != 1 {
		t.Fatal(st, err)
	}
	if largestGap(x0.X, keep.X) != 0 {
		t.Error("Sample modified x0")
	}
	again, back, _, err := p.LogProb(context.Background(), x1)
	if err != nil {
		t.Fatal(err)
	}
	exact := make([]float64, x1.N)
	if err := m.LogProb(exact, 1, x1.X); err != nil {
		t.Fatal(err)
	}
	for what, gap := range map[string]float64{
		"Sample and LogProb":     largestGap(logp, again),
		"Sample and the density": largestGap(logp, exact),
		"x0 and there and back":  largestGap(back.X, x0.X),
	} {
		if !(gap < 1e-6) {
			t.Errorf("%s differ by %.2g, want at most 1e-6", what, gap)
		}
	}
}

func TestBitsPerDim(t *testing.T) {
	for _, c := range []struct {
		name       string
		logp       float64
		d          int
		width, out float64
	}{
		// The uniform density on [−1, 1]^d gives 256 levels 8 bits each.
		{"uniform on [−1,1]", -3072 * math.Log(2), 3072, 2. / 256, 8},
		{"uniform on [0,1]", 0, 784, 1. / 256, 8},
		{"uniform on [0,256]", -10 * math.Log(256), 10, 1, 8},
		{"the paper's map, −log p/(d log 2) + 7", 5, 4, 2. / 256, -5/(4*math.Ln2) + 7},
		{"a point mass: one bin of density 1/width", -math.Log(0.25), 1, 0.25, 0},
	} {
		if got := BitsPerDim(c.logp, c.d, c.width); math.Abs(got-c.out) > 1e-12 {
			t.Errorf("%s: got %.15g, want %.15g", c.name, got, c.out)
		}
	}
}
