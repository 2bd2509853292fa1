package path_test

import (
	"fmt"
	"math"
	"testing"

	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

func TestEverySchedulePassesTheSuite(t *testing.T) {
	for _, s := range flowtest.Schedules() {
		t.Run(s.Name, func(t *testing.T) { flowtest.TestScheduler(t, s.Scheduler) })
	}
}

func within(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %.15g, want %.15g, difference %g, tolerance %g", what, got, want, got-want, tol)
	}
}

// one is a batch of a single number.
func one(v float64) flow.Batch { return flow.Batch{N: 1, D: 1, X: []float64{v}} }

func conditional(s path.Scheduler, at, x, x1 float64) float64 {
	u := flow.NewBatch(1, 1)
	if err := path.ConditionalVelocity(u, s.At(at), one(x), one(x1)); err != nil {
		return math.NaN() // which no tolerance lets pass
	}
	return u.X[0]
}

func interpolate(t *testing.T, xt, ut flow.Batch, s path.Scheduler, at []float64, x0, x1 flow.Batch) {
	t.Helper()
	if err := path.Interpolate(xt, ut, s, at, x0, x1); err != nil {
		t.Fatal(err)
	}
}

func TestTheConditionalFieldsAreThoseThePaperWrites(t *testing.T) {
	const seedOf = 3
	rng := seed.Rand(seedOf, "paper fields", 0)
	for range 200 {
		at, x, x1 := 0.999*rng.Float64(), rng.NormFloat64(), rng.NormFloat64()
		name := fmt.Sprintf("t = %g, x = %g, x1 = %g, seed %d", at, x, x1, seedOf)

		// Eq. 21: the optimal transport field.
		for _, sigmaMin := range []float64{0, 1e-4, 0.1} {
			want := (x1 - (1-sigmaMin)*x) / (1 - (1-sigmaMin)*at)
			within(t, "OT, "+name, conditional(path.CondOT{SigmaMin: sigmaMin}, at, x, x1), want,
				1e-12*(1+math.Abs(x)+math.Abs(x1))/(1-0.999*at)/1e-3)
		}

		// Eq. 19: the VP field, with T(s) and T'(s) of appendix E.1, β 0.1 and 20.
		s := 1 - at
		T, dT := 0.1*s+0.5*s*s*19.9, 0.1+s*19.9
		want := -dT / 2 * (math.Exp(-T)*x - math.Exp(-T/2)*x1) / (1 - math.Exp(-T))
		within(t, "VP, "+name, conditional(path.VP{}, at, x, x1), want, 1e-10*(1+math.Abs(want)))

		// Eq. 17: the VE field, σ_s = 0.01 · 5000^s.
		sigma := 0.01 * math.Pow(5000, s)
		dSigma := math.Log(5000) * sigma
		within(t, "VE, "+name, conditional(path.VE{}, at, x, x1), -dSigma/sigma*(x-x1),
			1e-11*(math.Abs(x)+math.Abs(x1)))
	}
}

