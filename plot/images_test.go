package plot_test

import (
	"io"
	"testing"

	"flowmatch/flow"
	"flowmatch/plot"
)

// A picture of bytes has those bytes, with noise of dequantisation and without: a black
// original stays black.
func TestImageGridGivesBytesBack(t *testing.T) {
	for _, u := range []float64{0, 0.5, 1 - 1e-9} {
		grey := flow.NewBatch(1, 256)
		for v := range grey.X {
			grey.X[v] = (float64(v)+u)/128 - 1
		}
		img := draw(t, func(w io.Writer) error {
			return plot.ImageGrid(w, grey, []int{1, 256}, plot.ImageOptions{Gap: -1, Scale: 1})
		})
		for v := range 256 {
			if r, _, _, _ := img.At(v, 0).RGBA(); int(r>>8) != v {
				t.Errorf("noise %g: byte %d is drawn as %d", u, v, r>>8)
			}
		}
	}
}
