package likelihood

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/ode"
	"flowmatch/path"
)

// estimates returns the Hutchinson estimates of ∇·v at n copies of the origin, which
// are independent of each other.
func estimates(t *testing.T, f flow.Field, h Hutchinson, n int) []float64 {
	t.Helper()
	d := f.Dim()
	es, err := h.probes(Problem{}.numbers(0, n), d)
	if err != nil {
		t.Fatal(err)
	}
	rhs, err := drift(f, es, n, false)
	if err != nil {
		t.Fatal(err)
	}
	v, div := make([]float64, n*d), make([]float64, n)
	if err := rhs(v, div, nil, 0.5, make([]float64, n*d)); err != nil {
		t.Fatal(err)
	}
	return div
}

func TestHutchinsonIsUnbiasedWithTheVarianceOfItsFormula(t *testing.T) {
	const n, seedOf = 20000, 7
	l := linear(5, 8)
	// Var εᵀJε, S = (J+Jᵀ)/2: Rademacher 2 Σ_{i≠j} S_ij², Gaussian 2 Σ_ij S_ij².
	variance := map[Kind]float64{}
	for i := range 5 {
		for j := range 5 {
			s := (l.A[i*5+j] + l.A[j*5+i]) / 2
			variance[Gaussian] += 2 * s * s
			if i != j {
				variance[Rademacher] += 2 * s * s
			}
		}
	}
	for _, kind := range []Kind{Rademacher, Gaussian} {
		for _, probes := range []int{0, 1, 4, 16} {
			div := estimates(t, l, Hutchinson{Probes: probes, Kind: kind, Seed: seedOf}, n)
			mean, sq := 0.0, 0.0
			for _, v := range div {
				mean += v / n
			}
			for _, v := range div {
				sq += (v - mean) * (v - mean) / (n - 1)
			}
			want := variance[kind] / float64(max(probes, 1))
			if se := math.Sqrt(want / n); math.Abs(mean-l.Trace()) > 4*se {
				t.Errorf("%v, %d probes, seed %d: mean %.5f, want tr A = %.5f within 4 standard errors of %.2g",
					kind, probes, seedOf, mean, l.Trace(), se)
			}
			// The relative standard error of a variance is sqrt((κ−1)/n) with kurtosis
			// κ < 15 for a Gaussian quadratic form: 0.03.
			if math.Abs(sq/want-1) > 4*0.03 {
				t.Errorf("%v, %d probes, seed %d: variance %.5f, want %.5f within 12%%", kind, probes, seedOf, sq, want)
			}
		}
	}
}

func TestProbesHaveUnitSecondMoments(t *testing.T) {
	for _, kind := range []Kind{Rademacher, Gaussian} {
		const n = 100000
		es, err := Hutchinson{Kind: kind, Seed: 3}.probes(Problem{}.numbers(0, n), 2)
		if err != nil {
			t.Fatal(err)
		}
		e := es[0]
		var m1, m2, cross float64
		for i := 0; i < 2*n; i += 2 {
			m1 += (e[i] + e[i+1]) / (2 * n)
			m2 += (e[i]*e[i] + e[i+1]*e[i+1]) / (2 * n)
			cross += e[i] * e[i+1] / n
			if kind == Rademacher && math.Abs(e[i]) != 1 {
				t.Fatalf("a Rademacher probe has the entry %g", e[i])
			}
		}
		// standard errors: 1/√(2n), √2/√(2n), 1/√n, all below 0.0032
		if math.Abs(m1) > 0.0128 || math.Abs(m2-1) > 0.0128 || math.Abs(cross) > 0.0128 {
			t.Errorf("%v: mean %.4f, second moment %.4f, cross moment %.4f; want 0, 1, 0 within 0.0128", kind,
				m1, m2, cross)
		}
	}
}

