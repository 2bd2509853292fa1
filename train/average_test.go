package train

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

func TestMeanFlowDrawsTwoTimesForAShareOfTheBatch(t *testing.T) {
	o := MeanFlow{CFM: CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 5},
		Averages: AverageConfig{Ratio: 0.25, Power: new(0.5)}}
	m := along(t, path.Cosine{})
	const n, batches = 64, 200
	ex := newExamples(m, n)
	length := 0.0
	for step := range batches {
		if err := o.Examples(m, ex, uint64(step)); err != nil {
			t.Fatal(err)
		}
		if want := (nn.Loss{Average: nn.ByIdentity, Rows: 16, Power: 0.5, Offset: 10}); ex.Loss != want {
			t.Fatalf("loss is %+v, want %+v", ex.Loss, want)
		}
		for i, at := range ex.T {
			if i >= 16 && ex.S[i] != at || ex.S[i] < at || at < 0 || ex.S[i] > 1 {
				t.Fatalf("example %d runs from %g to %g", i, at, ex.S[i])
			}
			c := m.Scheduler().At(at)
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
	// |u - v| of independent uniforms has mean 1/3 and deviation √(1/18).
	if limit := 4 / math.Sqrt(18*16*batches); math.Abs(length-1.0/3) > limit {
		t.Errorf("the time spans have mean length %g, want 1/3 within %g", length, limit)
	}
}

func TestShortcutsBeginAtMultiplesOfTheirLength(t *testing.T) {
	cfm := CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 5}
	m := along(t, path.CondOT{})
	for _, c := range []struct {
		of    AverageConfig
		parts int
		count []int // of 5600 steps, those of length 1, 1/2, ...
	}{
		{AverageConfig{}, 4, []int{2900, 1400, 700, 400, 200}},
		{AverageConfig{Finest: 64, Parts: 2, Falloff: 1}, 2, []int{800, 800, 800, 800, 800, 800, 800}},
		{AverageConfig{Finest: 1}, 4, []int{5600}},
	} {
		o := Shortcut{CFM: cfm, Averages: c.of}
		ex := newExamples(m, 112)
		count, firsts := map[float64]int{}, map[float64]bool{}
		for step := range 100 {
			if err := o.Examples(m, ex, uint64(step)); err != nil {
				t.Fatal(err)
			}
			for i := range 56 {
				d := ex.S[i] - ex.T[i]
				count[d]++
				if _, part := math.Modf(ex.T[i] / d); part != 0 || ex.S[i] > 1 {
					t.Fatalf("a step from %g to %g", ex.T[i], ex.S[i])
				}
				if d == 0.25 {
					firsts[ex.T[i]] = true
				}
			}
			want := nn.Loss{Average: nn.ByParts, Rows: 56, Parts: c.parts}
			if !slices.Equal(ex.S[56:], ex.T[56:]) || ex.Loss != want {
				t.Fatalf("the rest has length, or the loss is %+v", ex.Loss)
			}
		}
		for k, want := range c.count {
			if d := math.Exp2(float64(-k)); count[d] != want {
				t.Errorf("%+v: length %g comes %d times, want %d", c.of, d, count[d], want)
			}
		}
		if len(count) != len(c.count) || len(c.count) > 2 && len(firsts) != 4 {
			t.Errorf("%+v: %d lengths, and quarters begin at %v", c.of, len(count), firsts)
		}
	}
}

// Folders of before go on with the very lengths that they had, one after the other.
func TestLevelsWithoutFalloffTakeTurns(t *testing.T) {
	for count := 1; count < 12; count++ {
		for i, l := range levels(500, count, 1) {
			if l != i%count {
				t.Fatalf("example %d of %d levels has level %d", i, count, l)
			}
		}
	}
	counts := [3]int{}
	for i, l := range levels(700, 3, 0.5) {
		counts[l]++
		for k, c := range counts {
			if want := float64(i+1) * 4 / 7 / math.Exp2(float64(k)); math.Abs(float64(c)-want) > 1 {
				t.Fatalf("level %d comes %d times among the first %d, want about %g", k, c, i+1, want)
			}
		}
	}
}

