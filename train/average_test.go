package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/metrics"
	"flowmatch/nn"
	"flowmatch/path"
)

func TestMeanFlowDrawsTwoTimesForAShareOfTheBatch(t *testing.T) {
	o := MeanFlow{CFM: CFM{Data: data.Shuffle(points(100, 2), 1), Scheduler: path.Cosine{}, Seed: 5}, Intervals: Intervals{Power: 1}}
	const n, batches = 64, 200
	ex := nn.NewExamples(n, 2)
	length := 0.0
	for step := range batches {
		if err := o.Examples(ex, uint64(step)); err != nil {
			t.Fatal(err)
		}
		if want := (nn.Loss{Average: nn.ByIdentity, Rows: 16, Power: 1, Offset: 1e-3}); ex.Loss != want {
			t.Fatalf("loss is %+v, want %+v", ex.Loss, want)
		}
		for i, at := range ex.T {
			if i >= 16 && ex.S[i] != at || ex.S[i] < at || at < 0 || ex.S[i] > 1 {
				t.Fatalf("example %d runs from %g to %g", i, at, ex.S[i])
			}
			c := o.Scheduler.At(at)
			if g1, _ := c.Weights(path.Velocity); ex.Alpha[i] != c.Alpha || ex.G1[i] != g1 {
				t.Fatalf("example %d: the coefficients are not those of its time", i)
			}
			length += (ex.S[i] - at) / (16 * batches)
		}
		rest := slices.Clone(ex.T[16:])
		if slices.Sort(rest); rest[0] > 1.0/48 || rest[47] < 47.0/48 {
			t.Fatalf("the other times run from %g to %g; they are not stratified", rest[0], rest[47])
		}
	}
	// |u - v| of independent uniforms has centre 1/3 and deviation √(1/18).
	if limit := 4 / math.Sqrt(18*16*batches); math.Abs(length-1.0/3) > limit {
		t.Errorf("intervals have centre length %g, want 1/3 within %g", length, limit)
	}
}

func TestShortcutsBeginAtMultiplesOfTheirLength(t *testing.T) {
	o := Shortcut{CFM: CFM{Data: data.Shuffle(points(100, 2), 1), Scheduler: path.CondOT{}, Seed: 5}}
	ex := nn.NewExamples(112, 2)
	count, firsts := map[float64]int{}, map[float64]bool{}
	for step := range 100 {
		if err := o.Examples(ex, uint64(step)); err != nil {
			t.Fatal(err)
		}
		for i := range 28 {
			d := ex.S[i] - ex.T[i]
			count[d]++
			if _, part := math.Modf(ex.T[i] / d); part != 0 || ex.S[i] > 1 {
				t.Fatalf("a step from %g to %g", ex.T[i], ex.S[i])
			}
			if d == 0.25 {
				firsts[ex.T[i]] = true
			}
		}
		if !slices.Equal(ex.S[28:], ex.T[28:]) || ex.Loss != (nn.Loss{Average: nn.ByHalves, Rows: 28}) {
			t.Fatalf("the rest has length, or the loss is %+v", ex.Loss)
		}
	}
	for k := range 7 {
		if d := math.Exp2(float64(-k)); count[d] != 400 {
			t.Errorf("length %g comes %d times, want 400", d, count[d])
		}
	}
	if len(firsts) != 4 {
		t.Errorf("quarters begin at %v", firsts)
	}
}

func TestAveragesAreOfTheVelocity(t *testing.T) {
	cfm := CFM{Data: data.Shuffle(points(100, 2), 1), Scheduler: path.CondOT{}, Prediction: path.Noise}
	for _, o := range []exampler{MeanFlow{CFM: cfm}, Shortcut{CFM: cfm}} {
		if err := o.Examples(nn.NewExamples(8, 2), 0); !errors.Is(err, ErrAverages) {
			t.Errorf("%T: got %v", o, err)
		}
	}
}

