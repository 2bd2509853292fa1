package train

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// teacher is a flow with random weights, a source of deviation 3 and a
// standardisation of its own.
func teacher(t *testing.T, classes int) *model.Model {
	t.Helper()
	most := 3.0
	return newModel(t, model.Spec{
		Path: path.Config{Name: "ve", SigmaMax: &most}, Shape: []int{2},
		Standardizer: &data.Standardizer{Mean: []float64{1, 2}, Std: []float64{5, 7}},
	}, nn.Config{Hidden: []int{12}, Classes: classes})
}

var rk4 = model.ODE{Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(5)}}

func TestPairsAreTheTeachersMapOfNoiseInUnitsOfTheStudent(t *testing.T) {
	m := teacher(t, 0)
	std := &data.Standardizer{Mean: []float64{-1, 0}, Std: []float64{2, 3}}
	p, err := MakePairs(t.Context(), m, rk4, std, 200, 9)
	if err != nil {
		t.Fatal(err)
	}
	square := 0.0
	for i := range p.X.N {
		z, x1 := p.X.Row(i)[:2], p.X.Row(i)[2:]
		x0 := flow.Batch{N: 1, D: 2, X: []float64{3 * z[0], 3 * z[1]}}
		s, err := m.SampleFrom(t.Context(), x0, model.SampleOptions{Sampler: rk4}) // in data units
		if err != nil {
			t.Fatal(err)
		}
		for d := range 2 {
			square += z[d] * z[d] / 400
			if want := (s.X.X[d] - std.Mean[d]) / std.Std[d]; math.Abs(x1[d]-want) > 1e-5 {
				t.Fatalf("pair %d ends in %g, want %g", i, x1[d], want)
			}
		}
	}
	if math.Abs(square-1) > 0.3 { // four standard errors of 400 squares
		t.Errorf("the noise has variance %g, want 1", square)
	}
	again, err := MakePairs(t.Context(), m, rk4, std, 200, 9)
	if err != nil || !slices.Equal(again.X.X, p.X.X) {
		t.Errorf("the same seed makes other pairs, %v", err)
	}
	if other, _ := MakePairs(t.Context(), m, rk4, std, 200, 10); other.X.X[0] == p.X.X[0] {
		t.Error("another seed makes the same pairs")
	}
}

func TestPairsOfAConditionalTeacherHaveItsLabels(t *testing.T) {
	m := teacher(t, 3)
	p, err := MakePairs(t.Context(), m, rk4, nil, 7, 9)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Label, []int32{0, 1, 2, 0, 1, 2, 0}) {
		t.Errorf("labels %v", p.Label)
	}
	ex := examples(t, newModel(t, model.Spec{}, nn.Config{Classes: 3}), Reflow{Pairs: p}, 7, 0)
	for i := range 7 {
		if k := pairOf(p, ex.X0.Row(i)[0]); ex.Given.Label[i] != p.Label[k] {
			t.Errorf("example %d is pair %d with label %d", i, k, ex.Given.Label[i])
		}
	}
}

func TestReflowGoesStraightFromTheNoiseOfAPairToItsPoint(t *testing.T) {
	p := Pairs{X: points(60, 4).X}
	for _, k := range []int{0, 1, 4} {
		m, o := along(t, path.CondOT{}), Reflow{Pairs: p, Distill: k, Seed: 2}
		seen, times := map[float64]int{}, map[float64]bool{}
		for step := range 3 { // an epoch
			ex := examples(t, m, o, 20, uint64(step))
			for i, at := range ex.T {
				seen[ex.X0.Row(i)[0]]++
				times[at] = true
				row := p.X.Row(pairOf(p, ex.X0.Row(i)[0]))
				if ex.X1.Row(i)[1] != row[3] || ex.Alpha[i] != at || ex.Sigma[i] != 1-at {
					t.Fatalf("example %d at %g is not on the path of its pair", i, at)
				}
				if ex.G1[i] != 1 || ex.G0[i] != -1 {
					t.Fatalf("example %d at %g has not the velocity of its pair", i, at)
				}
			}
		}
		if len(seen) != 60 {
			t.Errorf("an epoch has %d of 60 pairs", len(seen))
		}
		switch {
		case k == 0 && len(times) != 60:
			t.Errorf("%d times of 60 examples", len(times))
		case k == 1 && !times[0], k == 4 && !(times[0] && times[0.25] && times[0.5] && times[0.75]),
			k > 0 && len(times) != k:
			t.Errorf("distillation into %d steps is at times %v", k, times)
		}
	}
}