func TestEverySchedulesEndsAreNoiseAndData(t *testing.T) {
	for _, c := range []struct {
		s          path.Scheduler
		start, end path.Coef // α and σ only
		tol        float64
	}{
		{path.CondOT{}, path.Coef{Alpha: 0, Sigma: 1}, path.Coef{Alpha: 1, Sigma: 0}, 0},
		{path.CondOT{SigmaMin: 0.1}, path.Coef{Alpha: 0, Sigma: 1}, path.Coef{Alpha: 1, Sigma: 0.1}, 0},
		// E.1: α(0) = exp(−(0.1 + 19.9/2)/2); at 1−1e-5, σ² = T = 1e-6 to first order.
		{path.VP{}, path.Coef{Alpha: 0.0065715, Sigma: 0.99997841}, path.Coef{Alpha: 1, Sigma: 1.0005e-3}, 1e-6},
		{path.VE{}, path.Coef{Alpha: 1, Sigma: 50}, path.Coef{Alpha: 1, Sigma: 0.01}, 1e-12},
		{path.Cosine{}, path.Coef{Alpha: 0, Sigma: 1}, path.Coef{Alpha: 1, Sigma: 0}, 1e-16},
		{path.Poly{N: 3}, path.Coef{Alpha: 0, Sigma: 1}, path.Coef{Alpha: 1, Sigma: 0}, 0},
		{path.LinearVP{}, path.Coef{Alpha: 0, Sigma: 1}, path.Coef{Alpha: 1, Sigma: math.Sqrt(2e-5)}, 1.1e-5},
	} {
		lo, hi := c.s.Domain()
		name := fmt.Sprintf("%#v", c.s)
		within(t, name+" alpha(lo)", c.s.At(lo).Alpha, c.start.Alpha, c.tol)
		within(t, name+" sigma(lo)", c.s.At(lo).Sigma, c.start.Sigma, c.tol)
		within(t, name+" alpha(hi)", c.s.At(hi).Alpha, c.end.Alpha, c.tol)
		within(t, name+" sigma(hi)", c.s.At(hi).Sigma, c.end.Sigma, c.tol)
	}
}

func TestVariancePreservingMeansAlphaSquaredPlusSigmaSquaredIsOne(t *testing.T) {
	for _, s := range []path.Scheduler{path.VP{}, path.VP{BetaMin: 1, BetaMax: 5}, path.Cosine{}, path.LinearVP{}} {
		for i := range 101 {
			_, hi := s.Domain()
			c := s.At(hi * float64(i) / 100)
			within(t, fmt.Sprintf("%#v at %d%%", s, i), c.Alpha*c.Alpha+c.Sigma*c.Sigma, 1, 1e-15*4)
		}
	}
}

// (x_1 − x_t)/(1 − t), the same number on paper, has no digit left at t = 1−1e-15
// and is NaN at 1. The target must come from x_0.
func TestTheTargetKeepsItsDigitsAsTimeGoesToOne(t *testing.T) {
	s := path.CondOT{}
	x0, x1 := one(0.3), one(1.7)
	worst := 0.0
	for _, at := range []float64{0.5, 1 - 1e-6, 1 - 1e-12, 1 - 1e-15, 1} {
		xt, ut := flow.NewBatch(1, 1), flow.NewBatch(1, 1)
		interpolate(t, xt, ut, s, []float64{at}, x0, x1)
		within(t, fmt.Sprintf("u_t at %.16g", at), ut.X[0], 1.7-0.3, 1e-15)
		if naive := (1.7 - xt.X[0]) / (1 - at); at < 1 {
			worst = max(worst, math.Abs(naive-1.4))
		}
	}
	if worst < 1e-3 {
		t.Errorf("the naive target was wrong by at most %g: this test no longer shows what it should", worst)
	}
}

func TestInterpolateTakesEachRowAtItsOwnTime(t *testing.T) {
	x0 := flow.Batch{N: 3, D: 2, X: []float64{1, 2, 3, 4, 5, 6}}
	x1 := flow.Batch{N: 3, D: 2, X: []float64{-1, 0, 7, 8, 2, 2}}
	xt, ut := flow.NewBatch(3, 2), flow.NewBatch(3, 2)
	interpolate(t, xt, ut, path.CondOT{}, []float64{0, 0.5, 1}, x0, x1)
	wantX := []float64{1, 2, 5, 6, 2, 2}
	wantU := []float64{-2, -2, 4, 4, -3, -4}
	for i := range wantX {
		within(t, fmt.Sprintf("xt[%d]", i), xt.X[i], wantX[i], 0)
		within(t, fmt.Sprintf("ut[%d]", i), ut.X[i], wantU[i], 0)
	}
	// In place, x0 becomes xt and x1 becomes ut.
	interpolate(t, x0, x1, path.CondOT{}, []float64{0, 0.5, 1}, x0, x1)
	for i := range wantX {
		within(t, fmt.Sprintf("xt[%d] in place", i), x0.X[i], wantX[i], 0)
		within(t, fmt.Sprintf("ut[%d] in place", i), x1.X[i], wantU[i], 0)
	}
}

