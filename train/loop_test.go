package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/path"
)

func TestTimesHaveTheirDistribution(t *testing.T) {
	const n = 20000
	for _, iid := range []bool{false, true} {
		for _, c := range []struct {
			times Times
			cdf   func(t float64) float64
		}{
			{Times{}, func(t float64) float64 { return t }},
			{Times{Name: "power"}, func(t float64) float64 { return t * t }},
			{Times{Name: "power", Power: 2}, math.Sqrt},
			{Times{Name: "logit_normal", Mean: 0.5, Std: 1.5}, func(t float64) float64 {
				return 0.5 * math.Erfc(-(math.Log(t/(1-t))-0.5)/1.5/math.Sqrt2)
			}},
		} {
			c.times.IID = iid
			ts := make([]float64, n)
			c.times.Sample(ts, 0, 1, rand.New(rand.NewPCG(1, 9)))
			slices.Sort(ts)
			worst := 0.0 // Kolmogorov-Smirnov
			for i, v := range ts {
				worst = max(worst, math.Abs(c.cdf(v)-(float64(i)+0.5)/n))
			}
			limit := 1.95 / math.Sqrt(n) // exceeded with probability 0.1 %
			if !iid {
				limit = 1.0 / n // one in each cell
			}
			if worst > limit {
				t.Errorf("%+v: distance to the distribution is %g, want at most %g", c.times, worst, limit)
			}
		}
	}
}

func TestTimesStayInTheirInterval(t *testing.T) {
	ts := make([]float64, 1000)
	Times{Name: "logit_normal", Std: 9}.Sample(ts, 0.1, 0.7, rand.New(rand.NewPCG(1, 9)))
	if slices.Min(ts) < 0.1 || slices.Max(ts) > 0.7 {
		t.Errorf("times span [%g, %g], want within [0.1, 0.7]", slices.Min(ts), slices.Max(ts))
	}
}

func TestLearningRateSchedules(t *testing.T) {
	base := Config{Steps: 110, Warmup: 10, LR: 1, LRMin: 0.1}
	for name, want := range map[string][4]float64{ // at steps 0, 9, 60, 110
		"constant": {0.19, 1, 1, 1},
		"cosine":   {0.19, 1, 0.55, 0.1},
		"poly":     {0.19, 1, 0.55, 0.1},
	} {
		c := base
		c.Schedule = name
		for i, step := range []int{0, 9, 60, 110} {
			if got := c.LearningRate(step); math.Abs(got-want[i]) > 1e-12 {
				t.Errorf("%s at step %d: got %g, want %g", name, step, got, want[i])
			}
		}
	}
}

