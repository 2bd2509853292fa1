package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// wideData is a precondition for data that are not of unit variance.
var wideData = path.Precondition{Data: 3, Source: 0.5}

// weighted is one case of what an error weighs: a path, a prediction and a weighting.
type weighted struct {
	s path.Scheduler
	y path.Prediction
	w Weighting
}

func (c weighted) String() string { return fmt.Sprintf("%T, %v, %s", c.s, c.y, c.w) }

// model returns a model of the case, preconditioned or not.
func (c weighted) model(t *testing.T, p *path.Precondition) *model.Model {
	return newModel(t, model.Spec{Scheduler: c.s, Prediction: c.y, Precondition: p}, nn.Config{Hidden: []int{2}})
}

// known is the factor of the loss in docs/design/preconditioning.md: what the squared error
// of w weighs at even t. s1 and s0 are the scales.
func (c weighted) known(t float64, p path.Precondition) float64 {
	k := c.s.At(t)
	s1, s0 := p.Data, p.Source
	d := k.DAlpha*k.Sigma - k.Alpha*k.DSigma
	scale := s1 * s1 * s0 * s0 / (k.Alpha*k.Alpha*s1*s1 + k.Sigma*k.Sigma*s0*s0)
	det := map[path.Prediction]float64{
		path.Velocity: d, path.Data: k.Sigma, path.Noise: k.Alpha, path.Score: k.Alpha / k.Sigma,
		path.VPrediction: k.Alpha*k.Alpha + k.Sigma*k.Sigma,
	}[c.y]
	switch c.w {
	case MatchVelocity:
		return scale * d * d
	case SigmaSquared:
		return scale * k.Sigma * k.Sigma * det * det
	case Likelihood:
		return scale * 2 * k.Alpha * d / k.Sigma
	}
	return scale * det * det
}

// everyWeighting is all weightings of all predictions on three paths.
func everyWeighting() (all []weighted) {
	for _, s := range []path.Scheduler{path.CondOT{}, path.VP{}, path.VE{}} {
		for _, y := range path.Predictions() {
			for _, w := range []Weighting{Unit, MatchVelocity, SigmaSquared, Likelihood} {
				all = append(all, weighted{s, y, w})
			}
		}
	}
	return all
}

// The losses of the baselines are factors of the error of what a preconditioned network
// learns, in closed form: FM's is of the velocity, DDPM's of the noise, both with unit
// weights, score matching's of the score, with σ², ScoreFlow's of any, with likelihood.
func TestEveryLossIsAFactorOfTheErrorOfW(t *testing.T) {
	for _, c := range everyWeighting() {
		plain, m := c.model(t, nil), c.model(t, &wideData)
		lo, hi := c.w.span(m)
		for i := range 50 {
			at := lo + (hi-lo)*(float64(i)+0.5)/50
			k := c.s.At(at)
			out := wideData.At(k, c.y).Out
			want := c.known(at, wideData)
			if got := c.w.factor(plain, k) * out * out; math.Abs(got-want) > 1e-9*want {
				t.Errorf("%v at t=%g: the error of the prediction weighs %g, want %g", c, at, got, want)
			}
			if c.w == Unit {
				want = 1 // at even τ
			}
			if got := c.w.factor(m, k); math.Abs(got-want) > 1e-9*want {
				t.Errorf("%v at t=%g: the error of w weighs %g, want %g", c, at, got, want)
			}
		}
	}
}

// errorAt is the error of what a network learns, at t.
func errorAt(t float64) float64 { return 1 + math.Sin(5*t)/2 }

// expected is the mean, over the times of a model, of the weighted error of a network whose
// errors are errorAt.
func (c weighted) expected(t *testing.T, m *model.Model, times Times) float64 {
	t.Helper()
	const n = 1 << 14
	d, err := newTiming(m, times, c.w)
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	at, weight := make([]float64, n), make([]float64, n)
	d.draw(at, weight, rand.New(rand.NewPCG(1, 2)))
	sum := 0.0
	for i, v := range at {
		sum += weight[i] * c.w.factor(m, c.s.At(v)) * errorAt(v) * errorAt(v) / n
	}
	return sum
}

