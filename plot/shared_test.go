package plot_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/plot"
)

// mustPoints returns the points of a grid that is known to be good.
func mustPoints(g plot.Grid) flow.Batch {
	x, err := g.Points()
	if err != nil {
		panic(err)
	}
	return x
}

// everyPicture is one call of each function, for the tests of what they share.
func everyPicture() map[string]func(w io.Writer) error {
	r := seed.Rand(5, "plot", 0)
	a, b, c := normal(300, 2, r), normal(300, 2, r), normal(100, 4, r)
	one := normal(300, 1, r)
	g := plot.Grid{NX: 20, NY: 20}
	logp := make([]float64, 400)
	flow.Gaussian{}.LogProb(logp, mustPoints(g))
	image := normal(5, 12, r)
	labels := make([]int32, 300)
	for i := range labels {
		labels[i] = int32(i % 7)
	}
	small := plot.Options{Size: 1, DPI: 80, Title: "title", Names: []string{"a", "b", "c", "d"}}
	heat := small
	heat.Style = plot.Heat
	return map[string]func(io.Writer) error{
		"Samples": func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{"data", a, nil}, {"samples", b, nil}}, small)
		},
		"Samples by class": func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{"data", a, labels}}, small)
		},
		"Samples as heat": func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{"data", a, nil}}, heat) },
		"Samples in D=1":  func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{"data", one, nil}}, small) },
		"Samples in D=4":  func(w io.Writer) error { return plot.Samples(w, []plot.Panel{{"data", c, nil}}, small) },
		"Gallery": func(w io.Writer) error {
			return plot.Gallery(w,
				[]plot.Row{{"a", []plot.Panel{{"t=0", a, nil}, {"t=1", b, nil}}},
					{"b", []plot.Panel{{"", b, nil}, {"", a, nil}}}}, small)
		},
		"Density": func(w io.Writer) error {
			return plot.Density(w, g, []plot.Map{{"learnt", logp}}, plot.DensityOptions{Options: small})
		},
		"Couplings": func(w io.Writer) error {
			return plot.Couplings(w, []plot.Coupled{{"one", a, b}, {"two", b, a}}, small)
		},
		"Couplings in D=1": func(w io.Writer) error {
			return plot.Couplings(w, []plot.Coupled{{"one", one, one}}, small)
		},
		"DotPlot": func(w io.Writer) error {
			return plot.DotPlot(w, []string{"a", "b"}, []plot.DotPanel{
				{"one", [][]plot.Dot{{{1, 0.5, ""}}, {{2, 0, ""}, {3, 4, "more"}}}, []plot.Floor{{"level", 2}}},
				{"two", [][]plot.Dot{{{10, 1, ""}}, nil}, nil},
			}, plot.DotOptions{Options: plot.Options{Size: 1, DPI: 80, Title: "title"}, XName: "x"})
		},
		"Field": func(w io.Writer) error {
			return plot.Field(w, linear{b: [2]float64{1, 1}}, []float64{0, 1},
				plot.FieldOptions{Options: small, Points: []flow.Batch{a, b}})
		},
		"Trajectories": func(w io.Writer) error {
			return plot.Trajectories(w, []flow.Batch{a, b}, nil, plot.TrajectoryOptions{Options: small})
		},
		"Loss": func(w io.Writer) error {
			return plot.Loss(w, []plot.Series{{Name: "train", Y: one.X}}, plot.LossOptions{Options: small})
		},
		"FlowGIF": func(w io.Writer) error {
			return plot.FlowGIF(w, single([]flow.Batch{a, b}), nil, plot.GIFOptions{Options: small})
		},
		"FlowGIF as heat": func(w io.Writer) error {
			return plot.FlowGIF(w, single([]flow.Batch{a, b}), nil, plot.GIFOptions{Options: heat})
		},
		"ImageGrid": func(w io.Writer) error { return plot.ImageGrid(w, image, []int{2, 2, 3}, plot.ImageOptions{}) },
	}
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	first := map[string][]byte{}
	for _, procs := range []int{1, 4} {
		old := runtime.GOMAXPROCS(procs)
		for name, f := range everyPicture() {
			var b bytes.Buffer
			if err := f(&b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if first[name] == nil {
				first[name] = b.Bytes()
			} else if !bytes.Equal(first[name], b.Bytes()) {
				t.Errorf("%s: other bytes with GOMAXPROCS=%d than with 1", name, procs)
			}
		}
		runtime.GOMAXPROCS(old)
	}
}

// brokenWriter fails after n bytes.
type brokenWriter struct{ n int }

var errBroken = errors.New("the writer of the test broke")

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestAWriterThatFailsIsReported(t *testing.T) {
	for name, f := range everyPicture() {
		if err := f(&brokenWriter{n: 100}); !errors.Is(err, errBroken) {
			t.Errorf("%s: error: got %v, want the writer's", name, err)
		} else if !strings.HasPrefix(err.Error(), "plot: ") {
			t.Errorf("%s: error without the room's prefix: %v", name, err)
		}
	}
}