func TestShapesThatDoNotMatchAreErrorsWithBothShapes(t *testing.T) {
	b, short, cut := flow.NewBatch(3, 2), flow.NewBatch(2, 2), flow.Batch{N: 3, D: 2, X: make([]float64, 5)}
	at := make([]float64, 3)
	for _, c := range []struct {
		err  error
		want string
	}{
		{path.Interpolate(b, b, path.CondOT{}, at, short, b),
			"path: Interpolate: batches differ: [2, 2] of 4 values beside [3, 2]"},
		{path.Interpolate(b, b, path.CondOT{}, at, b, cut), "path: Interpolate: a batch of shape [3, 2] has 5 values"},
		{path.Interpolate(b, b, path.CondOT{}, at[:2], b, b), "path: Interpolate: 2 times for 3 points"},
		{path.ConditionalVelocity(cut, path.Coef{}, b, b),
			"path: ConditionalVelocity: batches differ: [3, 2] of 5 values beside [3, 2]"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("got error %v, want %q", c.err, c.want)
		}
	}
}

// One coordinate of a point and its velocity are what Interpolate writes, to the bit.
func TestPointAndVelocityAreThoseOfInterpolate(t *testing.T) {
	x0, x1 := one(0.3), one(-1.7)
	for _, name := range path.Names() {
		s, err := path.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := s.Domain()
		for _, share := range []float64{0, 0.3, 1} {
			at := lo + share*(hi-lo)
			xt, ut, c := flow.NewBatch(1, 1), flow.NewBatch(1, 1), s.At(at)
			interpolate(t, xt, ut, s, []float64{at}, x0, x1)
			within(t, name+": point", c.Point(-1.7, 0.3), xt.X[0], 0)
			within(t, name+": velocity", c.Velocity(-1.7, 0.3), ut.X[0], 0)
			within(t, name+": x_t", xt.X[0], c.Alpha*-1.7+c.Sigma*0.3, 1e-15)
			within(t, name+": u_t", ut.X[0], c.DAlpha*-1.7+c.DSigma*0.3, 1e-12*math.Abs(c.DSigma))
		}
	}
}

func TestSpanTrimsOnlyTheEndsThatAreSingular(t *testing.T) {
	const d = path.Trim
	end := 1 - 1e-5
	for _, c := range []struct {
		s      path.Scheduler
		p      path.Prediction
		lo, hi float64
	}{
		{path.CondOT{}, path.Velocity, 0, 1},
		{path.CondOT{}, path.Data, 0, 1 - d},
		{path.CondOT{SigmaMin: 1e-4}, path.Data, 0, 1}, // σ(1) > 0: nothing to avoid
		{path.CondOT{SigmaMin: 1e-9}, path.Data, 0, 1 - d},
		{path.CondOT{}, path.Noise, d, 1},
		{path.CondOT{}, path.Score, d, 1 - d},
		{path.VP{}, path.Data, 0, end},
		{path.VP{}, path.Noise, 0, end},
		{path.VP{}, path.Score, 0, end},
		{path.VE{}, path.Data, 0, 1},
		{path.VE{}, path.Noise, 0, 1},
		{path.VE{}, path.Score, 0, 1},
		{path.Cosine{}, path.Data, 0, 1 - d}, // cos(π/2) is 6e-17, not 0
		{path.Cosine{}, path.Noise, d, 1},
		{path.Poly{N: 3}, path.Noise, d, 1},
		{path.Poly{N: 3}, path.Data, 0, 1 - d},
		{path.LinearVP{}, path.Noise, d * end, end},
	} {
		lo, hi := path.Span(c.s, c.p)
		name := fmt.Sprintf("Span(%#v, %v)", c.s, c.p)
		within(t, name+" lo", lo, c.lo, 1e-15)
		within(t, name+" hi", hi, c.hi, 1e-15)
	}
}