func TestTheWeightOfShortcutsGrows(t *testing.T) {
	cfm := CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 5}
	m := along(t, path.CondOT{})
	for _, c := range []struct {
		of   AverageConfig
		want map[uint64]float64
	}{
		{AverageConfig{}, map[uint64]float64{0: 0, 500: 2.5, 2000: 10, 9000: 10}},
		{AverageConfig{Weight: 3, Warmup: new(6)}, map[uint64]float64{0: 0, 2: 1, 6: 3, 7: 3}},
		{AverageConfig{Weight: 1, Warmup: new(0)}, map[uint64]float64{0: 1, 1: 1}},
	} {
		ex := newExamples(m, 8)
		for step, want := range c.want {
			if err := (Shortcut{CFM: cfm, Averages: c.of}).Examples(m, ex, step); err != nil {
				t.Fatal(err)
			}
			if got := ex.Weight[0]; got != want || ex.Weight[7] != 1 {
				t.Errorf("%+v at step %d: weights %g, want %g, and 1 of velocities", c.of, step, got, want)
			}
		}
	}
}

func TestTheTargetOfMeanFlowIsItsOwnVelocityByDefault(t *testing.T) {
	cfm := CFM{Data: data.Shuffle(points(100, 2), 1)}
	m := along(t, path.CondOT{})
	ex := newExamples(m, 8)
	for target, want := range map[string]nn.Average{
		"": nn.ByIdentity, TargetOwn: nn.ByIdentity, TargetExample: nn.ByExample,
	} {
		if err := (MeanFlow{cfm, AverageConfig{Target: target}}).Examples(m, ex, 0); err != nil {
			t.Fatal(err)
		}
		if ex.Loss != (nn.Loss{Average: want, Rows: 4, Power: 1, Offset: 10}) {
			t.Errorf("%q: the loss is %+v", target, ex.Loss)
		}
	}
}

func TestAveragesAreOfTheVelocity(t *testing.T) {
	cfm := CFM{Data: data.Shuffle(points(100, 2), 1)}
	m := newModel(t, model.Spec{Path: path.Config{Name: "vp"}, Prediction: path.Noise}, nn.Config{Average: true})
	plain, bridge := along(t, path.CondOT{}), model.Spec{Path: path.Config{Name: "bridge"}}
	for _, o := range []Regression{MeanFlow{CFM: cfm}, Shortcut{CFM: cfm}} {
		if err := o.Examples(m, newExamples(m, 8), 0); !errors.Is(err, ErrObjective) {
			t.Errorf("%T: got %v", o, err)
		}
		fit := Fit{Loop: Loop{Steps: 1, Batch: 8}}
		if _, err := fit.Train(t.Context(), m, o); !errors.Is(err, ErrObjective) ||
			!strings.Contains(err.Error(), "not noise") {
			t.Errorf("%T of the noise: got %v", o, err)
		}
		if _, err := fit.Train(t.Context(), plain, o); !errors.Is(err, nn.ErrNoAverage) {
			t.Errorf("%T of a network of one time: got %v", o, err)
		}
		_, err := fit.Train(t.Context(), newModel(t, bridge, nn.Config{Average: true}), o)
		if err == nil || !strings.Contains(err.Error(), "noise of its own") {
			t.Errorf("%T of a path with noise: got %v", o, err)
		}
	}
}

