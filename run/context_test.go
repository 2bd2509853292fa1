package run

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/model"
)

// linearGaussian writes n simulations of a parameter a ~ N(0, 1) that is seen as
// x = 10 + 3a + noise of deviation 1.5: its posterior is N((x-10)/3.75, 0.2).
func linearGaussian(t *testing.T, n int) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(4, 4))
	var b strings.Builder
	b.WriteString("a,x\n")
	for range n {
		a := rng.NormFloat64()
		fmt.Fprintf(&b, "%g,%g\n", a, 10+3*a+1.5*rng.NormFloat64())
	}
	file := filepath.Join(t.TempDir(), "sims.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAPosteriorIsLearntFromSimulations(t *testing.T) {
	file := linearGaussian(t, 4000)
	for _, c := range []string{"{name: independent}", "{name: ot}"} {
		text := "seed: 2\ndata: {path: " + file + ", context: [x]}\nnet: {residual: {width: 32, blocks: 2}}\n" +
			"train: {steps: 500, batch: 128}\ncoupling: " + c + "\n"
		cfg, err := ParseConfig([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if r, err = Open(r.Dir, ""); err != nil {
			t.Fatal(err)
		}
		spec := r.Model.Spec()
		if len(spec.ContextColumns) != 1 || spec.ContextColumns[0] != "x" || spec.ContextStandardizer == nil {
			t.Fatalf("the checkpoint knows of contexts %v", spec.ContextColumns)
		}
		s, err := r.Subject(true)
		if err != nil {
			t.Fatal(err)
		}
		x, given, err := s.TestPoints(300)
		if err != nil {
			t.Fatal(err)
		}
		l, _, err := s.Likelihood(t.Context(), x, given)
		// The entropy of N(·, 0.2) is 0.614.
		if err != nil || math.Abs(l.NLL-0.5*math.Log(2*math.Pi*math.E*0.2)) > 0.12 {
			t.Errorf("%s: NLL %v of held-out parameters given their simulations, want 0.614 (%v)", c, l.NLL, err)
		}
		// At one observation, x = 16: N(1.6, 0.2).
		context := flow.Batch{N: 1, D: 1, X: []float64{16}}
		spec.ContextStandardizer.Apply(context)
		solver, err := r.Config.Eval.DensitySolver()
		if err != nil {
			t.Fatal(err)
		}
		mode, err := r.Model.Mode(t.Context(), model.ModeOptions{Given: flow.Given{Context: context}, Solver: solver})
		if err != nil || math.Abs(mode.X.X[0]-1.6) > 0.2 || math.Abs(mode.LogP[0]+0.5*math.Log(2*math.Pi*0.2)) > 0.2 {
			t.Errorf("%s: the mode at x = 16 is %.3f with log p %.3f, want 1.6 and -0.114 (%v)", c, mode.X.X,
				mode.LogP, err)
		}
		p, err := posterior(t, r, flow.Given{Context: context})
		if mean, std := p[0], p[1]; err != nil || math.Abs(mean-1.6) > 0.12 || math.Abs(std-math.Sqrt(0.2)) > 0.08 {
			t.Errorf("%s: at x = 16 mean %.3f and deviation %.3f, want 1.6 and 0.447 (%v)", c, mean, std, err)
		}
	}
}

// posterior returns the mean and the deviation of samples of a model of one dimension.
func posterior(t *testing.T, r *Run, given flow.Given) (p [2]float64, err error) {
	t.Helper()
	how, err := r.Config.Eval.Sampler()
	if err != nil {
		return p, err
	}
	s, err := r.Model.Sample(t.Context(), model.SampleOptions{N: 2000, Seed: 1, Given: given, Sampler: how})
	for _, v := range s.X.X {
		p[0] += v / 2000
	}
	for _, v := range s.X.X {
		p[1] += (v - p[0]) * (v - p[0]) / 2000
	}
	p[1] = math.Sqrt(p[1])
	return p, err
}

func TestContextsThatDoNotFitARunFile(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"data: {path: x.csv, context: [x]}\ntrain: {objective: fm}\n", "data.context is for the objectives"},
		{"data: {path: x.csv, context: [x]}\ntrain: {objective: reflow, teacher: t}\n", "not for reflow"},
		{"data: {path: x.csv}\ncoupling: {name: independent, context_weight: 3}\n", "does not use it"},
		{"data: {path: x.csv, context: [x]}\ncoupling: {name: ot, context_weight: -3}\n", "that is not negative"},
		{"data: {path: x.csv}\nnet: {residual: {embed: {kind: mlp}}}\n", "the data have none"},
		{"data: {path: x.csv, context: [x]}\nnet: {residual: {}, hidden: [3]}\n", "net.residual have one width"},
	} {
		if _, err := ParseConfig([]byte(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	cfg, err := ParseConfig([]byte("data: {path: x.csv, context: [x]}\ncoupling: {name: ot, context_weight: 0}\n"), nil)
	if err != nil || len(cfg.Warnings()) != 1 || !strings.Contains(cfg.Warnings()[0], "context_weight is 0") {
		t.Errorf("a coupling that sees no contexts: %v, %v", cfg.Warnings(), err)
	}
	cfg, err = ParseConfig([]byte("data: {path: x.csv}\ncoupling: {name: ot, context_weight: 0}\n"), nil)
	if err != nil || len(cfg.Warnings()) != 0 {
		t.Errorf("a coupling of points without contexts: %v, %v", cfg.Warnings(), err)
	}
}
