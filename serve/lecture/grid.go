package lecture

import (
	"math"

	"flowmatch/flow"
)

// cells is how many cells a picture of a density has in each direction.
const cells = 72

// picture is a density on a square of cells, from the lowest row to the highest.
type picture struct {
	W      int        `json:"w"`
	H      int        `json:"h"`
	Box    [4]float64 `json:"box"`
	Values []byte     `json:"values"` // in steps of 1/255 of the largest, in base64
}

// middles are the middles of n x n cells of the window.
func middles(n int) flow.Batch {
	x := flow.NewBatch(n*n, 2)
	for k := range n * n {
		x.X[2*k] = -window + 2*window*(float64(k%n)+0.5)/float64(n)
		x.X[2*k+1] = -window + 2*window*(float64(k/n)+0.5)/float64(n)
	}
	return x
}

// drawDensity returns the picture of a density, given by its logarithm at points.
func drawDensity(logp func(logp, x []float64) error) (picture, error) {
	x := middles(cells)
	values := make([]float64, x.N)
	if err := logp(values, x.X); err != nil {
		return picture{}, err
	}
	p := picture{W: cells, H: cells, Box: [4]float64{-window, window, -window, window}, Values: make([]byte, x.N)}
	most := math.Inf(-1)
	for _, v := range values {
		most = max(most, v)
	}
	for k, v := range values {
		p.Values[k] = byte(math.Round(255 * math.Exp(v-most)))
	}
	return p, nil
}

// arrows are vectors at points.
type arrows struct {
	X numbers `json:"x"`
	V numbers `json:"v"`
}

// drawArrows returns the vectors of a field at the middles of n x n cells.
func drawArrows(n int, velocity func(v, x []float64) error) (arrows, error) {
	x := middles(n)
	v := make([]float64, len(x.X))
	err := velocity(v, x.X)
	return arrows{x.X, v}, err
}
