package field_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

// naive is eq. 6 and 8 as they are written, one query at a time, in a loop
// over all data: velocity, log density, and the covariance of x_1 given x with its
// trace, all by direct differences.
func naive(c path.Coef, x []float64, x1 flow.Batch, q []float64) (mean, u []float64, logp, trace float64,
	cov func(e []float64) []float64) {
	l := make([]float64, x1.N)
	top, total, weight := math.Inf(-1), 0.0, 0.0
	for i := range l {
		r := 0.0
		for k, v := range x1.Row(i) {
			r += (x[k] - c.Alpha*v) * (x[k] - c.Alpha*v)
		}
		l[i] = math.Log(q[i]) - 0.5*r/(c.Sigma*c.Sigma)
		top = max(top, l[i])
		weight += q[i]
	}
	for i := range l {
		total += math.Exp(l[i] - top)
	}
	mean, u = make([]float64, x1.D), make([]float64, x1.D)
	for i := range l {
		l[i] = math.Exp(l[i]-top) / total // now w_i
		for k, v := range x1.Row(i) {
			mean[k] += l[i] * v
			u[k] += l[i] * (c.DSigma/c.Sigma*(x[k]-c.Alpha*v) + c.DAlpha*v)
		}
	}
	logp = top + math.Log(total/weight) - float64(x1.D)*(math.Log(c.Sigma)+0.5*math.Log(2*math.Pi))
	for i := range l {
		for k, v := range x1.Row(i) {
			trace += l[i] * (v - mean[k]) * (v - mean[k])
		}
	}
	return mean, u, logp, trace, func(e []float64) []float64 {
		out := make([]float64, x1.D)
		for i := range l {
			along := 0.0
			for k, v := range x1.Row(i) {
				along += (v - mean[k]) * e[k]
			}
			for k, v := range x1.Row(i) {
				out[k] += l[i] * along * (v - mean[k])
			}
		}
		return out
	}
}

// 1300 points are three shards and 21 blocks; 37 queries are two blocks. 30
// dimensions and t near 1 cover the sharpened logits, t near 0 the others.
func TestTheBlockedSumEqualsTheNaiveOne(t *testing.T) {
	const m, n, d = 1300, 37, 30
	x1 := normals(m, d, 1, 3)
	q := make([]float64, m)
	rng := seed.Rand(41, "weights", 0)
	for i := range q {
		q[i] = 0.1 + rng.Float64()
	}
	for _, s := range []flowtest.Named{{Name: "condot", Scheduler: path.CondOT{}}, {Name: "vp", Scheduler: path.VP{}},
		{Name: "ve", Scheduler: path.VE{}}} {
		f := marginal(t, s, x1, q)
		_, hi := path.Span(s, path.Data)
		for _, at := range []float64{0, 0.1, 0.4, 0.8, 0.99, hi} {
			t.Run(fmt.Sprintf("%s at t = %g", s.Name, at),
				func(t *testing.T) { compareNaive(t, f, s.At(at), at, x1, q, n) })
		}
	}
}

