package train

import (
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// The theorem with the network itself: the gradient of the CFM loss over many
// draws agrees with that of the exact FM loss at the same (t, x_t), within the
// standard error of the draws. Both use the compiled loss.
func TestGradientOfCFMIsThatOfFM(t *testing.T) {
	set := points(5, 2)
	s := path.CondOT{SigmaMin: 0.1}
	m := newModel(t, model.Spec{Scheduler: s}, nn.Config{Hidden: []int{8}})
	net := m.Net()
	cfm := CFM{Data: data.Shuffle(set, 1), Times: Times{IID: true}, Seed: 2}
	const batches, batch = 60, 1000
	p := net.NumWeights()
	mean, square := make([]float64, p), make([]float64, p)
	size := 0.0
	for k := range batches {
		var grads [2][]float64
		for j, o := range []Regression{cfm, FM{CFM: cfm, X1: set.X}} {
			var err error
			if _, grads[j], err = net.LossGradient(examples(t, m, o, batch, uint64(k))); err != nil {
				t.Fatal(err)
			}
		}
		for i := range p {
			d := grads[0][i] - grads[1][i]
			mean[i] += d / batches
			square[i] += d * d / batches
			size = max(size, math.Abs(grads[1][i]))
		}
	}
	for i := range p {
		se := math.Sqrt(max(0, square[i]-mean[i]*mean[i]) / (batches - 1))
		// Five standard errors for a few dozen weights; float32 adds a little.
		if math.Abs(mean[i]) > 5*se+1e-6*size {
			t.Errorf("weight %d: mean difference %g, standard error %g", i, mean[i], se)
		}
	}
}

func TestFMRefusesACoupling(t *testing.T) {
	set := points(5, 2)
	o := FM{CFM: CFM{Data: data.Shuffle(set, 1), Coupling: coupling.OT{}}, X1: set.X}
	m := along(t, path.CondOT{})
	if err := o.Examples(m, newExamples(m, 4), 0); !errors.Is(err, ErrObjective) {
		t.Errorf("got %v", err)
	}
	if _, err := (Fit{Loop: Loop{Steps: 1, Batch: 4}}).Train(t.Context(), m, o); !errors.Is(err, ErrObjective) {
		t.Errorf("training: got %v", err)
	}
}

func TestFMRefusesWhatTheMarginalDoesNotKnow(t *testing.T) {
	set := points(5, 2)
	o := FM{CFM: CFM{Data: data.Shuffle(set, 1)}, X1: set.X}
	source := model.Spec{Source: &synth.SourceConfig{Name: "8gaussians"}}
	for want, m := range map[string]*model.Model{
		"labels or a context":               newModel(t, model.Spec{}, nn.Config{Classes: 2}),
		"labels or a context ":              newModel(t, model.Spec{}, nn.Config{Context: 2}),
		"a source is for the objective cfm": newModel(t, source, nn.Config{}),
		"noise of its own":                  along(t, path.Bridge{Sigma: 0.5}),
	} {
		_, err := Fit{Loop: Loop{Steps: 1, Batch: 4}}.Train(t.Context(), m, o)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	o.X1 = flow.NewBatch(0, 2)
	if _, err := (Fit{Loop: Loop{Steps: 1, Batch: 4}}).Train(t.Context(), along(t, path.CondOT{}), o); err == nil {
		t.Error("a marginal of no points")
	}
}

// A training makes the same examples as Examples, one by one.
func TestFMTrainsOnItsExamples(t *testing.T) {
	set := points(20, 2)
	o := FM{CFM: CFM{Data: data.Shuffle(set, 1), Seed: 3}, X1: set.X}
	m := newModel(t, model.Spec{Path: path.Config{Name: "vp"}, Prediction: path.Noise}, nn.Config{})
	tr, err := m.Net().NewTrainer(nn.Optimizer{}, nn.StepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	take, wait, err := regress(t.Context(), Training{Model: m, Trainer: tr, Batch: 8, To: 1}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer wait()
	r, err := take(0, 1e-3)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := m.Net().LossGradient(examples(t, m, o, 8, 0))
	if err != nil || math.Abs(r.Loss-want) > 1e-6*want {
		t.Errorf("the loss of the step is %g, of its examples %g (%v)", r.Loss, want, err)
	}
}
