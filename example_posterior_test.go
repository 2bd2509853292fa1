package flowmatch_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"flowmatch/calibration"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/train"
)

// posterior learns p(theta | x) from simulations, of which row i belongs to row i.
func posterior(ctx context.Context, theta, x flow.Batch) *model.Model {
	toTheta, err := data.Fit(theta, nil)
	check(err)
	toX, err := data.Fit(x, nil)
	check(err)
	engine, err := nn.Open("")
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: theta.D, Context: x.D, Residual: &nn.Residual{Width: 32, Blocks: 2}}, 1)
	check(err)
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}, Precondition: &path.Precondition{Data: 1},
		Standardizer: toTheta, ContextStandardizer: toX}, net)
	check(err)
	theta, x = theta.Clone(), x.Clone()
	toTheta.Apply(theta)
	toX.Apply(x)
	sims := data.Shuffle(data.Points{X: theta, Given: flow.Given{Context: x}}, 1)
	m, err = train.Fit{Loop: train.Loop{Steps: 600, LR: 5e-3}}.Train(ctx, m, train.CFM{Data: sims, Seed: 1})
	check(err)
	return m
}

// solver is that of samples and log-densities.
var solver = ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-4, ATol: 1e-4, Each: true}}

// A parameter a of N(0, 1) is seen as 10 + 3a with noise of 1.5: at x = 16 its posterior is N(1.6, 0.2).
func Example_posterior() {
	ctx, rng := context.Background(), rand.New(rand.NewPCG(1, 2))
	a, x := flow.NewBatch(4000, 1), flow.NewBatch(4000, 1)
	for i := range a.N {
		a.X[i] = rng.NormFloat64()
		x.X[i] = 10 + 3*a.X[i] + 1.5*rng.NormFloat64()
	}
	m := posterior(ctx, a, x)

	seen, err := m.Contexts(flow.Batch{N: 1, D: 1, X: []float64{16}})
	check(err)
	given := flow.Given{Context: seen} // one for all points, or one for each
	s, err := m.Sample(ctx, model.SampleOptions{N: 2000, Seed: 3, Given: given, Sampler: model.ODE{Solver: solver}})
	check(err)
	top := flow.Batch{N: 1, D: 1, X: []float64{1.6}}
	logp, _, err := m.LogProb(ctx, top, model.LikelihoodOptions{Given: given, Solver: solver})
	check(err)
	mean := 0.0
	for _, v := range s.X.X {
		mean += v / float64(s.X.N)
	}
	fmt.Printf("mean %.1f; log p at 1.6 within 0.1 of the exact one: %t\n", mean,
		math.Abs(logp[0]+0.5*math.Log(2*math.Pi*0.2)) < 0.1)
	// Output: mean 1.6; log p at 1.6 within 0.1 of the exact one: true
}

// simulations are parameters and what was seen of them, row by row.
type simulations struct{ theta, x flow.Batch }

func (s *simulations) add(theta, x []float64) {
	s.theta = flow.Batch{N: s.theta.N + 1, D: len(theta), X: append(s.theta.X, theta...)}
	s.x = flow.Batch{N: s.x.N + 1, D: len(x), X: append(s.x.X, x...)}
}

// rounds learns the posterior at one observation in rounds of n simulations. It returns the last model,
// simulations that it was not trained on, and how many draws of the prior each round needed.
func rounds(ctx context.Context, prior, simulate func(to, given []float64), observed flow.Batch, n int) (
	m *model.Model, held simulations, draws []int) {
	var all simulations
	region := func([]float64) bool { return true }
	for round := range 3 {
		// 1. Draw from the prior, where the posterior of the last round has mass, and simulate.
		draws = append(draws, 0)
		for kept := 0; kept < n; {
			theta, x := make([]float64, observed.D), make([]float64, observed.D)
			prior(theta, nil)
			if draws[round]++; !region(theta) {
				continue
			}
			simulate(x, theta)
			if kept++; kept%10 == 0 {
				held.add(theta, x)
			} else {
				all.add(theta, x)
			}
		}
		// 2. Learn from all simulations: within the region, those of every round are of the prior.
		m = posterior(ctx, all.theta, all.x)
		// 3. The next region holds all but 1 in 1000 of the posterior at the observation.
		seen, err := m.Contexts(observed)
		check(err)
		given := flow.Given{Context: seen}
		s, err := m.Sample(ctx, model.SampleOptions{N: 1000, Seed: 4, Given: given,
			Sampler: model.Density{Solver: solver}})
		check(err)
		least := slices.Min(s.LogP)
		region = func(theta []float64) bool {
			one := flow.Batch{N: 1, D: len(theta), X: theta}
			logp, _, err := m.LogProb(ctx, one, model.LikelihoodOptions{Given: given, Solver: solver})
			check(err)
			return logp[0] > least
		}
	}
	return m, held, draws
}