func compareNaive(t *testing.T, f *field.Marginal, c path.Coef, at float64, x1 flow.Batch, q []float64, n int) {
	d := x1.D
	x, e := normals(n, d, 1, 4), normals(n, d, 1, 5)
	for i := range x.X {
		x.X[i] = c.Sigma*x.X[i] + c.Alpha*x1.X[i%len(x1.X)]
	}
	v, g, div, mean := make([]float64, n*d), make([]float64, n*d), make([]float64, n), make([]float64, n*d)
	for _, err := range []error{f.VelocityDiv(v, div, at, x.X), f.VJP(v, g, at, x.X, e.X),
		f.PosteriorMean(mean, at, x.X)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	lp := logp(t, f, at, x.X)
	_, b := c.Convert(path.Data, path.Velocity)
	a, gain := c.DSigma/c.Sigma, b*c.Alpha/(c.Sigma*c.Sigma)
	for i := range n {
		wantMean, u, wantLog, tr, cov := naive(c, x.Row(i), x1, q)
		within(t, fmt.Sprintf("log p, point %d", i), lp[i], wantLog, 1e-9*(1+math.Abs(wantLog)))
		ce := cov(e.Row(i))
		for k := range d {
			j := i*d + k
			within(t, fmt.Sprintf("posterior mean, point %d, %d", i, k), mean[j], wantMean[k], 1e-9)
			within(t, fmt.Sprintf("velocity, point %d, %d", i, k), v[j], u[k], 1e-9*(1+math.Abs(u[k])+math.Abs(a)))
			within(t, fmt.Sprintf("VJP, point %d, %d", i, k), g[j], a*e.Row(i)[k]+gain*ce[k],
				1e-8*(1+math.Abs(a)+math.Abs(gain*ce[k])))
		}
		within(t, fmt.Sprintf("divergence, point %d", i), div[i], a*float64(d)+gain*tr,
			1e-8*(1+math.Abs(a)*float64(d)+math.Abs(gain*tr)))
	}
}

func TestTheResultDoesNotDependOnProcessorsOrOnTheOtherPoints(t *testing.T) {
	x1 := normals(3000, 8, 1, 6)
	f := marginal(t, path.CondOT{}, x1, nil)
	x := normals(100, 8, 1, 7)
	all := velocity(t, f, 0.6, x.X)
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	for procs := 1; procs <= 3; procs++ {
		runtime.GOMAXPROCS(procs)
		for i, v := range velocity(t, f, 0.6, x.X) {
			if v != all[i] {
				t.Fatalf("%d processors: element %d is %v, was %v", procs, i, v, all[i])
			}
		}
	}
	for i := range x.N {
		for k, v := range velocity(t, f, 0.6, x.Row(i)) {
			if v != all[i*8+k] {
				t.Fatalf("point %d alone: element %d is %v, in a batch it was %v", i, k, v, all[i*8+k])
			}
		}
	}
}

// 784 dimensions: log densities of −1e3 to −1e9 that would underflow as numbers.
// The last coordinate of every data point is 1, so its posterior mean is Σ w_i.
func TestInManyDimensionsNothingOverflowsAndTheWeightsSumToOne(t *testing.T) {
	const m, n, d = 600, 9, 784
	x1 := normals(m, d, 1, 8)
	for i := range m {
		x1.Row(i)[d-1] = 1
	}
	for _, s := range flowtest.Schedules() {
		f := marginal(t, s, x1, nil)
		lo, hi := path.Span(s, path.Data)
		for _, at := range []float64{lo, lo + 1e-9, 0.5, hi - 1e-6, hi} {
			c := s.At(at)
			// Half of the queries on the path, the others far off it.
			x := normals(n, d, 1, 9)
			for i := range n {
				for k := range d {
					if x.Row(i)[k] *= c.Sigma; i%2 == 0 {
						x.Row(i)[k] += c.Alpha * x1.Row(i)[k]
					} else {
						x.Row(i)[k] += 3
					}
				}
			}
			mean, v, div, g := make([]float64, n*d), make([]float64, n*d), make([]float64, n), make([]float64, n*d)
			for _, err := range []error{f.PosteriorMean(mean, at, x.X), f.VelocityDiv(v, div, at, x.X),
				f.VJP(v, g, at, x.X, x.X)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, out := range [][]float64{mean, v, div, g, logp(t, f, at, x.X)} {
				for i, y := range out {
					if math.IsNaN(y) || math.IsInf(y, 0) {
						t.Fatalf("%s, t = %g: element %d of an output is %g", s.Name, at, i, y)
					}
				}
			}
			for i := range n {
				within(t, fmt.Sprintf("%s, t = %g: sum of weights of point %d", s.Name, at, i), mean[i*d+d-1], 1, 1e-13)
			}
		}
	}
}

// At σ = 1e-5 in 784 dimensions |x|² − 2α x·x_i + α²|x_i|² is wrong by about 1e-2 in
// the exponent, by more than the whole difference between these two points.
func TestNearTheDataTwoCloseNeighboursAreDistinguished(t *testing.T) {
	const d = 784
	s := path.Func{Fn: path.CondOT{}.At, Lo: 0, Hi: 1 - 1e-5}
	x1 := normals(2, d, 1, 10)
	copy(x1.Row(1), x1.Row(0))
	const gap = 1e-5 // one σ
	x1.Row(1)[0] += gap
	at := 1 - 1e-5
	c := s.At(at)
	x := make([]float64, d)
	for k, v := range x1.Row(0) {
		x[k] = c.Alpha * v
	}
	mean := make([]float64, d)
	f := marginal(t, s, x1, nil)
	if err := f.PosteriorMean(mean, at, x); err != nil {
		t.Fatal(err)
	}
	// x sits on the first point, one σ from the second: weights 1 and e^(−1/2).
	r := c.Alpha * (x1.Row(1)[0] - x1.Row(0)[0]) / c.Sigma
	want := 1 / (1 + math.Exp(0.5*r*r)) // weight of the second
	got := (mean[0] - x1.Row(0)[0]) / (x1.Row(1)[0] - x1.Row(0)[0])
	// x itself is only known to 1e-16, which is 1e-11 of a σ.
	within(t, "weight of the neighbour", got, want, 1e-9)
}

func TestBadDataAndTimesAreErrorsThatSayWhat(t *testing.T) {
	s := path.CondOT{}
	good := normals(3, 2, 1, 11)
	for _, c := range []struct {
		name string
		x1   flow.Batch
		q    []float64
		want string
	}{
		{"no data", flow.Batch{N: 0, D: 2}, nil, "shape [0, 2]"},
		{"NaN in the data", flow.Batch{N: 1, D: 2, X: []float64{0, math.NaN()}}, nil,
			"data point 0 has NaN at coordinate 1"},
		{"a weight too few", good, []float64{1, 2}, "2 weights for 3 data points"},
		{"a weight of zero", good, []float64{1, 0, 2}, "weight of data point 1 is 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := field.NewMarginal(s, c.x1, c.q); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that says %q", err, c.want)
			}
		})
	}
	x := make([]float64, 2)
	err := marginal(t, s, good, nil).Velocity(make([]float64, 2), 1, x)
	if !errors.Is(err, field.ErrSigma) || !strings.Contains(err.Error(), "[0, 0.999]") {
		t.Errorf("at t = 1: got error %v, want ErrSigma with the span", err)
	}
	x[0] = math.NaN()
	if v := velocity(t, marginal(t, s, good, nil), 0.5, x); !math.IsNaN(v[0]) {
		t.Errorf("the velocity at NaN is %g, want NaN", v[0])
	}
}

