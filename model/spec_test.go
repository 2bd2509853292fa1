package model

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/nn"
	"flowmatch/path"
)

func newNet(t testing.TB, cfg nn.Config) *nn.Net {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// trained returns a checkpoint after a few steps, so that all its slabs differ.
func trained(t testing.TB, spec Spec) *Checkpoint {
	t.Helper()
	net := newNet(t, spec.Net)
	tr, err := net.NewTrainer(nn.Optimizer{}, nn.StepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ex := nn.NewExamples(16, net.Config().Dim)
	for i := range ex.X1.X {
		ex.X1.X[i] = math.Sin(float64(i))
	}
	for i := range ex.T {
		ex.T[i], ex.Alpha[i], ex.G1[i], ex.Weight[i] = 0.5, 1, 1, 1
	}
	for range 3 {
		if _, err := tr.Step(ex, 0.01); err != nil {
			t.Fatal(err)
		}
	}
	s, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	return &Checkpoint{Spec: spec, Net: net, State: s, Extra: map[string]string{"note": "kept"}}
}

var planar = Spec{
	Net: nn.Config{Dim: 2, Hidden: []int{6, 5}}, Path: path.Config{Name: "condot"}, Shape: []int{2},
	Standardizer: &data.Standardizer{Mean: []float64{1, -2}, Std: []float64{2, 0.5}},
}

// untrained returns a model of the plane with random weights.
func untrained(t testing.TB, cfg nn.Config) *Model {
	t.Helper()
	m, err := New(planar, newNet(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// own is a schedule that no name stands for: α = t, σ = 1 - t².
var own = path.Func{Fn: func(t float64) path.Coef {
	return path.Coef{Alpha: t, DAlpha: 1, Sigma: 1 - t*t, DSigma: -2 * t}
}}

func TestAModelHasAnyScheduleThatItIsGiven(t *testing.T) {
	flowtest.TestScheduler(t, own)
	spec := planar
	spec.Path, spec.Scheduler = path.Config{}, own
	m, err := New(spec, newNet(t, planar.Net))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Scheduler().At(0.5); got != own.At(0.5) {
		t.Errorf("at 0.5 the schedule is %+v, want %+v", got, own.At(0.5))
	}
	f, err := m.Field(flow.Given{})
	if err != nil {
		t.Fatal(err)
	}
	flowtest.TestField(t, f, flowtest.FieldOptions{Tol: 1e-2, Step: 1e-2})
}

func TestSpecsThatDoNotFitAreErrors(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{4}, Classes: 3})
	for want, spec := range map[string]Spec{
		"[3]":                          {Shape: []int{3}},
		"[]":                           {Shape: []int{}},
		"[-1 -2]":                      {Shape: []int{-1, -2}},
		"both Path (vp) and Scheduler": {Path: path.Config{Name: "vp"}, Scheduler: own},
		"both Path () and Scheduler":   {Path: path.Config{SigmaMin: new(0.1)}, Scheduler: own},
		"Scheduler: path: not a schedule: it is nil":      {Scheduler: (*path.VP)(nil)},
		"Scheduler: path: not a schedule: Func.Fn is nil": {Scheduler: path.Func{}},
		"Scheduler: ":    {Scheduler: path.Func{Fn: func(float64) path.Coef { return path.Coef{} }}},
		"3 columns":      {Columns: []string{"a", "b", "c"}},
		"2 class_names":  {ClassNames: []string{"cat", "dog"}},
		"Prediction(17)": {Prediction: 17},
		"standardizer of 3 coordinates": {Standardizer: &data.Standardizer{Mean: make([]float64, 3),
			Std: []float64{1, 1, 1}}},
		"deviation 0 is 0": {Standardizer: &data.Standardizer{Mean: []float64{1}, Std: []float64{0}}},
	} {
		m, err := New(spec, net)
		if !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), want) || m != nil {
			t.Errorf("got %v (%v), want ErrSpec with %q", err, m, want)
		}
	}
	for _, none := range []*nn.Net{nil, {}} {
		if _, err := New(Spec{}, none); !errors.Is(err, ErrSpec) {
			t.Errorf("no network: got %v", err)
		}
	}
	if _, err := New(Spec{Path: path.Config{Name: "vpp"}}, net); err == nil ||
		!strings.Contains(err.Error(), `did you mean "vp"`) {
		t.Errorf("an unknown path: got %v", err)
	}
	m, err := New(Spec{}, net)
	if err != nil || len(m.Spec().Shape) != 1 || m.Spec().Shape[0] != 2 || m.Spec().Net.Classes != 3 {
		t.Errorf("the empty Spec: got %+v, %v", m, err)
	}
}

func TestASourceNeedsAPathThatStartsFromIt(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{4}})
	source := &synth.SourceConfig{Name: "8gaussians"}
	for want, spec := range map[string]Spec{
		"use condot, icfm or bridge": {Path: path.Config{Name: "ve"}, Source: source},
		"the prediction velocity":    {Prediction: path.Noise, Source: source},
		"without a name":             {Source: &synth.SourceConfig{}},
	} {
		if _, err := New(spec, net); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if _, err := New(Spec{Source: source}, newNet(t, nn.Config{Dim: 3, Hidden: []int{4}})); err == nil {
		t.Error("a source of 2 dimensions for points of 3")
	}
	m, err := New(Spec{Source: source, Scheduler: path.CondOT{}}, net)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.Source().(synth.Source); !ok {
		t.Errorf("the source is a %T", m.Source())
	}
}