// integral is the mean over even t of what the documented factor makes of errorAt, by even
// steps of a variable that is slow at the ends.
func (c weighted) integral(m *model.Model) (sum float64) {
	const n = 1 << 13
	lo, hi := c.w.span(m)
	for i := range n {
		v := (float64(i) + 0.5) / n
		at := lo + (hi-lo)*v*v*(3-2*v)
		factor := c.known(at, wideData)
		if m.Spec().Precondition == nil {
			out := wideData.At(c.s.At(at), c.y).Out
			factor /= out * out
		}
		sum += factor * errorAt(at) * errorAt(at) * 6 * v * (1 - v) / n
	}
	return sum
}

// The expected loss is one number, with times in proportion to the weighting and without;
// and by TestEveryLossIsAFactorOfTheErrorOfW with and without a precondition.
func TestALossIsTheSameWhateverTheTimes(t *testing.T) {
	for _, c := range everyWeighting() {
		if c.w == Unit {
			continue
		}
		for _, p := range []*path.Precondition{nil, &wideData} {
			m := c.model(t, p)
			want := c.integral(m)
			for _, times := range []Times{{}, {Name: Proportional}} {
				tol := 0.02 // with even times there are large weights at rare ones
				switch {
				case times.Name == "" && p == nil && (c.y == path.Data || c.y == path.VPrediction): // too large ones
					continue
				case times.Name == Proportional && p == nil && c.same():
					continue
				case times.Name == Proportional:
					tol = 1e-3
				}
				if got := c.expected(t, m, times); math.Abs(got-want) > tol*want {
					t.Errorf("%v, preconditioned %v, times %q: the expected loss is %.8g, want %.8g", c, p != nil,
						times.Name, got, want)
				}
			}
		}
	}
}

// same reports whether the weighting of the prediction is the same at all times of the path.
func (c weighted) same() bool {
	switch c.w {
	case Unit:
		return true
	case MatchVelocity: // along VE the velocity is the data's error over σ, times σ̇
		return c.y == path.Velocity || c.s == path.Scheduler(path.VE{}) && c.y == path.Data
	case Likelihood:
		return c.s == path.Scheduler(path.VE{}) && c.y == path.Noise // dσ²/dt in proportion to σ²
	}
	return false
}

// Times in proportion to a weighting leave its mean as the weight of each example, and lie
// one in each cell of equal mass.
func TestTimesInProportionWeighAlike(t *testing.T) {
	const n = 256
	for _, c := range everyWeighting() {
		for _, p := range []*path.Precondition{nil, &wideData} {
			if p == nil && c.same() || c.w == Unit {
				continue
			}
			m := c.model(t, p)
			o := CFM{Data: data.Shuffle(points(40, 2), 1), Weighting: c.w, Times: Times{Name: Proportional}, Seed: 5}
			ex := examples(t, m, o, n, 0)
			mean := stat.Mean(ex.Weight)
			for i, w := range ex.Weight {
				if math.Abs(w-mean) > 0.02*mean {
					t.Errorf("%v, preconditioned %v: at %g the weight is %g, want %g as elsewhere", c, p != nil,
						ex.T[i], w, mean)
				}
				if i > 0 && ex.T[i] < ex.T[i-1] {
					t.Errorf("%v: times are not stratified", c)
				}
			}
		}
	}
}

