package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/image"
	"flowmatch/data/synth"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/train"
)

// setup is a training so small that it takes no time, as a run file would have it.
type setup struct {
	data        dataset.Config
	path        string
	prediction  path.Prediction
	source      *synth.SourceConfig
	condition   *image.ConditionConfig
	coupling    coupling.Coupling
	conditional bool
	net         nn.Config
	// objective makes another objective than CFM.
	objective func(cfm train.CFM) train.Objective
	settings  Settings
}

// moons has few points, and a network of one small layer.
func moons() setup {
	return setup{
		data: dataset.Config{Name: "moons", Standardize: "scalar", Val: new(50.0), Test: new(50.0)},
		net:  nn.Config{Hidden: []int{8}},
	}
}

// ofStrokes is a UNet of images of side x side, given a context that is made of them.
func ofStrokes(t *testing.T, c image.ConditionConfig, side int) setup {
	t.Helper()
	s := setup{
		data:     dataset.Config{Path: strokes(t, 40, side), Val: new(6.0), Test: new(10.0)},
		net:      nn.Config{UNet: &nn.UNet{Channels: 4, Mult: []int{1, 1}, Blocks: 1}},
		settings: Settings{Solve: ode.Config{Solver: "euler", Steps: 2}, Samples: 4, Test: 2},
	}
	if c.Kind != "" {
		s.condition = &c
	}
	return s
}

// train trains a model and returns it with its data.
func (c setup) train(t *testing.T) Subject {
	t.Helper()
	set, err := c.data.Open("", 0)
	check(t, err)
	if c.path == "" {
		c.path = "condot"
	}
	c.net.Dim = set.Dim
	if c.conditional {
		c.net.Classes = set.Classes
	}
	if side := set.Image(); side != nil {
		c.net = c.net.OnImages(side)
	}
	if c.condition != nil {
		made, err := c.condition.New(set.Image(), set.Standardizer)
		check(t, err)
		c.net.Context = made.Dim()
		set, err = set.WithContext(made, 0)
		check(t, err)
	}
	eng, err := nn.Open("")
	check(t, err)
	net, err := nn.New(eng, c.net, 0)
	check(t, err)
	spec := model.Spec{
		Path: path.Config{Name: c.path}, Prediction: c.prediction, Shape: set.Shape, Standardizer: set.Standardizer,
		Source: c.source, Condition: c.condition,
	}
	if set.Levels > 0 {
		spec.BinWidth = 2 / float64(set.Levels)
	}
	m, err := model.New(spec, net)
	check(t, err)
	cfm := train.CFM{Data: set.Train, Coupling: c.coupling}
	objective := train.Objective(cfm)
	if c.objective != nil {
		objective = c.objective(cfm)
	}
	fit := train.Fit{Loop: train.Loop{Steps: 6, Batch: 8, LR: 1e-2}}
	m, err = fit.Train(t.Context(), m, objective)
	check(t, err)
	return Subject{Model: m, Set: set, Settings: c.settings, Name: "tiny", Step: 6}
}

// fails checks that an error says something.
func fails(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want an error with %q", what, err, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// strokes writes n images of side x side levels, each a bar somewhere, as IDX.
func strokes(t *testing.T, n, side int) string {
	t.Helper()
	content := []byte{0, 0, 8, 3, 0, 0, 0, byte(n), 0, 0, 0, byte(side), 0, 0, 0, byte(side)}
	for i := range n {
		for p := range side * side {
			level := byte(0)
			if p%side/2 == i%(side/2) {
				level = 240
			}
			content = append(content, level)
		}
	}
	return written(t, "t-images-idx3-ubyte", content)
}

// classes writes the classes of strokes as IDX.
func classes(t *testing.T, n, side int) string {
	t.Helper()
	content := []byte{0, 0, 8, 1, 0, 0, 0, byte(n)}
	for i := range n {
		content = append(content, byte(i%(side/2)))
	}
	return written(t, "t-labels-idx1-ubyte", content)
}

func written(t *testing.T, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	check(t, os.WriteFile(file, content, 0o666))
	return file
}

// tiles is a set without a class, a density or points to test on.
func tiles() *data.Set { return &data.Set{Name: "tiles", Test: data.Points{}} }

// quick settings: few equal steps and the exact divergence.
func quick(samples int) Settings {
	return Settings{
		Solve:      ode.Config{Solver: "midpoint", Steps: 4},
		Divergence: likelihood.Config{Divergence: "exact"}, Samples: samples,
	}
}
