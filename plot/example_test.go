package plot_test

import (
	"bytes"
	"fmt"
	"image/png"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/plot"
)

// Data and samples side by side, with the same limits.
func Example() {
	data, samples := flow.NewBatch(1000, 2), flow.NewBatch(1000, 2)
	flow.Gaussian{}.Sample(data, seed.Rand(1, "data", 0))
	flow.Gaussian{Std: 1.2}.Sample(samples, seed.Rand(1, "samples", 0))

	var picture bytes.Buffer // or a file
	err := plot.Samples(&picture, []plot.Panel{
		{Title: "data", Points: data},
		{Title: "samples", Points: samples},
	}, plot.Options{Size: 2, DPI: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := png.Decode(&picture)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("wider than two panels of 200 pixels:", img.Bounds().Dx() > 400)
	// Output:
	// wider than two panels of 200 pixels: true
}

func BenchmarkSamples(b *testing.B) {
	x := normal(10_000, 2, seed.Rand(1, "bench", 0))
	b.ReportAllocs()
	for b.Loop() {
		var w bytes.Buffer
		if err := plot.Samples(&w, []plot.Panel{{Points: x}, {Points: x}}, plot.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFlowGIF(b *testing.B) {
	frames := moving(40, 4000)
	b.ReportAllocs()
	for b.Loop() {
		var w bytes.Buffer
		if err := plot.FlowGIF(&w, []plot.Flow{{Frames: frames}}, nil, plot.GIFOptions{}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(w.Len()), "bytes/file")
	}
}