// A probe drawn again at every evaluation is no function of (t, x): an adaptive
// solver takes the noise for stiffness.
func TestOneProbeServesAWholeSolve(t *testing.T) {
	p := Problem{Field: flowtest.TwoModes(path.CondOT{}), Source: flow.Gaussian{}, Divergence: Hutchinson{Seed: 5},
		Solver: tight()}
	x1 := normals(10, 2, 1, 6)
	c, err := p.chunk(x1, 0, 10, Regularizer{})
	if err != nil {
		t.Fatal(err)
	}
	first, other, again := make([]float64, 30), make([]float64, 30), make([]float64, 30)
	for _, dz := range [][]float64{first, other, again} {
		at := 0.3
		if &dz[0] == &other[0] {
			at = 0.8
		}
		if err := c.f(dz, at, c.z); err != nil {
			t.Fatal(err)
		}
	}
	if largestGap(first, again) != 0 || largestGap(first[20:], other[20:]) == 0 {
		t.Errorf("at the same (t, x): %v, then %v", first[20:], again[20:])
	}
	// and so it costs about what the exact divergence costs
	_, _, random, err := p.LogProb(context.Background(), x1)
	if err != nil {
		t.Fatal(err)
	}
	p.Divergence = Exact{}
	_, _, exact, err := p.LogProb(context.Background(), x1)
	if err != nil || random.NFE > 3*exact.NFE/2 {
		t.Errorf("NFE %d with Hutchinson, %d with the exact divergence; want at most half as much again (%v)",
			random.NFE, exact.NFE, err)
	}
}

func TestHutchinsonLogProbIsUnbiasedAndEqualSeedsGiveEqualBits(t *testing.T) {
	m := flowtest.TwoModes(path.CondOT{})
	const n = 1000
	x1 := flow.NewBatch(n, 2) // one point many times: independent probes
	for i := range n {
		copy(x1.Row(i), []float64{0.4, -0.2})
	}
	exact := make([]float64, 1)
	if err := m.LogProb(exact, 1, x1.Row(0)); err != nil {
		t.Fatal(err)
	}
	for _, h := range []Hutchinson{{Seed: 1}, {Kind: Gaussian, Seed: 1}, {Kind: Gaussian, Probes: 4, Seed: 1}} {
		p := Problem{Field: m, Source: flow.Gaussian{}, Divergence: h,
			Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(25)}}
		logp, _, _, err := p.LogProb(context.Background(), x1)
		if err != nil {
			t.Fatal(err)
		}
		mean, sq := 0.0, 0.0
		for _, v := range logp {
			mean += v / n
		}
		for _, v := range logp {
			sq += (v - mean) * (v - mean) / (n - 1)
		}
		se := math.Sqrt(sq / n)
		if se == 0 || math.Abs(mean-exact[0]) > 4*se+1e-4 { // 25 steps of RK4
			t.Errorf("%+v: mean log p %.5f, want %.5f within 4 standard errors of %.2g", h, mean, exact[0], se)
		}
		again, _, _, _ := p.LogProb(context.Background(), x1.Slice(0, 100))
		if largestGap(again, logp[:100]) != 0 {
			t.Errorf("%+v: equal seeds gave different results", h)
		}
		h.Seed = 2
		p.Divergence = h
		if other, _, _, _ := p.LogProb(context.Background(), x1.Slice(0, 100)); largestGap(other, logp[:100]) == 0 {
			t.Errorf("%+v: another seed gave the same results", h)
		}
	}
}

func TestRademacherIsExactInOneDimension(t *testing.T) {
	f, _ := flowtest.Gaussian(path.CondOT{}, []float64{2}, 0.5)
	x1 := normals(20, 1, 1, 9)
	solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(20)}
	a, _, _, err := Problem{Field: f, Source: flow.Gaussian{}, Solver: solver}.LogProb(context.Background(), x1)
	if err != nil {
		t.Fatal(err)
	}
	b, _, _, err := Problem{Field: f, Source: flow.Gaussian{}, Solver: solver,
		Divergence: Hutchinson{Seed: 1}}.LogProb(context.Background(), x1)
	if err != nil || !(largestGap(a, b) < 1e-12) {
		t.Errorf("exact %v, Rademacher %v (%v); want equal within 1e-12", a[:3], b[:3], err)
	}
}

func TestBatchSizeDoesNotChangeFixedStepResults(t *testing.T) {
	m := flowtest.TwoModes(path.CondOT{})
	x1 := normals(23, 2, 1, 10)
	for _, d := range []Divergence{nil, Hutchinson{Probes: 3, Seed: 4}} {
		p := Problem{Field: m, Source: flow.Gaussian{}, Divergence: d,
			Solver: ode.Solver{Method: ode.Heun2, Control: ode.Fixed(10)}}
		whole, x0, st, err := p.LogProb(context.Background(), x1)
		if err != nil || st.NFE != 20 {
			t.Fatal(st, err)
		}
		p.BatchSize = 5
		parts, y0, st, err := p.LogProb(context.Background(), x1)
		if err != nil || st.NFE != 20 || st.Accepted != 10 {
			t.Errorf("of five parts each point cost %+v (%v), want 20 evaluations and 10 steps", st, err)
		}
		if largestGap(whole, parts) != 0 || largestGap(x0.X, y0.X) != 0 {
			t.Errorf("%T: BatchSize changed the result of fixed steps", d)
		}
	}
}

