package eval

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/image"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/train"
)

func TestAReportHasAllItsKeys(t *testing.T) {
	s := moons().train(t)
	s.Seed, s.Settings = 3, quick(20)
	rep, err := s.Report(t.Context())
	check(t, err)
	text, err := json.Marshal(rep)
	check(t, err)
	var got map[string]any
	check(t, json.Unmarshal(text, &got))
	for key, want := range map[string]any{
		"run": "tiny", "step": 6., "data": "moons", "seed": 3., "solver": "midpoint 4 steps",
		"backend": s.Model.Net().Engine().Name(),
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	for section, keys := range map[string][]string{
		"likelihood": {"points", "nll", "std_err", "divergence", "nfe", "optimum", "gap", "check"},
		"check":      {"points", "difference", "limit", "tail", "trusted", "why", "help"},
		"samples": {"points", "nfe", "w2", "sliced_w2", "mmd", "path_energy", "npe", "straightness", "unit",
			"doubts"},
		"c2st": {"accuracy", "std_err", "folds", "reference", "points", "chance", "nfe", "doubts"},
	} {
		part, _ := got[section].(map[string]any)
		if section == "check" {
			part = got["likelihood"].(map[string]any)[section].(map[string]any)
		}
		for _, key := range keys {
			if _, ok := part[key]; !ok {
				t.Errorf("%s has no %s: %v", section, key, part)
			}
		}
		if len(part) != len(keys) {
			t.Errorf("%s: %v, want the keys %v", section, part, keys)
		}
	}
	var back Report
	check(t, json.Unmarshal(text, &back))
	p, q := rep.Samples, back.Samples
	if *q.W2 != *p.W2 || *q.NPE != *p.NPE || back.Likelihood.NLL != rep.Likelihood.NLL {
		t.Errorf("read again: %+v, want %s", back, text)
	}
	again, err := s.Report(t.Context(), PartSamples, PartFeatures)
	check(t, err)
	if q = again.Samples; again.Likelihood != nil || !reflect.DeepEqual(q, p) {
		t.Errorf("samples alone: %+v, want %+v", again.Samples, rep.Samples)
	}
}

// The figures are those of the rooms below, by hand.
func TestAReportIsMadeOfWhatTheRoomsBelowMeasure(t *testing.T) {
	s := moons().train(t)
	s.Settings = quick(20)
	rep, err := s.Report(t.Context())
	check(t, err)
	x, given, err := s.TestPoints(0)
	check(t, err)
	if x.N != 50 || !given.Empty() {
		t.Fatalf("%d held-out points, given %+v", x.N, given)
	}
	solver, err := s.Settings.Solver()
	check(t, err)
	logp, _, err := s.Model.LogProb(t.Context(), x, model.LikelihoodOptions{Solver: solver})
	check(t, err)
	nll := 0.0
	for _, v := range logp {
		nll -= v / float64(len(logp))
	}
	if math.Abs(rep.Likelihood.NLL-nll) > 1e-12 || rep.Likelihood.Points != 50 || rep.Likelihood.NFE != 8 {
		t.Errorf("likelihood %+v, want %g of 50 points in 8 evaluations", rep.Likelihood, nll)
	}
	exact, err := s.DataLogProb(x)
	check(t, err)
	optimum := 0.0
	for _, v := range exact {
		optimum -= v / float64(len(exact))
	}
	if l := rep.Likelihood; math.Abs(*l.Optimum-optimum) > 1e-12 || *l.Gap != l.NLL-*l.Optimum {
		t.Errorf("optimum %g and gap %g of NLL %g, want %g", *l.Optimum, *l.Gap, l.NLL, optimum)
	}
	drawn, err := s.Model.Sample(t.Context(), model.SampleOptions{N: 20, Sampler: model.ODE{Solver: solver}})
	check(t, err)
	w2, err := metrics.W2(drawn.X, x.Slice(0, 20))
	check(t, err)
	f, err := s.Model.Field(flow.Given{})
	check(t, err)
	energy, straightness, err := metrics.Trajectories(f, drawn.X0, 100)
	check(t, err)
	if q := rep.Samples; *q.W2 != w2 || q.PathEnergy != energy || q.Straightness != straightness {
		t.Errorf("samples %+v, %+v; want W2 %g, path energy %g and straightness %g, to the bit",
			q.Distances, q.Paths, w2, energy, straightness)
	}
}

// Where a path's velocity is singular at an end, its paths are measured between the times
// where it is not.
func TestPathsKeepToTheModelsSpan(t *testing.T) {
	for _, c := range []struct {
		path       string
		prediction path.Prediction
	}{{"condot", path.Noise}, {"condot", path.Data}, {"vp", path.Noise}, {"cosine", path.Score}} {
		m := moons()
		m.path, m.prediction = c.path, c.prediction
		s := m.train(t)
		s.Settings = quick(20)
		rep, err := s.Report(t.Context())
		if err != nil || rep.Samples.Paths == nil || rep.Likelihood == nil || !(rep.Samples.PathEnergy > 0) {
			t.Errorf("%s with %v: %+v, %v", c.path, c.prediction, rep.Samples, err)
		}
	}
}

// constant moves by (hi - lo) times 2 in the time from lo to hi.
type constant struct{}

func (constant) Dim() int { return 1 }

func (constant) Velocity(v []float64, t float64, _ []float64) error {
	if t < 0.25 || t > 0.75 {
		return errors.New("outside of the span")
	}
	v[0] = 2
	return nil
}

func TestTimeIsScaledToOne(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		steps  int
		same   bool
	}{
		{0, 1, 100, true}, {0, 1 - 1e-5, 100, true}, {0, 1 - path.Trim, 100, true}, {0, 1, 1, true},
		{path.Trim, 1, 100, false}, {0, 1 - path.Trim, 10000, false},
		{0, 0.5, 1, false}, {0, 2, 10, false}, {-1, 1, 10, false},
	} {
		if _, scaled := onUnitTime(constant{}, c.lo, c.hi, c.steps).(unitTime); scaled == c.same {
			t.Errorf("the time from %g to %g in %d steps: scaled %v", c.lo, c.hi, c.steps, scaled)
		}
	}
	energy, straightness, err := metrics.Trajectories(onUnitTime(constant{}, 0.25, 0.75, 10), flow.NewBatch(1, 1), 10)
	if err != nil || math.Abs(energy-1) > 1e-15 || math.Abs(straightness) > 1e-15 {
		t.Errorf("energy %g and straightness %g (%v), want 1 and 0", energy, straightness, err)
	}
}

