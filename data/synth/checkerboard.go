package synth

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/flow"
)

// Checkerboard is uniform over the 8 dark squares of a 4 x 4 board that covers
// [-Half, Half]^2: those whose column and row, counted from the centre, have an
// even sum. With Half = 4 the squares have side 2 and the density is 1/32.
type Checkerboard struct{ Half float64 }

func newCheckerboard(p Params) (data.Distribution, error) {
	half := or(p.Scale, 4.0)
	if !(half > 0) || math.IsInf(half, 0) {
		return nil, fmt.Errorf("scale = %g; want a positive number", half)
	}
	return Checkerboard{half}, nil
}

// Dim returns 2.
func (Checkerboard) Dim() int { return 2 }

// Classes returns 8, the number of squares.
func (Checkerboard) Classes() int { return 8 }

// Sample fills x with independent draws.
func (c Checkerboard) Sample(x flow.Batch, rng *rand.Rand) { c.SampleLabelled(x, nil, rng) }

// SampleLabelled is Sample with the number of the square in label: squares count
// from the left below, row by row.
func (c Checkerboard) SampleLabelled(x flow.Batch, label []int32, rng *rand.Rand) {
	checkSample(2, x, label)
	side := c.Half / 2
	for i := range x.N {
		k := rng.IntN(8)
		row := k / 2
		col := 2*(k%2) + row%2
		x.X[2*i] = side * (float64(col-2) + rng.Float64())
		x.X[2*i+1] = side * (float64(row-2) + rng.Float64())
		if label != nil {
			label[i] = int32(k)
		}
	}
}

// LogProb writes -log(2 Half^2), which is -ln 32 for Half = 4, on the dark
// squares and -Inf elsewhere. Squares own their left and lower edges.
func (c Checkerboard) LogProb(logp []float64, x flow.Batch) {
	checkLogProb(2, logp, x)
	side := c.Half / 2
	for i := range x.N {
		col, row := math.Floor(x.X[2*i]/side), math.Floor(x.X[2*i+1]/side)
		logp[i] = math.Inf(-1)
		if col >= -2 && col < 2 && row >= -2 && row < 2 && int(col+row)%2 == 0 {
			logp[i] = -c.Entropy()
		}
	}
}

// Entropy returns log of the dark area, 2 Half^2: ln 32 = 3.4657 nats for Half = 4.
func (c Checkerboard) Entropy() float64 { return math.Log(2 * c.Half * c.Half) }
