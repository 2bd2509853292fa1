package plot_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/plot"
)

func TestBadInputIsExplained(t *testing.T) {
	two := points(0, 0, 1, 1)
	nan := points(0, 0, 1, math.NaN())
	inf := points(math.Inf(-1), 0, 1, 1)
	three, nine := flow.NewBatch(2, 3), flow.NewBatch(2, 9)
	broken := errors.New("the field of the test broke")
	samples := func(o plot.Options, b ...flow.Batch) func(io.Writer) error {
		var p []plot.Panel
		for _, x := range b {
			p = append(p, plot.Panel{Title: "moons", Points: x})
		}
		return func(w io.Writer) error { return plot.Samples(w, p, o) }
	}
	gif := func(o plot.GIFOptions, times []float64, b ...flow.Batch) func(io.Writer) error {
		return func(w io.Writer) error { return plot.FlowGIF(w, single(b), times, o) }
	}
	paths := func(o plot.TrajectoryOptions, times []float64, b ...flow.Batch) func(io.Writer) error {
		return func(w io.Writer) error { return plot.Trajectories(w, b, times, o) }
	}
	loss := func(o plot.LossOptions, s ...plot.Series) func(io.Writer) error {
		return func(w io.Writer) error { return plot.Loss(w, s, o) }
	}
	grid := func(g plot.Grid, logp ...float64) func(io.Writer) error {
		return func(w io.Writer) error {
			return plot.Density(w, g, []plot.Map{{LogP: logp}}, plot.DensityOptions{})
		}
	}
	field := func(f flow.Field, o plot.Options, times ...float64) func(io.Writer) error {
		return func(w io.Writer) error { return plot.Field(w, f, times, plot.FieldOptions{Options: o}) }
	}
	images := func(b flow.Batch, shape []int, o plot.ImageOptions) func(io.Writer) error {
		return func(w io.Writer) error { return plot.ImageGrid(w, b, shape, o) }
	}
	ninf := math.Inf(-1)
	for _, c := range []struct {
		name string
		draw func(io.Writer) error
		is   error
		says string
	}{
		{"no panels", samples(plot.Options{}), plot.ErrEmpty, "no panels"},
		{"an empty batch", samples(plot.Options{}, flow.NewBatch(0, 2)), plot.ErrEmpty, "N=0"},
		{"a batch with too few numbers", samples(plot.Options{}, flow.Batch{N: 3, D: 2, X: make([]float64, 4)}),
			plot.ErrShape, "4 numbers"},
		{"NaN", samples(plot.Options{}, two, nan), plot.ErrNotFinite,
			`panel 1 "moons": not finite: point 1, column 1 is NaN`},
		{"infinity", samples(plot.Options{}, inf), plot.ErrNotFinite, "point 0, column 0 is -Inf"},
		{"panels of different D", samples(plot.Options{}, two, three), plot.ErrShape,
			"D=3, but the first panel has D=2"},
		{"too many dimensions for pairs", samples(plot.Options{}, nine), plot.ErrShape, "set Options.Columns"},
		{"a column that is not there", samples(plot.Options{Columns: [2]int{1, 9}}, nine), plot.ErrOptions, "0 to 8"},
		{"a column against itself", samples(plot.Options{Columns: [2]int{1, 1}}, nine), plot.ErrOptions,
			"two different"},
		{"upside-down limits", samples(plot.Options{Limits: plot.Limits{XMin: 1, XMax: -1, YMin: 0, YMax: 1}}, two),
			plot.ErrOptions, "XMin < XMax"},
		{"infinite limits", samples(plot.Options{Limits: plot.Limits{XMax: math.Inf(1)}}, two),
			plot.ErrOptions, "finite"},
		{"a size of a house", samples(plot.Options{Size: 400}, two), plot.ErrOptions, "0.5 to 20"},
		{"a size of NaN", samples(plot.Options{Size: math.NaN()}, two), plot.ErrOptions, "0.5 to 20"},
		{"negative dpi", samples(plot.Options{DPI: -1}, two), plot.ErrOptions, "30 to 600"},
		{"an unknown style", samples(plot.Options{Style: "pie"}, two), plot.ErrOptions, "one of dots, heat"},
		{"one label for two points", func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{Points: two, Labels: []int32{1}}}, plot.Options{})
		}, plot.ErrShape, "1 labels for 2 points"},

		{"a gif of one frame", gif(plot.GIFOptions{}, nil, two), plot.ErrEmpty, "1 moments"},
		{"a gif in D=3", gif(plot.GIFOptions{}, nil, three, three), plot.ErrShape,
			"[2]int{0, 1} for the first two columns"},
		{"a gif whose points multiply", gif(plot.GIFOptions{}, nil, two, points(0, 0)), plot.ErrShape,
			"moment 1 has N=1"},
		{"a gif with too few times", gif(plot.GIFOptions{}, []float64{0}, two, two), plot.ErrShape, "1 times for 2"},
		{"a gif back in time", gif(plot.GIFOptions{}, []float64{1, 0}, two, two), plot.ErrOptions, "increase"},
		{"a gif with NaN", gif(plot.GIFOptions{}, nil, two, nan), plot.ErrNotFinite, "points at t=1"},
		{"a gif with a negative delay", gif(plot.GIFOptions{Delay: -1}, nil, two, two), plot.ErrOptions, "Delay"},

		{"trajectories in D=3", paths(plot.TrajectoryOptions{}, nil, three, three), plot.ErrShape, "Options.Columns"},
		{"trajectories with NaN in D=1",
			paths(plot.TrajectoryOptions{}, nil, flow.NewBatch(1, 1), flow.Batch{N: 1, D: 1, X: []float64{math.NaN()}}),
			plot.ErrNotFinite, "t=1"},
		{"negative lines", paths(plot.TrajectoryOptions{Lines: -1}, nil, two, two), plot.ErrOptions, "Lines is -1"},

		{"no series", loss(plot.LossOptions{}), plot.ErrEmpty, "no series"},
		{"an empty series", loss(plot.LossOptions{}, plot.Series{Name: "train"}), plot.ErrEmpty, `series 0 "train"`},
		{"a series of NaN", loss(plot.LossOptions{}, plot.Series{Y: []float64{math.NaN()}}), plot.ErrEmpty, "finite"},
		{"steps that go back", loss(plot.LossOptions{}, plot.Series{X: []float64{1, 0}, Y: []float64{1, 1}}),
			plot.ErrOptions, "X[1] is 0"},
		{"steps and values of different length",
			loss(plot.LossOptions{}, plot.Series{X: []float64{1}, Y: []float64{1, 1}}), plot.ErrShape,
			"1 steps for 2 values"},
		{"zero on a logarithmic axis", loss(plot.LossOptions{Log: true}, plot.Series{Y: []float64{1, 0}}),
			plot.ErrOptions, "Y[1] is 0"},

		{"a density of the wrong length", grid(plot.Grid{NX: 2, NY: 2}, 1, 2, 3), plot.ErrShape,
			"3 values for a grid of 2 x 2"},
		{"a density of NaN", grid(plot.Grid{NX: 2, NY: 2}, 1, 2, 3, math.NaN()), plot.ErrNotFinite, "cell (1, 1)"},
		{"a density that is nowhere", grid(plot.Grid{NX: 2, NY: 2}, ninf, ninf, ninf, ninf), plot.ErrEmpty,
			"zero on the whole grid"},
		{"a grid of one row", grid(plot.Grid{NX: 4, NY: 1}, 1, 2, 3, 4), plot.ErrOptions, "at least 2 x 2"},
		{"a grid like a thread", grid(plot.Grid{NX: 2, NY: 2, Limits: plot.Limits{XMax: 1000, YMax: 1}}, 1, 2, 3, 4),
			plot.ErrOptions, "set Stretch"},

		{"a field on R^3", field(linear{dim: 3}, plot.Options{}, 0), plot.ErrShape, "R^3"},
		{"a field at no time", field(linear{}, plot.Options{}), plot.ErrEmpty, "no times"},
		{"a field at t=2", field(linear{}, plot.Options{}, 2), plot.ErrOptions, "t=2"},
		{"a field that fails", field(linear{fail: broken}, plot.Options{}, 0.5), broken, "t=0.5"},
		{"a field of NaN", field(linear{b: [2]float64{math.NaN(), 0}}, plot.Options{}, 0.5), plot.ErrNotFinite,
			"velocity at t=0.5"},

		{"images of the wrong shape", images(nine, []int{2, 2}, plot.ImageOptions{}), plot.ErrShape, "D=9"},
		{"images with two channels", images(flow.NewBatch(1, 8), []int{2, 2, 2}, plot.ImageOptions{}), plot.ErrShape,
			"c = 1 or 3"},
		{"a shape of one number", images(nine, []int{9}, plot.ImageOptions{}), plot.ErrShape, "(h, w)"},
		{"white below black", images(nine, []int{3, 3}, plot.ImageOptions{Lo: 1, Hi: 0}), plot.ErrOptions, "Lo < Hi"},
		{"negative columns", images(nine, []int{3, 3}, plot.ImageOptions{Cols: -1}), plot.ErrOptions, "Cols"},
		{"a picture of a gigabyte", images(nine, []int{3, 3}, plot.ImageOptions{Scale: 1 << 20}), plot.ErrOptions,
			"draw fewer"},
		{"images of NaN", images(nan, []int{1, 2}, plot.ImageOptions{}), plot.ErrNotFinite, "NaN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			err := c.draw(&b)
			if !errors.Is(err, c.is) {
				t.Fatalf("error: got %v, want %v", err, c.is)
			}
			if !strings.HasPrefix(err.Error(), "plot: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error: got %q, want one that starts with %q and says %q", err, "plot: ", c.says)
			}
			if b.Len() > 0 {
				t.Errorf("%d bytes were written before the error", b.Len())
			}
		})
	}
}