// normal is N(centre, std² I) in the plane. Of its flow along condot everything is
// known: x_t = t centre + σ_t z with σ_t² = t² std² + (1-t)² and z held fast.
type normal struct{ std float64 }

var centre = [2]float64{1.5, -1}

func (n normal) Dim() int { return 2 }

func (n normal) Fill(x flow.Batch, _ []int32, step uint64) error {
	flow.Gaussian{Std: n.std}.Sample(x, seed.Rand(1, "normal", step))
	for i := range x.N {
		x.X[2*i] += centre[0]
		x.X[2*i+1] += centre[1]
	}
	return nil
}

// average is the exact average velocity from t to s, (x_s - x_t)/(s-t).
func (n normal) average(u []float64, t, s float64, x []float64) {
	sigma := func(t float64) float64 { return math.Hypot(t*n.std, 1-t) }
	for i := range u {
		m := centre[i%2]
		u[i] = (s*m + sigma(s)/sigma(t)*(x[i]-t*m) - x[i]) / (s - t)
	}
}

// The two identities that targets are made of, on the exact flow.
func TestAverageVelocitiesObeyTheIdentities(t *testing.T) {
	g := normal{std: 0.5}
	x := []float64{0.7, -1.9}
	u := func(t, s float64, x []float64) []float64 {
		u := make([]float64, 2)
		g.average(u, t, s, x)
		return u
	}
	move := func(x, v []float64, h float64) []float64 { return []float64{x[0] + h*v[0], x[1] + h*v[1]} }
	for _, at := range [][2]float64{{0, 1}, {0.2, 0.9}, {0.6, 0.7}} {
		t0, s := at[0], at[1]
		const h = 1e-5
		// The velocity itself: the average over next to nothing.
		ahead, behind := u(t0, t0+h, x), u(t0, t0-h, x)
		v := []float64{(ahead[0] + behind[0]) / 2, (ahead[1] + behind[1]) / 2}
		a, b := u(t0+h, s, move(x, v, h)), u(t0-h, s, move(x, v, -h))
		m := (t0 + s) / 2
		first := u(t0, m, x)
		second := u(m, s, move(x, first, m-t0))
		for d, want := range u(t0, s, x) {
			if got := v[d] + (s-t0)*(a[d]-b[d])/(2*h); math.Abs(got-want) > 1e-6 {
				t.Errorf("from %g to %g: MeanFlow's identity gives %g, want %g", t0, s, got, want)
			}
			if got := (first[d] + second[d]) / 2; math.Abs(got-want) > 1e-12 {
				t.Errorf("from %g to %g: the halves give %g, want %g", t0, s, got, want)
			}
		}
	}
}

// trained trains a small network.
func trained(t *testing.T, o Objective, interval bool, steps int) *nn.Field {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{32, 32}, Interval: interval}, 3)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := net.NewTrainer(nn.Optimizer{EMADecay: 0.99})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), tr, o, nil, Config{Steps: steps, LR: 5e-3}, Progress{}, Hooks{}); err != nil {
		t.Fatal(err)
	}
	if net, err = tr.Net(true); err != nil {
		t.Fatal(err)
	}
	f, err := net.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What is learnt is the average velocity in closed form, at every interval, and so