func TestBadConfigsAreNamed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`unknown objective "cfmm"`:         func(c *Config) { c.Objective = "cfmm" },
		"ml is set":                        func(c *Config) { c.ML.Kinetic = 1 },
		"ml.solver":                        func(c *Config) { c.Objective, c.ML.Solver = "ml", "rk5" },
		`unknown ml.divergence "full"`:     func(c *Config) { c.Objective, c.ML.Divergence = "ml", "full" },
		"ml.kinetic is -1":                 func(c *Config) { c.Objective, c.ML.Kinetic = "ml", -1 },
		"ml.rtol is -1":                    func(c *Config) { c.Objective, c.ML.RTol = "ml", -1 },
		"prediction is set":                func(c *Config) { c.Objective, c.Prediction = "ml", path.Noise },
		"times is set":                     func(c *Config) { c.Objective, c.Times.IID = "ml", true },
		"weighting is set":                 func(c *Config) { c.Objective, c.Weighting = "ml", SigmaSquared },
		`unknown schedule "step"`:          func(c *Config) { c.Schedule = "step" },
		`unknown weighting "snr"`:          func(c *Config) { c.Weighting = "snr" },
		`unknown time distribution "beta"`: func(c *Config) { c.Times.Name = "beta" },
		"power belongs to":                 func(c *Config) { c.Times.Power = 2 },
		"mean and std belong to":           func(c *Config) { c.Times.Mean = 2 },
		"sample_every is -1":               func(c *Config) { c.SampleEvery = -1 },
		"steps is -1":                      func(c *Config) { c.Steps = -1 },
		"lr is -1":                         func(c *Config) { c.LR = -1 },
		"lr_min is 2":                      func(c *Config) { c.LRMin = 2 },
		"warmup of 20000":                  func(c *Config) { c.Warmup = 20000 },
		"teacher and pairs belong to":      func(c *Config) { c.Teacher = "x" },
		"needs a teacher":                  func(c *Config) { c.Objective = "reflow" },
		"pairs is 5":                       func(c *Config) { c.Objective, c.Teacher, c.Pairs = "distill", "x", 5 },
		"distill_steps belongs to":         func(c *Config) { c.DistillSteps = 2 },
		"distill_steps is -2":              func(c *Config) { c.Objective, c.Teacher, c.DistillSteps = "distill", "x", -2 },
		"for the prediction velocity":      func(c *Config) { c.Objective, c.Prediction = "meanflow", path.Noise },
		"intervals belong to":              func(c *Config) { c.Intervals.Ratio = 0.5 },
		"ratio is 2":                       func(c *Config) { c.Objective, c.Intervals.Ratio = "meanflow", 2 },
		"power belongs to the objective":   func(c *Config) { c.Objective, c.Intervals.Power = "shortcut", 1 },
		"finest belongs to":                func(c *Config) { c.Objective, c.Intervals.Finest = "meanflow", 8 },
		"finest is 12":                     func(c *Config) { c.Objective, c.Intervals.Finest = "shortcut", 12 },
		"beta1 is 2":                       func(c *Config) { c.Optimizer.Beta1 = 2 },
	} {
		c := Config{}
		change(&c)
		if err := c.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

// points is a small finite data set.
func points(n, d int) data.Points {
	rng := rand.New(rand.NewPCG(11, 11))
	p := data.Points{X: flow.NewBatch(n, d)}
	for i := range p.X.X {
		p.X.X[i] = 2 * rng.NormFloat64()
	}
	return p
}

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
		o := CFM{Data: data.Shuffle(set, 1), Scheduler: s, Seed: 5}
		ex := nn.NewExamples(32, 2)
		if err := o.Examples(ex, 7); err != nil {
			t.Fatal(err)
		}
		xt, ut := flow.NewBatch(32, 2), flow.NewBatch(32, 2)
		path.Interpolate(xt, ut, s, ex.T, ex.X0, ex.X1)
		for i := range 32 {
			for d := range 2 {
				k := 2*i + d
				gotX := ex.Alpha[i]*ex.X1.X[k] + ex.Sigma[i]*ex.X0.X[k]
				gotU := ex.G1[i]*ex.X1.X[k] + ex.G0[i]*ex.X0.X[k]
				if math.Abs(gotX-xt.X[k]) > 1e-12*(1+math.Abs(gotX)) || math.Abs(gotU-ut.X[k]) > 1e-9*(1+math.Abs(gotU)) {
					t.Fatalf("%s, example %d: x_t %g and u_t %g, want %g and %g", name, i, gotX, gotU, xt.X[k], ut.X[k])
				}
			}
		}
	}
}