// pairOf is the pair whose noise begins with z.
func pairOf(p Pairs, z float64) int {
	for i := range p.X.N {
		if p.X.Row(i)[0] == z {
			return i
		}
	}
	return -1
}

func TestValidationOfReflowHasEveryPairOnceAndNoTimeOfTraining(t *testing.T) {
	p := Pairs{X: points(60, 4).X}
	m, o := along(t, path.CondOT{}), Reflow{Pairs: p, Held: p, Seed: 2}
	val, err := o.heldOut(m)
	if err != nil {
		t.Fatal(err)
	}
	ex := examples(t, m, o, 60, 0)
	for i := range 60 {
		if val.X0.Row(i)[1] != p.X.Row(i)[1] || val.X1.Row(i)[0] != p.X.Row(i)[2] {
			t.Fatalf("example %d is not pair %d", i, i)
		}
	}
	if slices.Equal(val.T, ex.T) {
		t.Error("validation has the times of a step")
	}
	o.Held = p.Slice(3, 3)
	if v, err := o.Validation(m, nil, 20); v != nil || err != nil {
		t.Errorf("validation on no pairs: %v", err)
	}
}

// A map by one step: the student of a rotation by a quarter turn, which no one-step
// flow matching on independent pairs could learn.
func TestDistillationLearnsTheTeachersMapInOneStep(t *testing.T) {
	x := flow.NewBatch(4000, 4)
	z := points(4000, 2).X
	for i := range x.N {
		a, b := z.Row(i)[0]/2, z.Row(i)[1]/2
		copy(x.Row(i), []float64{a, b, 2 - b/2, a / 2})
	}
	m := learnt(t, Reflow{Pairs: Pairs{X: x}, Distill: 1, Seed: 2}, false, 600)
	if err := m.HasDensity(); !errors.Is(err, model.ErrNoDensity) || !strings.Contains(err.Error(), "use its teacher") {
		t.Errorf("the density of a distilled student: got %v", err)
	}
	f, err := m.Field(flow.Given{})
	if err != nil {
		t.Fatal(err)
	}
	held := flow.NewBatch(200, 2)
	flow.Gaussian{}.Sample(held, rand.New(rand.NewPCG(7, 7)))
	v := make([]float64, 400)
	if err := f.Velocity(v, 0, held.X); err != nil {
		t.Fatal(err)
	}
	square := 0.0
	for i := range held.N {
		a, b := held.Row(i)[0], held.Row(i)[1]
		square += (math.Pow(a+v[2*i]-(2-b/2), 2) + math.Pow(b+v[2*i+1]-a/2, 2)) / 400
	}
	if rms := math.Sqrt(square); rms > 0.1 {
		t.Errorf("one step is off by %.3f, want at most 0.1", rms)
	}
}