// noise is a schedule with noise, of one's own type.
type noise struct{ path.Bridge }

// A schedule of package path that is given as a value is that of a name: the model can be
// saved.
func TestAScheduleOfThePathRoomIsNamed(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{4}})
	for name, s := range map[string]path.Scheduler{
		"condot": path.CondOT{SigmaMin: 0.1}, "vp": &path.VP{BetaMin: 0.2}, "icfm": path.Bridge{},
		"cosine": path.Cosine{},
	} {
		m, err := New(Spec{Scheduler: s}, net)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "m")
		if spec := m.Spec(); spec.Path.Name != name || spec.Scheduler != nil {
			t.Errorf("%s: the Spec has %+v and %v", name, spec.Path, spec.Scheduler)
		}
		if err := m.Save(file); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, _, err := Open(file, net.Engine())
		if err != nil || again.Scheduler().At(0.3) != s.At(0.3) {
			t.Errorf("%s: %v comes back as %v, %v", name, s, again.Scheduler(), err)
		}
	}
	c := trained(t, planar)
	c.Spec.Path, c.Spec.Scheduler = path.Config{}, path.VP{}
	if err := c.Save(filepath.Join(t.TempDir(), "c")); err != nil {
		t.Errorf("a checkpoint: %v", err)
	}
}

func TestAModelReportsWhatItLacks(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{4}})
	for name, c := range map[string]struct {
		spec           Spec
		density, score string // parts of the errors; empty: none
	}{
		"plain": {spec: Spec{}},
		"vp":    {spec: Spec{Path: path.Config{Name: "vp"}, Prediction: path.Noise}},
		"distilled": {Spec{NoDensity: "it is distilled", NoScore: "objective distill"}, "it is distilled",
			"objective distill"},
		"ot":     {Spec{NoScore: "coupling ot"}, "", "coupling ot"},
		"bridge": {Spec{Path: path.Config{Name: "bridge"}}, "", "path bridge"},
		"icfm":   {Spec{Scheduler: path.Bridge{Sigma: 0.5}}, "", "path icfm"},
		"own":    {Spec{Scheduler: noise{path.Bridge{Sigma: 0.5}}}, "", "path model.noise"},
		"source": {Spec{Source: &synth.SourceConfig{Name: "8gaussians"}}, "", "source 8gaussians"},
	} {
		m, err := New(c.spec, net)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []struct {
			got, is error
			want    string
		}{{m.HasDensity(), ErrNoDensity, c.density}, {m.HasScore(), ErrNoScore, c.score}} {
			if f.want == "" && f.got != nil || f.want != "" &&
				(!errors.Is(f.got, f.is) || !strings.Contains(f.got.Error(), f.want)) {
				t.Errorf("%s: got %v, want %q", name, f.got, f.want)
			}
		}
	}
}