func TestWhatFailsIsNamedAndTheRestIsMeasured(t *testing.T) {
	c := moons()
	c.settings = quick(20)
	// The second coordinate of this copula is never below 0, so a flow that is hardly
	// trained takes points of the data to where it has no density.
	c.source = &synth.SourceConfig{Name: "copula", Params: synth.Params{Dim: new(2)}}
	s := c.train(t)
	rep, err := s.Report(t.Context())
	var failed *PartError
	fails(t, "the report", err, "where the source has no density")
	if !errors.As(err, &failed) || failed.Part != PartLikelihood {
		t.Errorf("got %v", err)
	}
	if rep.Likelihood != nil || rep.Samples == nil || rep.Samples.Paths == nil || rep.Solver == "" {
		t.Errorf("the report lacks what was measured: %+v", rep)
	}
	x, given, err := s.TestPoints(0)
	check(t, err)
	l, logp, err := s.Likelihood(t.Context(), x, given)
	fails(t, "the likelihood", err, "where the source has no density")
	if l != nil || len(logp) != x.N {
		t.Errorf("got %+v and %d log-densities", l, len(logp))
	}

	// One sample has no MMD; its distances and paths are measured.
	s = moons().train(t)
	s.Settings = quick(1)
	rep, err = s.Report(t.Context())
	fails(t, "one sample", err, "distances to the data: metrics: MMD")
	if !errors.As(err, &failed) || failed.Part != PartSamples {
		t.Errorf("one sample: %v", err)
	}
	if rep.Samples == nil || !(*rep.Samples.W2 > 0) || rep.Samples.MMD != nil || rep.Samples.Paths == nil ||
		rep.Likelihood == nil {
		t.Errorf("one sample: %+v", rep.Samples)
	}
	text, err := json.Marshal(rep)
	if err != nil || strings.Contains(string(text), "mmd") || !strings.Contains(string(text), "npe") {
		t.Errorf("one sample: %s, %v; want no figure that was not measured", text, err)
	}
	// Too few evaluations for samples; their paths are measured all the same.
	s.Settings.Samples = 20
	want, err := s.Report(t.Context(), PartSamples)
	check(t, err)
	s.Settings.Solve = ode.Config{MaxNFE: 3}
	rep, err = s.Report(t.Context())
	fails(t, "three evaluations", err, "likelihood not measured")
	fails(t, "three evaluations", err, "samples not measured: samples: ")
	if q := rep.Samples; q == nil || q.Distances != nil || *q.NPE != *want.Samples.NPE || rep.Likelihood != nil {
		t.Errorf("three evaluations: %+v", rep)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rep, err := s.Report(ctx); !errors.Is(err, context.Canceled) || rep.Data != "moons" || rep.Samples != nil {
		t.Errorf("when the context has ended: %+v, %v", rep, err)
	}
}

func TestWhatIsMissingIsAnErrorOfItsKind(t *testing.T) {
	s := moons().train(t)
	_, err := s.Report(t.Context(), "sample")
	fails(t, "an unknown part", err, `did you mean "samples"?`)
	for _, set := range []*data.Set{nil, tiles(), {Name: "no test"}} {
		s.Set = set
		rep, err := s.Report(t.Context())
		if !errors.Is(err, ErrNoPoints) || rep.Run != "tiny" || rep.Likelihood != nil {
			t.Errorf("%+v: %+v, %v", set, rep, err)
		}
		if _, err := s.Quality(t.Context()); !errors.Is(err, ErrNoPoints) {
			t.Errorf("%+v: %v", set, err)
		}
	}
	for _, set := range []*data.Set{
		{Name: "other", Dim: 3}, {Name: "other", Test: data.Points{X: flow.NewBatch(2, 3)}},
		{Name: "other", Standardizer: &data.Standardizer{Mean: make([]float64, 3), Std: []float64{1, 1, 1}}},
	} {
		s.Set = set
		_, err := s.Report(t.Context())
		fails(t, "data of 3 dimensions", err, "other")
	}
	s.Set = nil
	_, _, err = s.LogProb(t.Context(), flow.NewBatch(1, 3), flow.Given{})
	fails(t, "points of 3 dimensions", err, "dimension 3")
	_, _, err = s.LogProb(t.Context(), flow.NewBatch(1, 2), flow.Given{Label: []int32{1}})
	if !errors.Is(err, flow.ErrLabels) {
		t.Errorf("labels for a model without classes: %v", err)
	}
	s.Settings.Samples = -1
	_, err = s.Report(t.Context())
	fails(t, "settings", err, "eval: samples is -1")
	_, err = (Subject{}).Report(t.Context())
	fails(t, "no model", err, "Model is nil")
}

func TestAModelWithoutDensityHasNoLikelihood(t *testing.T) {
	m := moons()
	m.objective = func(c train.CFM) train.Objective {
		return train.Reflow{Pairs: train.Pairs{X: flow.NewBatch(200, 4)}, Distill: 1}
	}
	m.settings = Settings{Solve: ode.Config{Solver: "euler", Steps: 1}, Samples: 20}
	s := m.train(t)
	s.EulerSteps = 1
	rep, err := s.Report(t.Context())
	check(t, err)
	if q := rep.Samples; rep.Likelihood != nil || rep.Solver != "euler 1 steps" || q.NFE != 1 || q.Straightness != 0 {
		t.Errorf("a student of one step: %+v, samples %+v", rep, q)
	}
	if _, err := s.Report(t.Context(), PartLikelihood); !errors.Is(err, model.ErrNoDensity) {
		t.Errorf("its likelihood: %v", err)
	}
	x, given, err := s.TestPoints(3)
	check(t, err)
	if _, _, err := s.LogProb(t.Context(), x, given); !errors.Is(err, model.ErrNoDensity) {
		t.Errorf("its densities: %v", err)
	}
}

func TestModelsOfAveragesSampleInTheStepsAskedFor(t *testing.T) {
	for name, objective := range map[string]func(train.CFM) train.Objective{
		"meanflow": func(c train.CFM) train.Objective { return train.MeanFlow{CFM: c} },
		"shortcut": func(c train.CFM) train.Objective {
			return train.Shortcut{CFM: c, Averages: train.AverageConfig{Finest: 64}}
		},
	} {
		m := moons()
		m.net.Average, m.objective = true, objective
		s := m.train(t)
		for steps, want := range map[int]string{0: "average 1 steps", 4: "average 4 steps"} {
			s.Settings = Settings{Solve: ode.Config{Solver: Average, Steps: steps}, Samples: 20, Test: 5}
			rep, err := s.Report(t.Context())
			check(t, err)
			nfe, l := rep.Samples.NFE, rep.Likelihood
			if rep.Solver != want || nfe != max(1, steps) || l == nil || l.NFE < 10 {
				t.Errorf("%s: by %s in %d evaluations, likelihood %+v", name, rep.Solver, nfe, l)
			}
		}
	}
}

func TestLabelsAreGivenAsTheModelTakesThem(t *testing.T) {
	for _, conditional := range []bool{false, true} {
		s := setup{
			data:        dataset.Config{Name: "8gaussians", Val: new(50.0), Test: new(60.0)},
			net:         nn.Config{Hidden: []int{8}},
			conditional: conditional, coupling: coupling.Independent{}, settings: quick(10),
		}.train(t)
		_, given, err := s.TestPoints(7)
		check(t, err)
		if want := 7 * b2i(conditional); len(given.Label) != want {
			t.Errorf("conditional %v: %d labels, want %d", conditional, len(given.Label), want)
		}
		rep, err := s.Report(t.Context())
		check(t, err)
		if (rep.Likelihood.Optimum == nil) != conditional {
			t.Errorf("conditional %v: optimum %v; the density is of all classes", conditional, rep.Likelihood.Optimum)
		}
		if conditional {
			s.Set = &data.Set{Name: "bare", Test: data.Points{X: flow.NewBatch(3, 2)}}
			if _, err := s.Report(t.Context()); !errors.Is(err, flow.ErrLabels) {
				t.Errorf("points without labels: %v", err)
			}
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestBitsPerDimAreOfTheMeanDensityOverNoise(t *testing.T) {
	c := ofStrokes(t, image.ConditionConfig{}, 8)
	c.settings.Dequantizations = 6
	s := c.train(t)
	var seen []string
	s.Watch = func(what string, points int) model.Progress {
		seen = append(seen, what)
		return func(done float64, nfe int) {
			if done < 0 || done > 1 || nfe < 0 {
				t.Errorf("%s: %g of the work behind it in %d evaluations", what, done, nfe)
			}
		}
	}
	rep, err := s.Report(t.Context())
	check(t, err)
	watched := slices.Clone(seen)
	l := rep.Likelihood
	if l.BPD == nil || len(l.Dequantizations) != 3 {
		t.Fatalf("likelihood %+v, want three figures of bits per dimension", l)
	}
	for i, k := range []int{1, 5, 6} {
		if l.Dequantizations[i].K != k {
			t.Errorf("figure %d is of K = %d, want %d", i, l.Dequantizations[i].K, k)
		}
	}
	// By hand: -log2 of the mean of six densities of each image, over 64 pixels of levels
	// that are 1/128 wide.
	want, sum := 0.0, make([]float64, 2)
	for k := range 6 {
		x, given, err := s.dequantized(2, uint64(k))
		check(t, err)
		logp, _, err := s.LogProb(t.Context(), x, given)
		check(t, err)
		for i, v := range logp {
			sum[i] += math.Exp(v-*l.BPD) / 6 // shifted, not to overflow
		}
	}
	for _, v := range sum {
		want += ((-math.Log(v)-*l.BPD)/64 - math.Log(1./128)) / math.Ln2 / 2
	}
	if c := l.Check; c.Points != 2 || *c.DifferenceBPD != *c.Difference/64/math.Ln2 || c.CutDifferenceBPD != nil {
		t.Errorf("check %+v", c)
	}
	if b := l.Dequantizations; math.Abs(b[0].BPD-*l.BPD) > 1e-12 || math.Abs(b[2].BPD-want) > 1e-9 {
		t.Errorf("bits per dimension %+v; of one sample %g, want %g of six", b, *l.BPD, want)
	}
	solves := []string{"log-densities", "log-densities solved again", "log-densities of dequantised images", "samples"}
	if !slices.Equal(watched, solves) {
		t.Errorf("watched %q, want %q", watched, solves)
	}
}

func TestAPartErrorNamesTheRoomOnce(t *testing.T) {
	err := &PartError{Part: PartSamples, Err: errors.New("eval: it is late")}
	if got, want := err.Error(), "eval: samples not measured: it is late"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A report says beside its figures that the steps are too few, or else that the samples are not of
// the size of the data.
func TestAReportDoubtsItsSamples(t *testing.T) {
	s := moons().train(t)
	spec := s.Model.Spec()
	spec.DataScale = 50 // of other data
	var err error
	s.Model, err = model.New(spec, s.Model.Net())
	check(t, err)
	for want, solve := range map[string]ode.Config{
		"euler 1 steps are too few":  {Solver: "euler", Steps: 1},
		"times the size of the data": {Solver: "dopri5"},
	} {
		s.Settings = Settings{Solve: solve, Samples: 40}
		rep, err := s.Report(t.Context(), PartSamples)
		check(t, err)
		if len(rep.Warnings) != 1 || !strings.Contains(rep.Warnings[0], want) {
			t.Errorf("%v: %q, want %q", solve, rep.Warnings, want)
		}
	}
}