// Each part of BatchSize has steps of its own; what a point has cost is said of the part
// that took the most.
func TestStatsOfPartsAreThoseOfTheMostExpensive(t *testing.T) {
	net := newTiny(2, 6, 46)
	adaptive := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-6, ATol: 1e-6}}
	p := Problem{Field: net, Source: flow.Gaussian{}, Solver: adaptive, BatchSize: 1}
	x := normals(6, 2, 3, 47)
	var most [4]ode.Stats // LogProb, Sample, Gradient: there and back
	costs := func(x flow.Batch) (st [4]ode.Stats) {
		var errs [3]error
		_, _, st[0], errs[0] = p.LogProb(context.Background(), x)
		_, _, st[1], errs[1] = p.Sample(context.Background(), x)
		g, err := p.Gradient(context.Background(), x, nil)
		st[2], st[3], errs[2] = g.Solve, g.Back, err
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		return st
	}
	differ := false
	for i := range x.N {
		for k, st := range costs(x.Slice(i, i+1)) {
			differ = differ || i > 0 && st.NFE != most[k].NFE
			most[k] = most[k].Max(st)
		}
	}
	if got := costs(x); got != most || !differ {
		t.Errorf("got %+v, want %+v, of parts of which not all are alike", got, most)
	}
}

func TestAdaptiveStepsControlTheDivergenceToo(t *testing.T) {
	// 5000 coordinates at rest beside one whose divergence has a pulse: by the mean over
	// all numbers together, its error would hardly count.
	f := restless{d: 5000}
	x1 := flow.NewBatch(1, 5000)
	x1.X[0] = 1e-3
	p := Problem{Field: f, Source: flow.Gaussian{}, Solver: ode.Solver{Method: ode.Dopri5,
		Control: ode.Adaptive{RTol: 1e-6, ATol: 1e-6}}}
	logp, x0, _, err := p.LogProb(context.Background(), x1)
	if err != nil {
		t.Fatal(err)
	}
	base := make([]float64, 1)
	flow.Gaussian{}.LogProb(base, x0)
	want := base[0] - 2*math.Atan(10)
	if math.Abs(logp[0]-want) > 2e-6 { // tens of steps of 1e-6, most of them far better
		t.Errorf("log p %.8f, want %.8f within 2e-6 (off by %.2g)", logp[0], want, math.Abs(logp[0]-want))
	}
}

// restless is v = (p(t) x_0, 0, ...), of divergence p(t) = 20/(1 + u²), u = 20 (t − 1/2).
type restless struct{ d int }