// Where the weighting is the same at all times, times in proportion to it are uniform.
func TestTimesInProportionToNothingAreAnError(t *testing.T) {
	times := Times{Name: Proportional}
	for _, c := range everyWeighting() {
		for _, p := range []*path.Precondition{nil, &wideData} {
			o := CFM{Data: data.Shuffle(points(40, 2), 1), Weighting: c.w, Times: times}
			m := c.model(t, p)
			err := o.Check(m)
			idle := p == nil && c.same() || c.w == Unit
			if errors.Is(err, ErrObjective) != idle || idle && !strings.Contains(err.Error(), "leave times out") {
				t.Errorf("%v, preconditioned %v: got %v", c, p != nil, err)
			}
			if got := o.Examples(m, newExamples(m, 4), 0); idle && !errors.Is(got, ErrObjective) {
				t.Errorf("%v: the examples: got %v", c, got)
			}
		}
	}
	pairs := Pairs{X: flow.NewBatch(4, 4)}
	if err := (Reflow{Pairs: pairs, Times: times}).Check(along(t, path.CondOT{})); !errors.Is(err, ErrObjective) {
		t.Errorf("reflow: got %v", err)
	}
	bridge := CFM{Data: data.Shuffle(points(40, 2), 1), Times: times}
	if err := bridge.Check(along(t, path.Bridge{Sigma: 1})); !errors.Is(err, ErrObjective) {
		t.Errorf("a bridge: got %v", err)
	}
}

// Of every objective that has times and a weighting, the mean of what an example counts is
// the same with times in proportion.
func TestEveryObjectiveTakesTimesInProportion(t *testing.T) {
	const n, steps = 512, 40
	set := points(40, 2)
	pairs := Pairs{X: flow.NewBatch(n, 4)}
	cfm := CFM{Data: data.Shuffle(set, 1), Weighting: SigmaSquared, Seed: 5}
	in := cfm
	in.Times = Times{Name: Proportional}
	for name, o := range map[string][2]Regression{
		"cfm":      {cfm, in},
		"fm":       {FM{CFM: cfm, X1: set.X}, FM{CFM: in, X1: set.X}},
		"meanflow": {MeanFlow{CFM: cfm}, MeanFlow{CFM: in}},
		"shortcut": {Shortcut{CFM: cfm}, Shortcut{CFM: in}},
		"reflow": {Reflow{Pairs: pairs, Weighting: SigmaSquared, Seed: 5},
			Reflow{Pairs: pairs, Weighting: SigmaSquared, Times: in.Times, Seed: 5}},
	} {
		m := newModel(t, model.Spec{}, nn.Config{Average: name == "meanflow" || name == "shortcut"})
		var sum [2]float64
		for j, o := range o {
			r, err := prepared(m, o)
			if err != nil || o.Check(m) != nil {
				t.Fatalf("%s: %v, %v", name, err, o.Check(m))
			}
			for step := range steps {
				ex, once := examples(t, m, r, n, uint64(step)), newExamples(m, n)
				if step == 0 {
					if err := o.Examples(m, once, 0); err != nil || !slices.Equal(once.Weight, ex.Weight) {
						t.Errorf("%s: other examples than a training's (%v)", name, err)
					}
				}
				for i, w := range ex.Weight {
					length := 0.0
					if ex.S != nil {
						length = ex.S[i] - ex.T[i]
					}
					sum[j] += w * (1 + math.Sin(5*ex.T[i])/2) * (1 + length) / (n * steps)
				}
			}
		}
		if math.Abs(sum[0]-sum[1]) > 0.01*sum[0] {
			t.Errorf("%s: the mean is %g with even times, %g with times in proportion", name, sum[0], sum[1])
		}
	}
}

// No weight is infinite, or not a number, at times that are not drawn.
func TestTheLikelihoodWeightIsFiniteAtTheStartOfASolve(t *testing.T) {
	m := newModel(t, model.Spec{}, nn.Config{Average: true})
	pairs := Pairs{X: flow.NewBatch(8, 4)}
	for _, o := range []Regression{
		Shortcut{CFM: CFM{Data: data.Shuffle(points(40, 2), 1), Weighting: Likelihood}},
		Reflow{Pairs: pairs, Weighting: Likelihood, Distill: 2},
	} {
		ex := examples(t, m, o, 64, 0)
		for i, w := range ex.Weight {
			if math.IsNaN(w) || math.IsInf(w, 0) || ex.T[i] == 0 && w != 0 {
				t.Errorf("%T at t=%g: the weight is %g", o, ex.T[i], w)
			}
		}
	}
}