func TestSettingsOfTheOtherAverageAreErrors(t *testing.T) {
	cfm := CFM{Data: data.Shuffle(points(100, 2), 1)}
	m := newModel(t, model.Spec{}, nn.Config{Average: true})
	for want, o := range map[string]Objective{
		"finest is set, but belongs":  MeanFlow{cfm, AverageConfig{Finest: 8}},
		"ratio is 2":                  MeanFlow{cfm, AverageConfig{Ratio: 2}},
		"intervals.power is 0":        MeanFlow{cfm, AverageConfig{Power: new(0.0), Offset: 0.1}},
		"power is set, but belongs":   Shortcut{cfm, AverageConfig{Power: new(1.0)}},
		"finest is 12; it must be a ": Shortcut{cfm, AverageConfig{Finest: 12}},
		"parts is set, but belongs":   MeanFlow{cfm, AverageConfig{Parts: 2}},
		"falloff is set, but belongs": MeanFlow{cfm, AverageConfig{Falloff: 1}},
		"target is set, but belongs":  Shortcut{cfm, AverageConfig{Target: TargetOwn}},
		`did you mean "own"`:          MeanFlow{cfm, AverageConfig{Target: "owm"}},
		"intervals.ratio is 1, but":   MeanFlow{cfm, AverageConfig{Ratio: 1}},
		"parts is 1; it must be":      Shortcut{cfm, AverageConfig{Parts: 1}},
		"parts is 65; it must be":     Shortcut{cfm, AverageConfig{Parts: 65}},
		"falloff is 2; it must be":    Shortcut{cfm, AverageConfig{Falloff: 2}},
		"falloff is -1; it must be":   Shortcut{cfm, AverageConfig{Falloff: -1}},
		"weight is set, but belongs":  MeanFlow{cfm, AverageConfig{Weight: 2}},
		"warmup is set, but belongs":  MeanFlow{cfm, AverageConfig{Warmup: new(0)}},
		"weight is -1; it must be":    Shortcut{cfm, AverageConfig{Weight: -1}},
		"warmup is -1; it must be":    Shortcut{cfm, AverageConfig{Warmup: new(-1)}},
	} {
		if _, err := (Fit{Loop: Loop{Steps: 1, Batch: 8}}).Train(t.Context(), m, o); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// normal is N(centre, std² I) in the plane. Of its flow along condot everything is
// known: x_t = t centre + σ_t z with σ_t² = t² std² + (1-t)² and z held fast.
type normal struct{ std float64 }

var centre = [2]float64{1.5, -1}

func (n normal) Dim() int { return 2 }

func (n normal) Fill(x flow.Batch, _ flow.Given, step uint64) error {
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

// learnt trains a small model.
func learnt(t *testing.T, o Objective, average bool, steps int) *model.Model {
	t.Helper()
	m := newModel(t, model.Spec{}, nn.Config{Hidden: []int{32, 32}, Average: average})
	fit := Fit{Loop: Loop{Steps: steps, LR: 5e-3}, Optimizer: nn.Optimizer{EMADecay: new(0.99)}}
	m, err := fit.Train(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What is learnt is the average velocity in closed form, over every span of time, and so
// one step makes what Euler's one step of a plain flow cannot: for this target that
// one ends in the centre.
func TestTrainedAveragesAreThoseOfTheExactFlow(t *testing.T) {
	target := normal{std: 0.8}
	cfm := CFM{Data: target, Seed: 2}
	const n = 400
	noise, want, got := flow.NewBatch(n, 2), flow.NewBatch(n, 2), flow.NewBatch(n, 2)
	flow.Gaussian{}.Sample(noise, rand.New(rand.NewPCG(1, 1)))
	if err := target.Fill(want, flow.Given{}, 12345); err != nil {
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
	plain, err := learnt(t, cfm, false, 800).Field(flow.Given{})
	if err != nil {
		t.Fatal(err)
	}
	euler := w2(func(u []float64) error { return plain.Velocity(u, 0, noise.X) })
	for name, o := range map[string]Objective{"meanflow": MeanFlow{CFM: cfm}, "shortcut": Shortcut{CFM: cfm}} {
		m := learnt(t, o, true, 1500)
		if err := m.HasScore(); err == nil || !strings.Contains(err.Error(), "objective "+name) {
			t.Errorf("%s: the score: got %v", name, err)
		}
		f, err := m.Net().BindAverage(flow.Given{})
		if err != nil {
			t.Fatal(err)
		}
		if one := w2(func(u []float64) error { return f.Average(u, 0, 1, noise.X) }); one > euler/2 {
			t.Errorf("%s: W2 of one step is %.3f, of one Euler step of a plain flow %.3f; want at most half", name,
				one, euler)
		} else {
			t.Logf("%s: W2 of one step %.3f, of one Euler step %.3f", name, one, euler)
		}
		for _, at := range [][2]float64{{0, 1}, {0, 0.5}, {0.5, 1}, {0.25, 0.5}} {
			rms, err := target.off(f, noise, at[0], at[1])
			if err != nil || rms > 0.25 {
				t.Errorf("%s from %g to %g: the average is off by %.3f, want at most 0.25 (%v)", name, at[0], at[1],
					rms, err)
			} else {
				t.Logf("%s from %g to %g: off by %.3f", name, at[0], at[1], rms)
			}
		}
	}
}

// off returns how far the average velocity of a network from t to s is from the exact one,
// at the points that the exact flow carries noise to by t: the root of the mean square.
func (n normal) off(f *nn.AverageField, noise flow.Batch, t, s float64) (float64, error) {
	exact, u, x := make([]float64, len(noise.X)), make([]float64, len(noise.X)), noise.Clone()
	if t > 0 {
		n.average(exact, 0, t, noise.X)
		for i := range x.X {
			x.X[i] += t * exact[i]
		}
	}
	n.average(exact, t, s, x.X)
	if err := f.Average(u, t, s, x.X); err != nil {
		return 0, err
	}
	square := 0.0
	for i := range u {
		square += (u[i] - exact[i]) * (u[i] - exact[i]) / float64(len(u))
	}
	return math.Sqrt(square), nil
}