func TestPairsThatDoNotFitAreErrors(t *testing.T) {
	good := Pairs{X: flow.NewBatch(3, 4)}
	plane, conditional := newModel(t, model.Spec{}, nn.Config{}), newModel(t, model.Spec{}, nn.Config{Classes: 2})
	for name, c := range map[string]struct {
		m    *model.Model
		o    Reflow
		is   error
		want string
	}{
		"no pairs":  {plane, Reflow{}, nil, "N at least 1"},
		"odd width": {plane, Reflow{Pairs: Pairs{X: flow.NewBatch(3, 3)}}, nil, "pairs are [3, 3]"},
		"of the plane for a network of dimension 3": {newModel(t, model.Spec{}, nn.Config{Dim: 3}), Reflow{Pairs: good},
			nil, "must be [N, 6]"},
		"held, likewise": {plane, Reflow{Pairs: good, Held: Pairs{X: flow.NewBatch(3, 6)}}, nil, "pairs are [3, 6]"},
		"distilling a prediction of the data": {newModel(t, model.Spec{Prediction: path.Data}, nn.Config{}),
			Reflow{Pairs: good, Distill: 1}, ErrObjective, "not data"},
		"distilling at times": {plane, Reflow{Pairs: good, Distill: 1, Times: Times{IID: true}}, nil,
			"Reflow.Times is set"},
		"distill -1": {plane, Reflow{Pairs: good, Distill: -1}, nil, "Reflow.Distill is -1"},
		"no labels":  {conditional, Reflow{Pairs: good}, flow.ErrLabels, "0 labels"},
		"labels":     {plane, Reflow{Pairs: Pairs{X: good.X, Label: []int32{0, 1, 0}}}, flow.ErrLabels, "3 labels"},
		"a context": {newModel(t, model.Spec{}, nn.Config{Context: 2}), Reflow{Pairs: good},
			flow.ErrContext, ""},
		"noise":       {along(t, path.Bridge{Sigma: 1}), Reflow{Pairs: good}, nil, "noise of its own"},
		"a weighting": {plane, Reflow{Pairs: good, Weighting: "snr"}, nil, "unknown weighting"},
	} {
		_, err := Fit{Loop: Loop{Steps: 1, Batch: 3}}.Train(t.Context(), c.m, c.o)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %v with %q", name, err, c.is, c.want)
		}
	}
}

// The pairs held out validate, whether there are held-out points or not.
func TestReflowValidatesOnItsOwnPairs(t *testing.T) {
	p := Pairs{X: points(60, 4).X}
	var last Event
	fit := Fit{Loop: Loop{Steps: 2, Batch: 8}, Hooks: Hooks{Event: func(e Event) error { last = e; return nil }}}
	for _, held := range []Pairs{{}, p.Slice(50, 60)} {
		if _, err := fit.Train(t.Context(), along(t, path.CondOT{}),
			Reflow{Pairs: p.Slice(0, 50), Held: held}); err != nil {
			t.Fatal(err)
		}
		if (last.ValLoss != nil) != (held.X.N > 0) {
			t.Errorf("%d pairs held out, validation loss %v", held.X.N, last.ValLoss)
		}
	}
}

// A teacher with a source of its own carries draws of that source, which are not scaled.
func TestPairsBeginAtTheTeachersSource(t *testing.T) {
	m := newModel(t, model.Spec{Source: &synth.SourceConfig{Name: "8gaussians"}}, nn.Config{})
	p, err := MakePairs(t.Context(), m, rk4, nil, 100, 9)
	if err != nil {
		t.Fatal(err)
	}
	z, logp := flow.NewBatch(100, 2), make([]float64, 100)
	for i := range z.N {
		copy(z.Row(i), p.X.Row(i)[:2])
	}
	m.Source().LogProb(logp, z)
	if worst := slices.Min(logp); worst < -20 {
		t.Errorf("a pair begins where the source has log-density %g", worst)
	}
	s, err := m.SampleFrom(t.Context(), z, model.SampleOptions{Sampler: rk4})
	if err != nil {
		t.Fatal(err)
	}
	for i := range z.N {
		for d, want := range s.X.Row(i) {
			if got := p.X.Row(i)[2+d]; math.Abs(got-want) > 1e-6 {
				t.Fatalf("pair %d ends at %g, its draw at %g", i, got, want)
			}
		}
	}
}

func TestTeachersThatCannotTeachAreErrors(t *testing.T) {
	std := &data.Standardizer{Mean: make([]float64, 3), Std: []float64{1, 1, 1}}
	for want, c := range map[string]struct {
		m   *model.Model
		how model.Sampler
		std *data.Standardizer
	}{
		"not with noise":      {teacher(t, 0), model.SDE{Sampler: sde.Sampler{Steps: 3}}, nil},
		"it takes a context":  {newModel(t, model.Spec{}, nn.Config{Context: 2}), rk4, nil},
		"the student's stand": {teacher(t, 0), rk4, std},
	} {
		_, err := MakePairs(t.Context(), c.m, c.how, c.std, 5, 1)
		if !errors.Is(err, ErrObjective) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ErrObjective with %q", err, want)
		}
	}
	if _, err := MakePairs(t.Context(), teacher(t, 0), rk4, nil, -1, 1); err == nil {
		t.Error("-1 pairs were made")
	}
}