func (r restless) Dim() int { return r.d }
func (r restless) Velocity(v []float64, t float64, x []float64) error {
	return r.VelocityDiv(v, make([]float64, len(x)/r.d), t, x)
}
func (r restless) VelocityDiv(v, div []float64, t float64, x []float64) error {
	clear(v)
	for i := range div {
		u := 20 * (t - 0.5)
		div[i] = 20 / (1 + u*u)
		v[i*r.d] = div[i] * x[i*r.d]
	}
	return nil
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	l := linear(2, 1)
	ok := Problem{Field: l, Source: flow.Gaussian{}, Solver: tight()}
	with := func(change func(*Problem)) Problem { p := ok; change(&p); return p }
	for _, c := range []struct {
		name     string
		p        Problem
		x        flow.Batch
		sentinel error
		words    []string
	}{
		{"no field", with(func(p *Problem) { p.Field = nil }), flow.NewBatch(1, 2), ErrInvalid, []string{"Field"}},
		{"no source", with(func(p *Problem) { p.Source = nil }), flow.NewBatch(1, 2), ErrInvalid, []string{"Source"}},
		{"times reversed", with(func(p *Problem) { p.Lo, p.Hi = 1, 0.5 }), flow.NewBatch(1, 2), ErrInvalid,
			[]string{"Lo=1", "Hi=0.5"}},
		{"a negative part", with(func(p *Problem) { p.BatchSize = -1 }), flow.NewBatch(1, 2), ErrInvalid,
			[]string{"BatchSize"}},
		{"points of the wrong dimension", ok, flow.NewBatch(4, 3), ErrInvalid, []string{"dimension 3", "R^2"}},
		{"a batch that is too short", ok, flow.Batch{N: 2, D: 2, X: make([]float64, 3)}, ErrInvalid,
			[]string{"2 points of R^2 with 3 numbers"}},
		{"negative probes", with(func(p *Problem) { p.Divergence = Hutchinson{Probes: -2} }),
			flow.NewBatch(1, 2), ErrInvalid, []string{"-2"}},
		{"an unknown probe", with(func(p *Problem) { p.Divergence = Hutchinson{Kind: 9} }),
			flow.NewBatch(1, 2), ErrInvalid, []string{"Rademacher", "9"}},
		{"neither divergence nor VJP", with(func(p *Problem) { p.Field = onlyField{l} }), flow.NewBatch(1, 2),
			ErrNoDivergence, []string{"VelocityDiv", "VJP", "onlyField"}},
		{"Hutchinson without VJP", with(func(p *Problem) { p.Field, p.Divergence = onlyDiv{l}, Hutchinson{} }),
			flow.NewBatch(1, 2), ErrNoDivergence, []string{"VJP", "onlyDiv"}},
		{"no solver", with(func(p *Problem) { p.Solver = ode.Solver{} }), flow.NewBatch(1, 2), ode.ErrInvalid,
			[]string{"Method"}},
	} {
		_, _, _, err := c.p.LogProb(context.Background(), c.x)
		if !errors.Is(err, c.sentinel) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.sentinel)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error %q does not say %q", c.name, err, w)
			}
		}
	}
}

func TestNoPointsHaveNoLogProb(t *testing.T) {
	p := Problem{Field: linear(2, 1), Source: flow.Gaussian{}, Solver: tight()}
	logp, x0, st, err := p.LogProb(context.Background(), flow.NewBatch(0, 2))
	if err != nil || len(logp) != 0 || x0.N != 0 || st.NFE != 0 {
		t.Errorf("got %v, %v, %+v, %v", logp, x0, st, err)
	}
}

func TestAFailureKeepsTheFinishedPartsAndMarksTheRest(t *testing.T) {
	p := Problem{Field: flowtest.TwoModes(path.CondOT{}), Source: flow.Gaussian{}, BatchSize: 4, Solver: tight()}
	x1 := normals(12, 2, 1, 11)
	want, _, _, err := p.LogProb(context.Background(), x1)
	if err != nil {
		t.Fatal(err)
	}
	x1.X[10] = math.NaN() // point 5, in the second part
	got, _, st, err := p.LogProb(context.Background(), x1)
	if !errors.Is(err, ode.ErrNonFinite) || !strings.Contains(err.Error(), "points 4 to 7") || st.NFE == 0 {
		t.Errorf("got %v, %+v", err, st)
	}
	for i, v := range got {
		if i < 4 && v != want[i] || i >= 4 && !math.IsNaN(v) {
			t.Errorf("point %d: got %g, want %g up to point 3 and NaN from 4", i, v, want[i])
		}
	}
}

// Points that are solved again, some of them and in another order, have their own probes.
func TestRowsKeepTheProbesOfAPoint(t *testing.T) {
	l, x := linear(3, 4), normals(9, 3, 1, 5)
	p := Problem{Field: l, Source: flow.Gaussian{}, Divergence: Hutchinson{Seed: 6, Probes: 2},
		Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(4)}, First: 100}
	all, _, _, err := p.LogProb(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	rows := []int{7, 2, 4, 2}
	p.Rows, p.BatchSize = []int{107, 102, 104, 102}, 3
	some, _, _, err := p.LogProb(context.Background(), x.Rows(rows))
	if err != nil {
		t.Fatal(err)
	}
	for k, i := range rows {
		if some[k] != all[i] {
			t.Errorf("point %d: %g, want %g as among all", i, some[k], all[i])
		}
	}
	p.Rows = []int{1}
	if _, _, _, err := p.LogProb(context.Background(), x); !errors.Is(err, ErrInvalid) ||
		!strings.Contains(err.Error(), "1 Rows for 9 points") {
		t.Errorf("one number for nine points: %v", err)
	}
}