func BenchmarkMarginalVelocity(b *testing.B) {
	for _, c := range []struct{ m, d, n int }{{10000, 2, 1024}, {10000, 784, 64}, {60000, 784, 64}} {
		for _, at := range []float64{0.1, 0.9} {
			b.Run(fmt.Sprintf("M=%d,D=%d,N=%d,t=%g", c.m, c.d, c.n, at), func(b *testing.B) {
				f := marginal(b, path.CondOT{}, normals(c.m, c.d, 1, 12), nil)
				x := normals(c.n, c.d, 1, 13).X
				v := make([]float64, len(x))
				b.ReportAllocs()
				for b.Loop() {
					if err := f.Velocity(v, at, x); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(c.n)*float64(c.m)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpairs/s")
			})
		}
	}
}

// 2200 queries of 1000 dimensions need two waves of partial results: what the
// first leaves in memory must not reach the second.
func TestQueriesBeyondTheFirstWaveAreAnsweredAlike(t *testing.T) {
	const n, d = 2200, 1000
	f := marginal(t, path.VP{}, normals(8, d, 1, 17), nil)
	x := normals(n, d, 1, 18)
	v, g := make([]float64, n*d), make([]float64, n*d)
	if err := f.VJP(v, g, 0.3, x.X, x.X); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2000, n - 100, n - 1} {
		wantV, wantG := make([]float64, d), make([]float64, d)
		if err := f.VJP(wantV, wantG, 0.3, x.Row(i), x.Row(i)); err != nil {
			t.Fatal(err)
		}
		for k := range d {
			if v[i*d+k] != wantV[k] || g[i*d+k] != wantG[k] {
				t.Fatalf("point %d, element %d: velocity %v and VJP %v, alone %v and %v",
					i, k, v[i*d+k], g[i*d+k], wantV[k], wantG[k])
			}
		}
	}
}