func TestExamplesAreAFunctionOfSeedAndStep(t *testing.T) {
	o := CFM{Data: data.Shuffle(points(100, 2), 1), Scheduler: path.CondOT{}, Coupling: coupling.OT{}, Seed: 5}
	make := func(step uint64, seed uint64) *nn.Examples {
		o := o
		o.Seed = seed
		ex := nn.NewExamples(32, 2)
		if err := o.Examples(ex, step); err != nil {
			t.Fatal(err)
		}
		return ex
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

func TestMatchVelocityWeightsAnyPredictionAsTheVelocityItImplies(t *testing.T) {
	set := points(40, 2)
	s := path.Cosine{}
	for _, p := range []path.Prediction{path.Data, path.Noise, path.Score} {
		o := CFM{Data: data.Shuffle(set, 1), Scheduler: s, Prediction: p, Weighting: MatchVelocity, Seed: 5}
		ex := nn.NewExamples(16, 2)
		if err := o.Examples(ex, 0); err != nil {
			t.Fatal(err)
		}
		for i, at := range ex.T {
			c := s.At(at)
			const err = 0.25 // of the prediction, in one coordinate
			a, b := c.Convert(p, path.Velocity)
			xt := c.Alpha*ex.X1.X[2*i] + c.Sigma*ex.X0.X[2*i]
			target := ex.G1[i]*ex.X1.X[2*i] + ex.G0[i]*ex.X0.X[2*i]
			dv := (a*xt + b*(target+err)) - (a*xt + b*target)
			if got := ex.Weight[i] * err * err; math.Abs(got-dv*dv) > 1e-9*(1+got) {
				t.Errorf("%v at t=%g: weighted error %g, velocity's %g", p, at, got, dv*dv)
			}
		}
	}
}

// The theorem with the network itself: the gradient of the CFM loss over many
// draws agrees with that of the exact FM loss at the same (t, x_t), within the
// standard error of the draws. Both use the compiled loss.
func TestGradientOfCFMIsThatOfFM(t *testing.T) {
	set := points(5, 2)
	s := path.CondOT{SigmaMin: 0.1}
	marginal, err := field.NewMarginal(s, set.X, nil)
	if err != nil {
		t.Fatal(err)
	}
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{8}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	cfm := CFM{Data: data.Shuffle(set, 1), Scheduler: s, Times: Times{IID: true}, Seed: 2}
	const batches, batch = 60, 1000
	p := net.NumWeights()
	mean, square := make([]float64, p), make([]float64, p)
	size := 0.0
	for k := range batches {
		var grads [2][]float64
		for j, o := range []exampler{cfm, FM{CFM: cfm, Marginal: marginal}} {
			ex := nn.NewExamples(batch, 2)
			if err := o.Examples(ex, uint64(k)); err != nil {
				t.Fatal(err)
			}
			if _, grads[j], err = net.LossGradient(ex); err != nil {
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
	o := FM{CFM: CFM{Data: data.Shuffle(points(5, 2), 1), Scheduler: path.CondOT{}, Coupling: coupling.OT{}}}
	if err := o.Examples(nn.NewExamples(4, 2), 0); !errors.Is(err, ErrCoupled) {
		t.Errorf("got %v", err)
	}
}

// session makes a fresh trainer and objective, always the same.
func session(t testing.TB) (*nn.Trainer, CFM, Validate) {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{16, 16}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := net.NewTrainer(nn.Optimizer{ClipNorm: 1})
	if err != nil {
		t.Fatal(err)
	}
	o := CFM{Data: data.Shuffle(points(100, 2), 1), Scheduler: path.CondOT{}, Coupling: coupling.OT{}, Seed: 2}
	val, err := o.Validation(points(50, 2), 32, false)
	if err != nil {
		t.Fatal(err)
	}
	return tr, o, MeanLoss(val)
}

var short = Config{Steps: 60, Batch: 32, LogEvery: 7, ValEvery: 20, CheckpointEvery: 15, Warmup: 5}

// record collects what a run tells, without the clock.
func record(events *[]Event, h Hooks) Hooks {
	h.Event = func(e Event) error {
		e.Seconds, e.Rate, e.PeakMiB = 0, 0, 0
		*events = append(*events, e)
		return nil
	}
	return h
}

func TestAResumedRunEqualsOneThatNeverStopped(t *testing.T) {
	for name, start := range map[string]func(t testing.TB) (*nn.Trainer, Objective, Validate){
		"cfm": func(t testing.TB) (*nn.Trainer, Objective, Validate) { tr, o, val := session(t); return tr, o, val },
		"ml":  mlSession,
	} {
		t.Run(name, func(t *testing.T) { resumes(t, start) })
	}
}

func resumes(t *testing.T, session func(t testing.TB) (*nn.Trainer, Objective, Validate)) {
	tr, o, val := session(t)
	var want []Event
	if _, err := Run(context.Background(), tr, o, val, short, Progress{}, record(&want, Hooks{})); err != nil {
		t.Fatal(err)
	}
	final, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{1, 15, 33, 59} {
		ctx, cancel := context.WithCancel(context.Background())
		var got []Event
		var saved nn.State
		var progress Progress
		h := Hooks{
			Step: func(step int, _ float64) {
				if step == at {
					cancel()
				}
			},
			Save: func(s nn.State, p Progress, _ bool) error {
				saved, progress = s, p
				return nil
			},
		}
		tr, o, val := session(t)
		if _, err := Run(ctx, tr, o, val, short, Progress{}, record(&got, h)); !errors.Is(err, ErrInterrupted) || !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted at %d: got %v", at, err)
		}
		if saved.Step != int64(at) {
			t.Fatalf("interrupted at %d, but step %d was saved", at, saved.Step)
		}
		again, o, val := session(t)
		if err := again.Restore(saved); err != nil {
			t.Fatal(err)
		}
		progress, err := UnmarshalProgress(progress.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(context.Background(), again, o, val, short, progress, record(&got, Hooks{})); err != nil {
			t.Fatal(err)
		}
		s, err := again.State()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Weights, final.Weights) || !slices.Equal(s.EMA, final.EMA) || !slices.Equal(s.Var2, final.Var2) {
			t.Errorf("resumed at %d: the weights differ from those of the run that never stopped", at)
		}
		if !slices.EqualFunc(got, want, sameEvent) {
			t.Errorf("resumed at %d: events\n%+v\nwant\n%+v", at, got, want)
		}
	}
}

func sameEvent(a, b Event) bool {
	if (a.ValLoss == nil) != (b.ValLoss == nil) || a.ValLoss != nil && *a.ValLoss != *b.ValLoss {
		return false
	}
	a.ValLoss, b.ValLoss = nil, nil
	return a == b
}

func TestTheNumberOfCoresDoesNotChangeTheRun(t *testing.T) {
	var states []nn.State
	for _, procs := range []int{1, 3} {
		old := runtime.GOMAXPROCS(procs)
		tr, o, _ := session(t)
		_, err := Run(context.Background(), tr, o, nil, short, Progress{}, Hooks{})
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		s, err := tr.State()
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, s)
	}
	if !slices.Equal(states[0].Weights, states[1].Weights) {
		t.Error("one core and three give different weights")
	}
}

func TestEarlyStoppingKeepsTheBest(t *testing.T) {
	tr, o, val := session(t)
	cfg := short
	// A rate so low that validation never gets better than noise allows.
	cfg.Steps, cfg.ValEvery, cfg.Patience, cfg.LR, cfg.LRMin = 5000, 1, 3, 1e-1, 1e-1
	var bests []int
	p, err := Run(context.Background(), tr, o, val, cfg, Progress{}, Hooks{Save: func(s nn.State, p Progress, best bool) error {
		if best {
			bests = append(bests, int(s.Step))
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := tr.State()
	if !p.Stopped || p.Misses != 3 || int(s.Step) != p.BestStep+3 || s.Step == 5000 {
		t.Errorf("ended at step %d with %+v, want three validations after the best", s.Step, p)
	}
	if len(bests) == 0 || bests[len(bests)-1] != p.BestStep {
		t.Errorf("best states were saved at %v, the best is of step %d", bests, p.BestStep)
	}
}

func TestErrorsOfDataAndHooksEndTheRun(t *testing.T) {
	boom := errors.New("boom")
	tr, o, _ := session(t)
	o.Data = failing{o.Data, boom}
	if _, err := Run(context.Background(), tr, o, nil, short, Progress{}, Hooks{}); !errors.Is(err, boom) || !strings.Contains(err.Error(), "step 20") {
		t.Errorf("data that fail at step 20: got %v", err)
	}
	tr, o, _ = session(t)
	h := Hooks{Save: func(nn.State, Progress, bool) error { return boom }}
	if _, err := Run(context.Background(), tr, o, nil, short, Progress{}, h); !errors.Is(err, boom) {
		t.Errorf("a failing save: got %v", err)
	}
}

type failing struct {
	data.Stream
	err error
}

func (f failing) Fill(x flow.Batch, label []int32, step uint64) error {
	if step == 20 {
		return f.err
	}
	return f.Stream.Fill(x, label, step)
}

// Validation covers all times: binning them would make its loss incomparable.
func TestValidationCoversAllTimesAndEveryPointOnce(t *testing.T) {
	set := points(200, 2)
	o := CFM{Data: data.Shuffle(set, 1), Scheduler: path.CondOT{}, Seed: 5}
	ex, err := o.Validation(set, 64, false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ex.X1.X, set.X.X) {
		t.Error("validation does not hold every point once, in order")
	}
	ts := slices.Sorted(slices.Values(ex.T))
	if ts[0] > 0.05 || ts[len(ts)-1] < 0.95 || math.Abs(ts[len(ts)/2]-0.5) > 0.05 {
		t.Errorf("times run from %g over %g to %g", ts[0], ts[len(ts)/2], ts[len(ts)-1])
	}
	if none, err := o.Validation(data.Points{X: flow.NewBatch(0, 2)}, 64, false); none != nil || err != nil {
		t.Errorf("no points: got %v, %v", none, err)
	}
}

// ones is a stream whose labels are all 1.
type ones struct{ data.Stream }

func (l ones) Fill(x flow.Batch, label []int32, step uint64) error {
	for i := range label {
		label[i] = 1
	}
	return l.Stream.Fill(x, nil, step)
}

func TestLabelsAreDroppedAsOftenAsAsked(t *testing.T) {
	const n, share = 20000, 0.15
	o := CFM{Data: ones{data.Shuffle(points(100, 2), 1)}, Scheduler: path.CondOT{}, Labels: true, LabelDropout: share, Seed: 5}
	drop := func(step uint64) (dropped []int) {
		ex := nn.NewExamples(n, 2)
		if err := o.Examples(ex, step); err != nil {
			t.Fatal(err)
		}
		for i, l := range ex.Label {
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
