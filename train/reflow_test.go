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
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// teacher is a flow with random weights, a source of deviation 3 and a
// standardisation of its own.
func teacher(t *testing.T, classes int) *model.Model {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{12}, Classes: classes}, 4)
	if err != nil {
		t.Fatal(err)
	}
	most := 3.0
	m, err := model.New(model.Spec{
		Path: path.Config{Name: "ve", SigmaMax: &most}, Shape: []int{2},
		Standardizer: &data.Standardizer{Mean: []float64{1, 2}, Std: []float64{5, 7}},
	}, net)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var rk4 = model.SampleOptions{Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(5)}}

func TestPairsAreTheTeachersWayFromNoiseInUnitsOfTheStudent(t *testing.T) {
	m := teacher(t, 0)
	std := &data.Standardizer{Mean: []float64{-1, 0}, Std: []float64{2, 3}}
	p, err := MakePairs(context.Background(), m, rk4, std, 200, 9)
	if err != nil {
		t.Fatal(err)
	}
	square := 0.0
	for i := range p.X.N {
		z, x1 := p.X.Row(i)[:2], p.X.Row(i)[2:]
		x0 := flow.Batch{N: 1, D: 2, X: []float64{3 * z[0], 3 * z[1]}}
		s, err := m.SampleFrom(context.Background(), x0, rk4) // in data units
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
	again, err := MakePairs(context.Background(), m, rk4, std, 200, 9)
	if err != nil || !slices.Equal(again.X.X, p.X.X) {
		t.Errorf("the same seed makes other pairs, %v", err)
	}
	if other, _ := MakePairs(context.Background(), m, rk4, std, 200, 10); other.X.X[0] == p.X.X[0] {
		t.Error("another seed makes the same pairs")
	}
}

func TestPairsOfAConditionalTeacherHaveItsLabels(t *testing.T) {
	m := teacher(t, 3)
	p, err := MakePairs(context.Background(), m, rk4, nil, 7, 9)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Label, []int32{0, 1, 2, 0, 1, 2, 0}) {
		t.Errorf("labels %v", p.Label)
	}
	if q := LabelPairs(p.X, 3); !slices.Equal(q.Label, p.Label) {
		t.Errorf("labels of pairs read again: %v", q.Label)
	}
	o, err := NewReflow(CFM{Scheduler: path.CondOT{}, Labels: true}, p, 0)
	if err != nil {
		t.Fatal(err)
	}
	ex := nn.NewExamples(7, 2)
	if err := o.Examples(ex, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		if k := pairOf(p, ex.X0.Row(i)[0]); ex.Label[i] != p.Label[k] {
			t.Errorf("example %d is pair %d with label %d", i, k, ex.Label[i])
		}
	}
}

func TestReflowGoesStraightFromTheNoiseOfAPairToItsPoint(t *testing.T) {
	p := Pairs{X: points(60, 4).X}
	for _, k := range []int{0, 1, 4} {
		o, err := NewReflow(CFM{Scheduler: path.CondOT{}, Seed: 2}, p, k)
		if err != nil {
			t.Fatal(err)
		}
		seen, times := map[float64]int{}, map[float64]bool{}
		for step := range 3 { // an epoch
			ex := nn.NewExamples(20, 2)
			if err := o.Examples(ex, uint64(step)); err != nil {
				t.Fatal(err)
			}
			for i, at := range ex.T {
				seen[ex.X0.Row(i)[0]]++
				times[at] = true
				row := p.X.Row(pairOf(p, ex.X0.Row(i)[0]))
				if ex.X1.Row(i)[1] != row[3] || ex.Alpha[i] != at || ex.Sigma[i] != 1-at || ex.G1[i] != 1 || ex.G0[i] != -1 {
					t.Fatalf("example %d at %g is not on the way of its pair", i, at)
				}
			}
		}
		if len(seen) != 60 {
			t.Errorf("an epoch has %d of 60 pairs", len(seen))
		}
		switch {
		case k == 0 && len(times) != 60:
			t.Errorf("%d times of 60 examples", len(times))
		case k == 1 && !times[0], k == 4 && !(times[0] && times[0.25] && times[0.5] && times[0.75]), k > 0 && len(times) != k:
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
	o, err := NewReflow(CFM{Scheduler: path.CondOT{}, Seed: 2}, p, 0)
	if err != nil {
		t.Fatal(err)
	}
	val, ex := o.Validation(p), nn.NewExamples(60, 2)
	if err := o.Examples(ex, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		if val.X0.Row(i)[1] != p.X.Row(i)[1] || val.X1.Row(i)[0] != p.X.Row(i)[2] {
			t.Fatalf("example %d is not pair %d", i, i)
		}
	}
	if slices.Equal(val.T, ex.T) {
		t.Error("validation has the times of a step")
	}
	if o.Validation(p.Slice(3, 3)) != nil {
		t.Error("examples of no pairs")
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
	o, err := NewReflow(CFM{Scheduler: path.CondOT{}, Seed: 2}, Pairs{X: x}, 1)
	if err != nil {
		t.Fatal(err)
	}
	f := trained(t, o, false, 600)
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
	cfm := CFM{Scheduler: path.CondOT{}}
	if _, err := NewReflow(cfm, Pairs{X: flow.NewBatch(3, 3)}, 0); err == nil {
		t.Error("pairs of odd width went through")
	}
	cfm.Prediction = path.Data
	if _, err := NewReflow(cfm, Pairs{X: flow.NewBatch(3, 4)}, 1); !errors.Is(err, ErrAverages) {
		t.Errorf("distilling a prediction of the data: got %v", err)
	}
	cfm.Prediction = path.Velocity
	o, err := NewReflow(cfm, Pairs{X: flow.NewBatch(3, 4)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Examples(nn.NewExamples(3, 3), 0); err == nil {
		t.Error("pairs in the plane for a network of dimension 3 went through")
	}
}