// one step makes what Euler's one step of a plain flow cannot: for this target that
// one ends in the centre.
func TestTrainedAveragesAreThoseOfTheExactFlow(t *testing.T) {
	target := normal{std: 0.8}
	cfm := CFM{Data: target, Scheduler: path.CondOT{}, Seed: 2}
	const n = 400
	noise, want, got := flow.NewBatch(n, 2), flow.NewBatch(n, 2), flow.NewBatch(n, 2)
	flow.Gaussian{}.Sample(noise, rand.New(rand.NewPCG(1, 1)))
	if err := target.Fill(want, nil, 12345); err != nil {
		t.Fatal(err)
	}
	w2 := func(step func(u []float64) error) float64 {
		t.Helper()
		u := make([]float64, 2*n)
		if err := step(u); err != nil {
			t.Fatal(err)
		}
		for i := range u {
			got.X[i] = noise.X[i] + u[i]
		}
		w, err := metrics.W2(got, want)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	plain := trained(t, cfm, false, 800)
	euler := w2(func(u []float64) error { return plain.Velocity(u, 0, noise.X) })
	for name, o := range map[string]Objective{"meanflow": MeanFlow{CFM: cfm}, "shortcut": Shortcut{CFM: cfm}} {
		f := trained(t, o, true, 1500)
		if one := w2(func(u []float64) error { return f.Average(u, 0, 1, noise.X) }); one > euler/2 {
			t.Errorf("%s: W2 of one step is %.3f, of one Euler step of a plain flow %.3f; want at most half", name, one, euler)
		} else {
			t.Logf("%s: W2 of one step %.3f, of one Euler step %.3f", name, one, euler)
		}
		exact, u := make([]float64, 2*n), make([]float64, 2*n)
		for _, at := range [][2]float64{{0, 1}, {0, 0.5}, {0.5, 1}, {0.25, 0.5}} {
			x := noise.Clone() // at time t: by the exact flow
			if at[0] > 0 {
				target.average(exact, 0, at[0], noise.X)
				for i := range x.X {
					x.X[i] += at[0] * exact[i]
				}
			}
			target.average(exact, at[0], at[1], x.X)
			if err := f.Average(u, at[0], at[1], x.X); err != nil {
				t.Fatal(err)
			}
			square := 0.0
			for i := range u {
				square += (u[i] - exact[i]) * (u[i] - exact[i]) / (2 * n)
			}
			if rms := math.Sqrt(square); rms > 0.25 {
				t.Errorf("%s from %g to %g: the average is off by %.3f, want at most 0.25", name, at[0], at[1], rms)
			} else {
				t.Logf("%s from %g to %g: off by %.3f", name, at[0], at[1], rms)
			}
		}
	}
}

func TestRunsOfEveryObjectiveResumeBitByBit(t *testing.T) {
	cfm := CFM{Data: data.Shuffle(points(100, 2), 1), Scheduler: path.CondOT{}, Seed: 2}
	pairs := Pairs{X: points(90, 4).X}
	reflow, err := NewReflow(cfm, pairs, 0)
	if err != nil {
		t.Fatal(err)
	}
	distill, err := NewReflow(cfm, pairs, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Objective{
		"meanflow": MeanFlow{CFM: cfm, Intervals: Intervals{Power: 0.5}}, "shortcut": Shortcut{CFM: cfm}, "reflow": reflow, "distill": distill,
	} {
		eng, _ := nn.Open("")
		net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{16, 16}, Interval: LearnsAverages(name)}, 3)
		if err != nil {
			t.Fatal(err)
		}
		run := func(from nn.State, until int) (s nn.State) {
			tr, err := net.NewTrainer(nn.Optimizer{})
			if err != nil {
				t.Fatal(err)
			}
			if from.Step > 0 {
				if err := tr.Restore(from); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			h := Hooks{Step: func(step int, _ float64) {
				if step == until {
					cancel()
				}
			}}
			if _, err := Run(ctx, tr, o, nil, short, Progress{}, h); err != nil && !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			if s, err = tr.State(); err != nil {
				t.Fatal(err)
			}
			return s
		}
		whole, half := run(nn.State{}, 0), run(nn.State{}, 17)
		if half.Step != 17 {
			t.Fatalf("%s: stopped at %d", name, half.Step)
		}
		if again := run(half, 0); !slices.Equal(again.Weights, whole.Weights) || !slices.Equal(again.EMA, whole.EMA) {
			t.Errorf("%s: a resumed run differs from one that never stopped", name)
		}
	}
}
