package run

import (
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/model"
	"flowmatch/ode"
)

func trained(t *testing.T, text string) *Run {
	t.Helper()
	c, err := ParseConfig([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), c, t.TempDir(), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const tiny = `
data: {name: 8gaussians, val: 50, test: 60}
net: {hidden: [8]}
train: {steps: 30, batch: 16, log_every: 10, val_every: 10, snapshot_every: 10}
`

func TestSnapshotsAreTheRunAsItWas(t *testing.T) {
	r := trained(t, tiny)
	steps, err := Snapshots(r.Dir)
	if err != nil || !slices.Equal(steps, []int{10, 20, 30}) {
		t.Fatalf("got snapshots of steps %v (%v), want 10, 20 and 30", steps, err)
	}
	weights := func(r *Run, err error) []float32 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		w, err := r.Model.Net().Weights()
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	last := weights(r, nil)
	if at := weights(OpenAt(r.Dir, 30, OpenOptions{})); !slices.Equal(at, last) {
		t.Error("the snapshot of the last step is not the run's model")
	}
	if at := weights(OpenAt(r.Dir, 10, OpenOptions{})); slices.Equal(at, last) {
		t.Error("the snapshot of step 10 is that of the last")
	}
	if _, err := OpenAt(r.Dir, 15, OpenOptions{}); err == nil {
		t.Error("a snapshot that was not taken opens")
	}
}

// With a source of its own a flow starts there: at t=0 its points are the source's,
// and a likelihood adds the source's log-density.
func TestAFlowStartsFromItsSource(t *testing.T) {
	r := trained(t, tiny+"source: {name: moons}\npath: {name: icfm, sigma: 0.1}\ncoupling: {name: ot}\n")
	if again, err := Open(r.Dir, ""); err != nil {
		t.Fatal(err)
	} else if _, ok := again.Model.Source().(synth.Source); !ok {
		t.Fatalf("opened again, the model starts from %T", again.Model.Source())
	}
	solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(20)}
	s, err := r.Model.Sample(t.Context(), model.SampleOptions{N: 200, Seed: 1, Sampler: model.Density{Solver: solver}})
	if err != nil {
		t.Fatal(err)
	}
	moons, err := synth.ByName("moons", synth.Params{})
	if err != nil {
		t.Fatal(err)
	}
	logp := make([]float64, 200)
	moons.(data.LogProber).LogProb(logp, s.X0)
	if least := slices.Min(logp); least < -12 {
		t.Errorf("a source point has log-density %g under moons", least)
	}
	back, _, err := r.Model.LogProb(t.Context(), s.X, model.LikelihoodOptions{Solver: solver})
	if err != nil {
		t.Fatal(err)
	}
	for i := range back {
		if d := back[i] - s.LogP[i]; d > 1e-2 || d < -1e-2 {
			t.Fatalf("sample %d: log p %g on the way out and %g on the way back", i, s.LogP[i], back[i])
		}
	}
}

func TestASourceMustFitThePath(t *testing.T) {
	c, err := ParseConfig([]byte(tiny+"source: {name: moons}\npath: {name: vp}\n"), nil)
	if err == nil {
		_, err = Train(t.Context(), c, t.TempDir(), TrainOptions{})
	}
	if err == nil || !strings.Contains(err.Error(), "starts from it") {
		t.Errorf("moons with path vp: got %v", err)
	}
	c, err = ParseConfig([]byte(tiny+"source: {name: gaussian, dim: 3}\n"), nil)
	if err == nil {
		_, err = Train(t.Context(), c, t.TempDir(), TrainOptions{})
	}
	if err == nil || !strings.Contains(err.Error(), "3 dimensions") {
		t.Errorf("a source of 3 dimensions for data of 2: got %v", err)
	}
}