func TestInnerKeepsTwiceAsFarFromWhatIsSingular(t *testing.T) {
	const d = path.Trim
	const end = 1 - 1e-5
	for _, c := range []struct {
		s      path.Scheduler
		p      path.Prediction
		lo, hi float64
	}{
		{path.CondOT{}, path.Velocity, 0, 1},
		{path.CondOT{}, path.Data, 0, 1 - 2*d},
		{path.CondOT{}, path.Noise, 2 * d, 1},
		{path.CondOT{}, path.Score, 2 * d, 1 - 2*d},
		{path.Cosine{}, path.Data, 0, 1 - 2*d},
		// σ(1) = 1e-4 divides an error as 1 - t = 1e-4 does (up to α̇ = 1 - σ_min).
		{path.CondOT{SigmaMin: 1e-4}, path.Data, 0, 1 - 1e-4},
		{path.CondOT{SigmaMin: 1e-4}, path.Velocity, 0, 1},
		{path.CondOT{SigmaMin: 0.1}, path.Data, 0, 1},
		{path.VP{}, path.Velocity, 0, 1 - 2e-5},
		{path.VP{}, path.Data, 0, 1 - 2e-5},
		{path.VP{}, path.Noise, 0, 1 - 2e-5},
		{path.LinearVP{}, path.Noise, 2 * d * end, 1 - 2e-5},
		{path.VE{}, path.Velocity, 0, 1},
		{path.VE{}, path.Data, 0, 1},
		{path.VE{}, path.Noise, 0, 1},
		{path.VE{SigmaMax: 200}, path.Score, 0, 1},
		// A domain of its own that ends far from 0 and 1 is not one that stops short of them.
		{path.Func{Fn: path.CondOT{}.At, Lo: 0.25, Hi: 0.75}, path.Data, 0.25, 0.75},
	} {
		lo, hi := path.Inner(c.s, c.p, 1)
		name := fmt.Sprintf("Inner(%T, %v)", c.s, c.p)
		within(t, name+" lo", lo, c.lo, 1e-15)
		within(t, name+" hi", hi, c.hi, 2e-8)
	}
	// A quarter of the span at most is left out at an end.
	short := path.Func{Fn: path.CondOT{SigmaMin: 0.009}.At, Lo: 0.999, Hi: 1}
	if lo, hi := path.Inner(short, path.Data, 1); math.Abs(lo-0.99925) > 1e-12 || math.Abs(hi-0.99975) > 1e-12 {
		t.Errorf("a short span: from %g to %g, want 0.99925 to 0.99975", lo, hi)
	}
}

func TestOnItsSpanEveryConversionToVelocityIsFiniteAndModerate(t *testing.T) {
	for _, s := range flowtest.Schedules() {
		for p := path.Velocity; p <= path.Score; p++ {
			lo, hi := path.Span(s, p)
			for i := range 1001 {
				at := min(lo+(hi-lo)*float64(i)/1000, hi)
				if a, b := s.At(at).Convert(p, path.Velocity); !(math.Abs(a) <= 1e6 && math.Abs(b) <= 1e6) {
					t.Fatalf("%s, %v at t = %g: a = %g, b = %g", s.Name, p, at, a, b)
				}
			}
		}
	}
}

