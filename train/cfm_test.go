package train

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	gonumstat "gonum.org/v1/gonum/stat"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

func TestExamplesAreThePathsInterpolation(t *testing.T) {
	set := points(40, 2)
	for _, name := range path.Names() {
		s, err := path.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.(path.Noisy); ok {
			continue
		}
		ex := examples(t, along(t, s), CFM{Data: data.Shuffle(set, 1), Seed: 5}, 32, 7)
		xt, ut := flow.NewBatch(32, 2), flow.NewBatch(32, 2)
		if err := path.Interpolate(xt, ut, s, ex.T, ex.X0, ex.X1); err != nil {
			t.Fatal(err)
		}
		for i := range 32 {
			for d := range 2 {
				k := 2*i + d
				gotX := ex.Alpha[i]*ex.X1.X[k] + ex.Sigma[i]*ex.X0.X[k]
				gotU := ex.G1[i]*ex.X1.X[k] + ex.G0[i]*ex.X0.X[k]
				if math.Abs(gotX-xt.X[k]) > 1e-12*(1+math.Abs(gotX)) ||
					math.Abs(gotU-ut.X[k]) > 1e-9*(1+math.Abs(gotU)) {
					t.Fatalf("%s, example %d: x_t %g and u_t %g, want %g and %g", name, i, gotX, gotU, xt.X[k], ut.X[k])
				}
			}
		}
	}
}

func TestExamplesAreAFunctionOfSeedAndStep(t *testing.T) {
	m, o := along(t, path.CondOT{}), cfm()
	make := func(step uint64, seed uint64) *nn.Examples {
		o := o
		o.Seed = seed
		return examples(t, m, o, 32, step)
	}
	a, b := make(9, 5), make(9, 5)
	if !slices.Equal(a.X0.X, b.X0.X) || !slices.Equal(a.X1.X, b.X1.X) || !slices.Equal(a.T, b.T) {
		t.Error("the same step twice gives different examples")
	}
	if c := make(10, 5); slices.Equal(a.X0.X, c.X0.X) || slices.Equal(a.T, c.T) {
		t.Error("two steps give the same noise or times")
	}
	if c := make(9, 6); slices.Equal(a.X0.X, c.X0.X) {
		t.Error("two seeds give the same noise")
	}
}

// Validation covers all times: binning them would make its loss incomparable.
func TestValidationCoversAllTimesAndEveryPointOnce(t *testing.T) {
	set := points(200, 2)
	m, o := along(t, path.CondOT{}), CFM{Data: data.Shuffle(set, 1), Seed: 5}
	ex, err := o.heldOut(m, set, 64)
	if err != nil {
		t.Fatal(err)
	}
	same := slices.Equal(slices.Sorted(slices.Values(ex.X1.X)), slices.Sorted(slices.Values(set.X.X)))
	if !same || slices.Equal(ex.X1.X, set.X.X) {
		t.Error("validation does not hold every point once, in an order of its own")
	}
	ts := slices.Sorted(slices.Values(ex.T))
	if ts[0] > 0.05 || ts[len(ts)-1] < 0.95 || math.Abs(ts[len(ts)/2]-0.5) > 0.05 {
		t.Errorf("times run from %g over %g to %g", ts[0], ts[len(ts)/2], ts[len(ts)-1])
	}
	if none, err := o.Validation(m, data.Points{X: flow.NewBatch(0, 2)}, 64); none != nil || err != nil {
		t.Errorf("no points: got %v, %v", none, err)
	}
}

// The times of validation must not go with the rows: sorted ones would be judged at times of
// their own, and paired among themselves.
func TestSortedPointsAreValidatedAtAllTimes(t *testing.T) {
	const n = 4000
	set := data.Points{X: flow.NewBatch(n, 2)}
	for i := range n {
		set.X.Row(i)[0], set.X.Row(i)[1] = float64(i)/n, 1
	}
	ex, err := CFM{Data: data.Shuffle(set, 1), Seed: 5}.heldOut(along(t, path.CondOT{}), set, 1000)
	if err != nil {
		t.Fatal(err)
	}
	place := make([]float64, n)
	for i := range place {
		place[i] = ex.X1.Row(i)[0]
	}
	if c := gonumstat.Correlation(place, ex.T, nil); math.Abs(c) > 0.06 {
		t.Errorf("the correlation of the rows with their times is %.2f, want none", c)
	}
}