// calibrated tests a model on simulations that it was not trained on: the ranks of their parameters among
// samples of their posteriors, and the coverage of these.
func calibrated(ctx context.Context, m *model.Model, held simulations, rng *rand.Rand) bool {
	const each = 100
	z, err := m.Contexts(held.x)
	check(err)
	var rows []int
	for i := range z.N {
		rows = append(rows, slices.Repeat([]int{i}, each)...)
	}
	s, err := m.Sample(ctx, model.SampleOptions{N: len(rows), Seed: 5, Given: flow.Given{Context: z.Rows(rows)},
		Sampler: model.ODE{Solver: solver}})
	check(err)
	ranks, err := calibration.SBC(held.theta, s.X, rng)
	check(err)
	coverage, err := calibration.TARP(held.theta, s.X, calibration.References(held.theta, rng), rng)
	check(err)
	ok := math.Abs(coverage.ATC) < 3*coverage.ATCErr
	for k := range held.theta.D {
		u, err := ranks.Uniformity(k, 0)
		check(err)
		ok = ok && u.KSP > 0.01
	}
	return ok
}

// explains returns how deep an observation lies among what its posterior predicts: near 0, the posterior
// does not explain it.
func explains(ctx context.Context, m *model.Model, simulate func(x, theta []float64), observed flow.Batch) float64 {
	const draws = 500
	seen, err := m.Contexts(observed)
	check(err)
	s, err := m.Sample(ctx, model.SampleOptions{N: draws, Seed: 7, Given: flow.Given{Context: seen},
		Sampler: model.ODE{Solver: solver}})
	check(err)
	predicted := flow.NewBatch(draws, observed.D)
	for i := range draws {
		simulate(predicted.Row(i), s.X.Row(i))
	}
	p, err := calibration.Predict(observed, predicted)
	check(err)
	return p.Depth[0]
}

// Rounds of truncated proposals (TSNPE, arXiv 2210.04815). Two parameters, uniform on [-1, 1], are seen
// with noise of 0.1.
func Example_sequential() {
	ctx, rng := context.Background(), rand.New(rand.NewPCG(1, 2))
	prior := func(theta, _ []float64) {
		for d := range theta {
			theta[d] = 2*rng.Float64() - 1
		}
	}
	simulate := func(x, theta []float64) {
		for d := range x {
			x[d] = theta[d] + 0.1*rng.NormFloat64()
		}
	}
	observed := flow.Batch{N: 1, D: 2, X: []float64{0.3, -0.2}}
	m, held, draws := rounds(ctx, prior, simulate, observed, 1000)
	fmt.Println("the first round takes every draw of the prior, the last less than one in three:",
		draws[0] == 1000, draws[2] > 3000)
	fmt.Println("calibrated:", calibrated(ctx, m, held, rng))
	fmt.Println("the posterior explains the observation:", explains(ctx, m, simulate, observed) > 0.05)

	seen, err := m.Contexts(observed)
	check(err)
	s, err := m.Sample(ctx, model.SampleOptions{N: 4000, Seed: 6, Given: flow.Given{Context: seen},
		Sampler: model.ODE{Solver: solver}})
	check(err)
	mean, square := 0.0, 0.0
	for i := range s.X.N {
		mean += s.X.Row(i)[0] / float64(s.X.N)
		square += s.X.Row(i)[0] * s.X.Row(i)[0] / float64(s.X.N)
	}
	fmt.Printf("theta1 = %.1f ± %.1f\n", mean, math.Sqrt(square-mean*mean))
	// Output:
	// the first round takes every draw of the prior, the last less than one in three: true true
	// calibrated: true
	// the posterior explains the observation: true
	// theta1 = 0.3 ± 0.1
}

// The guide on posteriors shows parts of this file.
func TestTheGuideOnPosteriorsShowsThisCode(t *testing.T) {
	guide, err := os.ReadFile("docs/guide/posteriors.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("example_posterior_test.go")
	if err != nil {
		t.Fatal(err)
	}
	bare := func(s string) string {
		var lines []string
		for line := range strings.Lines(s) {
			lines = append(lines, strings.TrimSpace(line))
		}
		return strings.Join(lines, "\n")
	}
	blocks := strings.Split(string(guide), "```go\n")[1:]
	if len(blocks) < 3 {
		t.Errorf("the guide shows %d pieces of Go", len(blocks))
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(bare(string(file)), strings.TrimSpace(bare(code))) {
			t.Errorf("the guide shows code that no example runs:\n%s", code)
		}
	}
}