// The conversions are linear, so they hold for conditional means. With x_1 ~
// N(m, S²) all four means are known: E[x_1|x], E[x_0|x] by linear regression, the
// score of N(αm, α²S² + σ²) and the velocity.
func TestConversionsHoldForTheConditionalMeansOfAGaussian(t *testing.T) {
	const m, S = 0.7, 1.3
	for _, s := range flowtest.Schedules() {
		for _, at := range []float64{0.1, 0.5, 0.9} {
			c := s.At(at)
			x := 0.4
			v := c.Alpha*c.Alpha*S*S + c.Sigma*c.Sigma
			data := m + c.Alpha*S*S/v*(x-c.Alpha*m)
			noise := c.Sigma / v * (x - c.Alpha*m)
			want := []float64{path.Velocity: c.DAlpha*data + c.DSigma*noise, path.Data: data, path.Noise: noise,
				path.Score: -(x - c.Alpha*m) / v}
			for from := range want {
				for to := range want {
					a, b := c.Convert(path.Prediction(from), path.Prediction(to))
					got := a*x + b*want[from]
					within(t, fmt.Sprintf("%s t=%g %v to %v", s.Name, at, path.Prediction(from), path.Prediction(to)),
						got, want[to], 1e-11*(1+math.Abs(a*x)+math.Abs(b*want[from])))
				}
			}
		}
	}
}

// g² of the reverse diffusion, in the closed forms of the literature.
func TestDiffusionIsThatOfTheNamedProcesses(t *testing.T) {
	for _, at := range []float64{1e-3, 0.3, 0.9, 1 - 1e-5} {
		s := 1 - at
		ve := 2 * math.Log(50/0.01) * square(0.01*math.Pow(50/0.01, s)) // dσ²/ds
		for _, c := range []struct {
			s    path.Scheduler
			want float64
		}{
			{path.VP{}, 0.1 + 19.9*s},
			{path.VP{BetaMin: 1, BetaMax: 3}, 1 + 2*s},
			{path.VE{}, ve},
			{path.CondOT{}, 2 * s / at},
		} {
			within(t, fmt.Sprintf("%T at %g", c.s, at), c.s.At(at).Diffusion(), c.want, 1e-9*c.want)
		}
	}
	within(t, "VP at 0", path.VP{}.At(0).Diffusion(), 20, 1e-12)
	if g := (path.CondOT{}).At(0).Diffusion(); !math.IsInf(g, 1) {
		t.Errorf("pure noise after a diffusion of rate %g, want +Inf", g)
	}
	for _, s := range flowtest.Schedules() { // v = α̇/α x + ½ g² score
		c := s.At(0.4)
		a, b := c.Convert(path.Score, path.Velocity)
		within(t, s.Name+": drift", a, c.DAlpha/c.Alpha, 1e-12*(1+math.Abs(a)))
		within(t, s.Name+": score", b, 0.5*c.Diffusion(), 1e-12*(1+b))
	}
}

func square(v float64) float64 { return v * v }

func TestThePathAllocatesNothing(t *testing.T) {
	x0, x1, xt, ut := flow.NewBatch(8, 4), flow.NewBatch(8, 4), flow.NewBatch(8, 4), flow.NewBatch(8, 4)
	var s path.Scheduler = path.VP{}
	at := make([]float64, 8)
	if n := testing.AllocsPerRun(10, func() { interpolate(t, xt, ut, s, at, x0, x1) }); n > 0 {
		t.Errorf("Interpolate allocates %g times a call, want 0", n)
	}
}

func BenchmarkInterpolate(b *testing.B) {
	const n, d = 256, 3072 // a batch of CIFAR-10
	x0, x1, xt, ut := flow.NewBatch(n, d), flow.NewBatch(n, d), flow.NewBatch(n, d), flow.NewBatch(n, d)
	at := make([]float64, n)
	b.ReportAllocs()
	b.SetBytes(4 * 8 * n * d)
	for b.Loop() {
		if err := path.Interpolate(xt, ut, path.CondOT{}, at, x0, x1); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	// A network predicts the data point. What velocity is that, half way?
	s, err := path.ByName("condot")
	if err != nil {
		fmt.Println(err)
		return
	}
	a, b := s.At(0.5).Convert(path.Data, path.Velocity)
	fmt.Printf("u = %g x + %g x1\n", a, b)
	lo, hi := path.Span(s, path.Data)
	fmt.Printf("solve from %g to %g, starting with standard deviation %g\n", lo, hi, path.Source(s).Std)
	// Output:
	// u = -2 x + 2 x1
	// solve from 0 to 0.999, starting with standard deviation 1
}