func TestLabelsAreDroppedAsOftenAsAsked(t *testing.T) {
	const n, share = 20000, 0.15
	m := newModel(t, model.Spec{}, nn.Config{Classes: 2})
	o := CFM{Data: ones{data.Shuffle(points(100, 2), 1)}, LabelDropout: share, Seed: 5}
	drop := func(step uint64) (dropped []int) {
		for i, l := range examples(t, m, o, n, step).Given.Label {
			if l == -1 {
				dropped = append(dropped, i)
			}
		}
		return dropped
	}
	a := drop(3)
	if se := math.Sqrt(share * (1 - share) / n); math.Abs(float64(len(a))/n-share) > 5*se {
		t.Errorf("%d of %d labels are dropped, want a share of %g", len(a), n, share)
	}
	if !slices.Equal(a, drop(3)) || slices.Equal(a, drop(4)) {
		t.Error("which labels are dropped is not a function of the step")
	}
}

// x_0 comes from the source that the model names.
func TestNoiseIsFromTheModelsSource(t *testing.T) {
	spec := model.Spec{Source: &synth.SourceConfig{Name: "8gaussians"}}
	m := newModel(t, spec, nn.Config{})
	ex := examples(t, m, CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 5}, 200, 3)
	logp := make([]float64, 200)
	m.Source().LogProb(logp, ex.X0)
	if worst := slices.Min(logp); worst < -20 {
		t.Errorf("a point of x_0 has log-density %g under the source", worst)
	}
}

