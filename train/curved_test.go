package train

import (
	"errors"
	"math"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/manifold"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// pointsOf draws points of a law.
func pointsOf(l manifold.Law, n int, key uint64) data.Points {
	x := flow.NewBatch(n, l.Manifold().Ambient())
	manifold.Source{Law: l}.Sample(x, seed.Rand(key, "train/curved", 0))
	return data.Points{X: x}
}

// curvedLaws are a mixture on each manifold, the first of which are trained on.
func curvedLaws() []manifold.Mixture {
	var laws []manifold.Mixture
	for _, m := range []manifold.Manifold{manifold.Sphere{D: 2}, manifold.Torus{D: 2}, manifold.SO3{},
		manifold.Poincare{D: 2}, manifold.SPD{N: 2},
		manifold.Product{manifold.Sphere{D: 2}, manifold.Euclidean{D: 1}}} {
		origin, a, b := make([]float64, m.Ambient()), make([]float64, m.Ambient()), make([]float64, m.Ambient())
		m.Origin(origin)
		around := manifold.NewNormal(m, origin, 1)
		around.Draw(a, seed.Rand(5, "train/curved", 0))
		around.Draw(b, seed.Rand(6, "train/curved", 0))
		laws = append(laws, manifold.Mixture{Parts: []manifold.Law{manifold.NewNormal(m, a, 0.4),
			manifold.NewNormal(m, b, 0.3)}})
	}
	return laws
}

// sourceOn is uniform where it can be.
func sourceOn(m manifold.Manifold) manifold.Law {
	if c, ok := manifold.CompactOf(m); ok {
		return manifold.Uniform{M: c}
	}
	origin := make([]float64, m.Ambient())
	m.Origin(origin)
	return manifold.NewNormal(m, origin, 1)
}

// The examples are points of geodesics between the pairs of the coupling, with tangent velocities
// that lead on to x_1.
func TestExamplesOnAManifoldAreThoseOfGeodesics(t *testing.T) {
	for _, law := range curvedLaws() {
		mani := law.Manifold()
		d := mani.Ambient()
		m := newModel(t, model.Spec{Path: path.Config{Name: "condot"}, Law: sourceOn(mani)}, nn.Config{Dim: d})
		o := CFM{Data: data.Shuffle(pointsOf(law, 64, 1), 1), Seed: 2,
			Coupling: coupling.OT{Cost: manifold.Squared{M: mani}}}
		if err := o.Check(m); err != nil {
			t.Fatal(err)
		}
		ex := examples(t, m, o, 32, 7)
		x1, given := flow.NewBatch(32, d), flow.Given{}
		if err := o.Data.Fill(x1, given, 7); err != nil {
			t.Fatal(err)
		}
		end := make([]float64, d)
		for i := range 32 {
			if ex.Alpha[i] != 1 || ex.Sigma[i] != 0 || ex.G1[i] != 0 || ex.G0[i] != 1 {
				t.Fatalf("%v: example %d has coefficients of another path", mani, i)
			}
			x, u := ex.X1.Row(i), append([]float64(nil), ex.X0.Row(i)...)
			mani.Geodesic(end, nil, x, u, 1-ex.T[i])
			for k := range end {
				if math.Abs(end[k]-x1.Row(i)[k]) > 1e-9*(1+math.Abs(end[k])) {
					t.Fatalf("%v: example %d at t = %g leads to %.9g, want %.9g", mani, i, ex.T[i], end, x1.Row(i))
				}
			}
			mani.Tangent(u, x)
			for k := range u {
				if math.Abs(u[k]-ex.X0.Row(i)[k]) > 1e-9*(1+math.Abs(u[k])) {
					t.Fatalf("%v: the velocity %v is not tangent", mani, ex.X0.Row(i))
				}
			}
			if !(ex.Weight[i] > 0) {
				t.Fatalf("%v: a weight of %g", mani, ex.Weight[i])
			}
		}
	}
}

// A short training comes near to the entropy of a known law, and its density is one.
func TestAFlowOnTheSphereAndTheTorusLearnsALaw(t *testing.T) {
	for _, law := range curvedLaws()[:2] {
		mani := law.Manifold()
		d := mani.Ambient()
		m := newModel(t, model.Spec{Path: path.Config{Name: "condot"}, Law: sourceOn(mani)}, nn.Config{Dim: d,
			Hidden: []int{64, 64}, Activation: "silu"})
		trained, err := Fit{Loop: Loop{Steps: 1500, Batch: 128, LR: 5e-3}}.Train(t.Context(), m,
			CFM{Data: data.Shuffle(pointsOf(law, 20_000, 1), 1), Seed: 2})
		if err != nil {
			t.Fatal(err)
		}
		test := pointsOf(law, 1000, 9)
		o := model.LikelihoodOptions{Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(10)}}
		logp, _, err := trained.LogProb(t.Context(), test.X, o)
		if err != nil {
			t.Fatal(err)
		}
		gap := 0.0
		for i, l := range logp {
			gap += (law.LogDensity(test.X.Row(i)) - l) / float64(len(logp))
		}
		if gap > 0.06 || gap < -0.02 {
			t.Errorf("%v: %.3f nats above the entropy", mani, gap)
		}
		// Its mass, by importance: draws of half the law and half the source.
		q := manifold.Mixture{Parts: []manifold.Law{law, sourceOn(mani)}}
		x := pointsOf(q, 4000, 11).X
		if logp, _, err = trained.LogProb(t.Context(), x, o); err != nil {
			t.Fatal(err)
		}
		mass := 0.0
		for i, l := range logp {
			mass += math.Exp(l-q.LogDensity(x.Row(i))) / float64(x.N)
		}
		if math.Abs(mass-1) > 0.05 {
			t.Errorf("%v: the density integrates to %.3f", mani, mass)
		}
		// Samples are points, and have the densities that LogProb gives them.
		s, err := trained.Sample(t.Context(), model.SampleOptions{N: 50, Sampler: model.Density{
			Solver: ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-7, ATol: 1e-7}}}})
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := trained.LogProb(t.Context(), s.X, model.LikelihoodOptions{Solver: ode.Solver{
			Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-7, ATol: 1e-7, Each: true}}})
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range s.LogP {
			if mani.Check(s.X.Row(i)) != nil || math.Abs(l-again[i]) > 1e-3 {
				t.Errorf("%v: sample %v with log-density %g and %g", mani, s.X.Row(i), l, again[i])
			}
		}
	}
}

func TestObjectivesThatAreForFlatSpaceSaySo(t *testing.T) {
	torus := manifold.Torus{D: 1}
	m := newModel(t, model.Spec{Path: path.Config{Name: "condot"}, Law: sourceOn(torus)}, nn.Config{Dim: 2})
	law := manifold.NewNormal(torus, []float64{1, 0}, 0.5)
	set := &data.Set{Name: "torus", Dim: 2}
	points := pointsOf(law, 50, 1)
	set.TrainSet, set.Train, set.Val, set.Test = points, data.Shuffle(points, 1), points, points
	for _, name := range []string{"fm", "ml"} {
		o, err := Config{Objective: name}.New(Inputs{Set: set})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Check(m); !errors.Is(err, ErrObjective) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, o := range map[string]CFM{
		"a weighting": {Data: set.Train, Weighting: SigmaSquared},
		"times":       {Data: set.Train, Times: Times{Name: Proportional}},
	} {
		if err := o.Check(m); !errors.Is(err, ErrObjective) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