func TestStrangeButValidInputIsDrawn(t *testing.T) {
	ninf := math.Inf(-1)
	for name, draw := range map[string]func(io.Writer) error{
		"one point": func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{Points: points(3, 3)}}, plot.Options{})
		},
		"one point as heat": func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{Points: points(3, 3)}}, plot.Options{Style: plot.Heat})
		},
		"all points outside as heat": func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{Points: points(3, 3)}},
				plot.Options{Style: plot.Heat, Limits: plot.Limits{XMax: 1, YMax: 1}})
		},
		"values near the largest number": func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{Points: points(1e150, 0, 0, -1e150)}}, plot.Options{})
		},
		"equal values in D=1": func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{Points: flow.NewBatch(5, 1)}}, plot.Options{})
		},
		"a constant column in D=3": func(w io.Writer) error {
			return plot.Samples(w, []plot.Panel{{Points: flow.NewBatch(5, 3)}}, plot.Options{})
		},
		"a density in one cell": func(w io.Writer) error {
			return plot.Density(w, plot.Grid{NX: 2, NY: 2}, []plot.Map{{LogP: []float64{ninf, ninf, 0, ninf}}},
				plot.DensityOptions{Log: true})
		},
		"a density that underflows": func(w io.Writer) error {
			return plot.Density(w, plot.Grid{NX: 2, NY: 2}, []plot.Map{{LogP: []float64{-1e6, -1e6, -1e6, -1e6}}},
				plot.DensityOptions{})
		},
		"a field at rest": func(w io.Writer) error {
			return plot.Field(w, linear{}, []float64{0}, plot.FieldOptions{})
		},
		"a loss of one value": func(w io.Writer) error {
			return plot.Loss(w, []plot.Series{{Y: []float64{1}}}, plot.LossOptions{})
		},
		"a loss that diverged": func(w io.Writer) error {
			return plot.Loss(w, []plot.Series{{Y: []float64{1, 2, math.NaN(), math.Inf(1), 3}}},
				plot.LossOptions{Log: true})
		},
		"trajectories that stay": func(w io.Writer) error {
			return plot.Trajectories(w, []flow.Batch{points(1, 1), points(1, 1)}, nil, plot.TrajectoryOptions{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if b := drawn(t, draw); b == 0 {
				t.Error("no ink")
			}
		})
	}
}

// drawn counts the pixels of a picture that are not white.
func drawn(t *testing.T, f func(io.Writer) error) int {
	img := draw(t, f)
	n := 0
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if luma(img.At(x, y)) < 0.99 {
				n++
			}
		}
	}
	return n
}