// A label-aware coupling needs labels even where the network takes none.
func TestLabelsCanBeForTheCouplingAlone(t *testing.T) {
	set := labelled(60, 2, 3)
	o := CFM{Data: data.Shuffle(set, 1), Coupling: coupling.OT{LabelAware: true}, Seed: 5}
	free, conditional := newModel(t, model.Spec{}, nn.Config{}), newModel(t, model.Spec{}, nn.Config{Classes: 3})
	a, b := examples(t, free, o, 30, 2), examples(t, conditional, o, 30, 2)
	if !slices.Equal(a.X0.X, b.X0.X) || !slices.Equal(a.X1.X, b.X1.X) {
		t.Error("the pairs depend on what the network takes")
	}
	if len(a.Given.Label) != 0 || len(b.Given.Label) != 30 {
		t.Errorf("%d and %d labels reach the networks, want 0 and 30", len(a.Given.Label), len(b.Given.Label))
	}
	o.Coupling = coupling.OT{}
	if c := examples(t, free, o, 30, 2); slices.Equal(a.X0.X, c.X0.X) {
		t.Error("the pairs are those of all points, whatever their label")
	}
	o.Coupling = coupling.OT{LabelAware: true}
	trained, err := Fit{Loop: Loop{Steps: 3, Batch: 30}, Held: set}.Train(t.Context(), free, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := trained.HasScore(); !errors.Is(err, model.ErrNoScore) || !strings.Contains(err.Error(), "coupling ot") {
		t.Errorf("the score of a flow along optimal pairs: got %v", err)
	}
	o.Data = data.Shuffle(points(60, 2), 1)
	_, err = Fit{Loop: Loop{Steps: 3, Batch: 30}}.Train(t.Context(), free, o)
	if !errors.Is(err, data.ErrNoLabels) {
		t.Errorf("a label-aware coupling of data without labels: got %v", err)
	}
}

func TestWhatCFMCannotUseIsAnError(t *testing.T) {
	stream := data.Shuffle(points(20, 2), 1)
	plain, bridge := model.Spec{}, model.Spec{Path: path.Config{Name: "bridge"}}
	for want, c := range map[string]struct {
		o    CFM
		spec model.Spec
		net  nn.Config
	}{
		"has no Data":                    {CFM{}, plain, nn.Config{}},
		"data of dimension 3":            {CFM{Data: data.Shuffle(points(20, 3), 1)}, plain, nn.Config{}},
		"label_dropout is 1;":            {CFM{Data: stream, LabelDropout: 1}, plain, nn.Config{Classes: 2}},
		"but the network has no classes": {CFM{Data: stream, LabelDropout: 0.1}, plain, nn.Config{}},
		"independent of the data":        {CFM{Data: stream, Coupling: coupling.OT{}}, plain, nn.Config{Context: 1}},
		"the prediction is data": {CFM{Data: stream}, model.Spec{Path: bridge.Path, Prediction: path.Data},
			nn.Config{}},
		"the weighting is sigma2":           {CFM{Data: stream, Weighting: SigmaSquared}, bridge, nn.Config{}},
		`unknown weighting "snr"`:           {CFM{Data: stream, Weighting: "snr"}, plain, nn.Config{}},
		`unknown time distribution "gamma"`: {CFM{Data: stream, Times: Times{Name: "gamma"}}, plain, nn.Config{}},
	} {
		_, err := Fit{Loop: Loop{Steps: 1, Batch: 4}}.Train(t.Context(), newModel(t, c.spec, c.net), c.o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// The examples of a preconditioned model have inputs and targets of unit variance, at times
// that are spread evenly over the share of the data, and Skip x_t + Out w is the target
// of the prediction.
func TestPreconditionedExamples(t *testing.T) {
	const n = 4096
	p := path.Precondition{Data: 3}
	for _, s := range []path.Scheduler{path.CondOT{}, path.VP{}, path.VE{}} {
		m := newModel(t, model.Spec{Scheduler: s, Prediction: path.Data, Precondition: &p}, nn.Config{})
		ex := examples(t, m, CFM{Data: wide{}, Seed: 5}, n, 0)
		var z2, w2, zw, tau float64
		clock := m.Clock()
		for i := range n {
			share := (ex.T[i] + 2) / 4
			at := clock.At((share - clock.Share(0)) / (clock.Share(1) - clock.Share(0)))
			c := s.At(at)
			k := p.At(c, path.Data)
			x0, x1 := ex.X0.X[2*i], ex.X1.X[2*i]
			z, w := ex.Alpha[i]*x1+ex.Sigma[i]*x0, ex.G1[i]*x1+ex.G0[i]*x0
			if got := k.Skip*(c.Alpha*x1+c.Sigma*x0) + k.Out*w; math.Abs(got-x1) > 1e-3*(1+math.Abs(x1)) {
				t.Fatalf("%T at t=%g: the data are %g, want %g", s, at, got, x1)
			}
			z2, w2, zw, tau = z2+z*z/n, w2+w*w/n, zw+z*w/n, tau+share/n
		}
		middle := (clock.Share(0) + clock.Share(1)) / 2
		if math.Abs(z2-1) > 0.07 || math.Abs(w2-1) > 0.07 || math.Abs(zw) > 0.05 || math.Abs(tau-middle) > 1e-3 {
			t.Errorf("%T: variances %.3f and %.3f, covariance %.3f, mean time %.4f; want 1, 1, 0, %.4f", s, z2, w2, zw,
				tau, middle)
		}
	}
}

// wide is N(0, 9 I) in the plane.
type wide struct{}

func (wide) Dim() int { return 2 }

func (wide) Fill(x flow.Batch, _ flow.Given, step uint64) error {
	flow.Gaussian{Std: 3}.Sample(x, seed.Rand(1, "wide", step))
	return nil
}

func TestOnlyCFMTrainsAPreconditionedModel(t *testing.T) {
	m := newModel(t, model.Spec{Precondition: &path.Precondition{}}, nn.Config{})
	for _, o := range []Objective{
		FM{CFM: CFM{Data: data.Shuffle(points(20, 2), 1)}, X1: points(20, 2).X},
		ML{Data: data.Shuffle(points(20, 2), 1)},
		Reflow{Pairs: Pairs{X: flow.NewBatch(4, 4)}},
	} {
		if err := o.Check(m); !errors.Is(err, ErrObjective) || !strings.Contains(err.Error(), "Precondition") {
			t.Errorf("%T: %v, want ErrObjective about the Precondition", o, err)
		}
	}
}
