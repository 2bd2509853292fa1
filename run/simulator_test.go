package run

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/train"
)

// With θ ~ N(0, 0.1·I) and x ~ N(θ, 0.1·I), p(θ | x) is N(x/2, 0.05·I): a run that names the
// simulator learns it, and one that was interrupted learns the same.
func TestARunLearnsThePosteriorOfASimulator(t *testing.T) {
	const text = "seed: 3\ndata: {simulator: gaussian_linear, n: 3000}\nnet: {residual: {width: 32, blocks: 2}}\n" +
		"train: {steps: 400, batch: 128, val_every: 100}\n"
	cfg, err := ParseConfig([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = Train(ctx, cfg, filepath.Join(dir, "twice"), TrainOptions{Step: func(step int, _ float64) {
		if step >= 150 {
			cancel()
		}
	}})
	if !errors.Is(err, train.ErrInterrupted) {
		t.Fatalf("interrupted: %v", err)
	}
	if _, err = Train(t.Context(), cfg, filepath.Join(dir, "twice"), TrainOptions{Resume: true}); err != nil {
		t.Fatal(err)
	}
	if _, err = Train(t.Context(), cfg, filepath.Join(dir, "once"), TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	var drawn []flow.Batch
	for _, name := range []string{"once", "twice"} {
		r, err := Open(filepath.Join(dir, name), "")
		if err != nil {
			t.Fatal(err)
		}
		x := flow.NewBatch(1, 10)
		for i := range x.X {
			x.X[i] = 0.1 * float64(i-5)
		}
		z, err := r.Model.Contexts(x)
		if err != nil {
			t.Fatal(err)
		}
		how, err := r.Config.Eval.Sampler()
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Model.Sample(t.Context(), model.SampleOptions{N: 1000, Seed: 1, Given: flow.Given{Context: z},
			Sampler: how})
		if err != nil {
			t.Fatal(err)
		}
		drawn = append(drawn, s.X)
		checkMeans(t, s.X, x.X)
		if len(drawn) > 1 {
			break
		}
		sub, err := r.Subject(true)
		if err != nil {
			t.Fatal(err)
		}
		p, given, err := sub.TestPoints(200)
		if err != nil {
			t.Fatal(err)
		}
		l, _, err := sub.Likelihood(t.Context(), p, given)
		want := 5 * math.Log(2*math.Pi*math.E*0.05)
		if err != nil || math.Abs(l.NLL-want) > 0.6 {
			t.Errorf("NLL %.3f of held-out parameters given their data, want %.3f (%v)", l.NLL, want, err)
		}
	}
	if !slices.Equal(drawn[0].X, drawn[1].X) {
		t.Error("a run that was interrupted has learnt something else")
	}
}

// checkMeans compares the means of samples with x/2.
func checkMeans(t *testing.T, samples flow.Batch, x []float64) {
	t.Helper()
	for j := range x {
		mean := 0.0
		for i := range samples.N {
			mean += samples.Row(i)[j] / float64(samples.N)
		}
		if math.Abs(mean-x[j]/2) > 0.1 { // its standard deviation is 0.22
			t.Errorf("parameter %d: mean %.3f, want %.3f", j+1, mean, x[j]/2)
		}
	}
}

func TestSimulatorsThatDoNotFitARunFile(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"data: {simulator: slpc, n: 10}\n", `did you mean "slcp"?`},
		{"data: {simulator: slcp}\n", "n is not set"},
		{"data: {simulator: slcp, n: 10}\ntrain: {objective: fm}\n", "data.simulator is for the objectives"},
		{"data: {simulator: slcp, n: 10, name: moons}\n", "leave one out"},
	} {
		if _, err := ParseConfig([]byte(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	if _, err := ParseConfig([]byte("data: {simulator: slcp, n: 10}\ncoupling: {name: ot}\n"+
		"net: {residual: {embed: {kind: mlp}}}\n"), nil); err != nil {
		t.Errorf("a coupling and an embedding of what is simulated: %v", err)
	}
}