// Moving all data by c moves the path by α c and leaves the Jacobian as it is. A
// million away from the origin only sums about the mean keep their digits.
func TestDataFarFromTheOriginHaveTheSameJacobian(t *testing.T) {
	const n, d, far, at = 10, 3, 1 << 20, 0.6
	s := path.CondOT{}
	alpha := s.At(at).Alpha
	x1, x, e := normals(40, d, 1, 19), normals(n, d, 1, 20), normals(n, d, 1, 21)
	near := marginal(t, s, x1.Clone(), nil)
	y := x.Clone()
	for i := range x1.X {
		x1.X[i] += far
	}
	for i := range y.X {
		y.X[i] += alpha * far
	}
	away := marginal(t, s, x1, nil)
	v, want, got := make([]float64, n*d), make([]float64, n*d), make([]float64, n*d)
	div, wantDiv := make([]float64, n), make([]float64, n)
	for _, err := range []error{
		near.VJP(v, want, at, x.X, e.X), away.VJP(v, got, at, y.X, e.X),
		near.VelocityDiv(v, wantDiv, at, x.X), away.VelocityDiv(v, div, at, y.X),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// The last bit of a million is 1e-10; σ = 0.4 and gain 4 make of it some 1e-8.
	for i := range got {
		within(t, fmt.Sprintf("VJP, element %d", i), got[i], want[i], 1e-7*(1+math.Abs(want[i])))
	}
	for i := range div {
		within(t, fmt.Sprintf("divergence of point %d", i), div[i], wantDiv[i], 1e-7*(1+math.Abs(wantDiv[i])))
	}
}

// Points with a time each, some of them late, where logits are computed again, have what each has alone, bit for bit;
// errors are those of one alone.
func TestPointsWithATimeEachAreAsEachAlone(t *testing.T) {
	const n, d = 70, 5
	f := marginal(t, path.CondOT{}, normals(1500, d, 1, 21), nil)
	x, e := normals(n, d, 1, 22), normals(n, d, 1, 23)
	ts := make([]float64, n)
	for i := range ts {
		ts[i] = 1 - math.Pow(10, -6*float64(i)/n)
	}
	timed, err := f.AtTimes(nil, ts)
	if err != nil {
		t.Fatal(err)
	}
	all, exact := [5][]float64{}, timed.(interface {
		flow.Differentiable
		flow.Diverger
	})
	for i := range all {
		all[i] = make([]float64, n*d)
	}
	div := make([]float64, n)
	for _, err := range []error{timed.Velocity(all[0], 9, x.X), exact.VJP(all[1], all[2], 9, x.X, e.X),
		exact.VelocityDiv(all[3], div, 9, x.X)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, at := range ts {
		var one [4][]float64
		for k := range one {
			one[k] = make([]float64, d)
		}
		alone := make([]float64, 1)
		for _, err := range []error{f.Velocity(one[0], at, x.Row(i)), f.VJP(one[1], one[2], at, x.Row(i), e.Row(i)),
			f.VelocityDiv(one[3], alone, at, x.Row(i))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for k := range one {
			if got := all[k][i*d : (i+1)*d]; !slices.Equal(got, one[k]) {
				t.Fatalf("point %d, t = %g, result %d: %v, alone %v", i, at, k, got, one[k])
			}
		}
		if div[i] != alone[0] {
			t.Fatalf("point %d, t = %g: divergence %v, alone %v", i, at, div[i], alone[0])
		}
	}
	err = timed.Velocity(all[0], 0, x.X[:d])
	if err == nil || !strings.Contains(err.Error(), "70 values for 1 points") {
		t.Errorf("a point for 70 times: %v", err)
	}
	late, _ := f.AtTimes(nil, []float64{0.5, 1})
	if err := late.Velocity(all[0][:2*d], 0, x.X[:2*d]); !errors.Is(err, field.ErrSigma) {
		t.Errorf("at the end of time: %v", err)
	}
}

// A batch of the exact objective: points with a time each.
func BenchmarkMarginalWithATimeEach(b *testing.B) {
	for _, c := range []struct{ n, d int }{{8500, 784}, {10_000, 2}} {
		b.Run(fmt.Sprintf("%dx%d", c.n, c.d), func(b *testing.B) {
			f := marginal(b, path.CondOT{}, normals(c.n, c.d, 1, 1), nil)
			x, ts := normals(256, c.d, 1, 2), make([]float64, 256)
			for i := range ts {
				ts[i] = (float64(i) + 0.5) / 256
			}
			timed, err := f.AtTimes(nil, ts)
			if err != nil {
				b.Fatal(err)
			}
			v := make([]float64, len(x.X))
			for b.Loop() {
				if err := timed.Velocity(v, 0, x.X); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
