package nn

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// TimeFeatures is how a network of images sees the time: by the cosines and sines of
//
//	(Shift + Scale t) 10000^(-k/(n - FrequencyShift)),  k = 0 .. n-1.
//
// Diffusion models have the number of a step there, which is 0 at the data, and flows t itself
// or 1000 t.
type TimeFeatures struct {
	// Scale is what t, 0 at the noise and 1 at the data, is multiplied by; it is not 0.
	Scale float64 `yaml:"scale" json:"scale"`
	// Shift is what is added to that; default 0.
	Shift float64 `yaml:"shift,omitempty" json:"shift,omitempty"`
	// FrequencyShift makes the lowest frequency lower: with 1, as in DDPM, it is 1/10000.
	// Default 0.
	FrequencyShift float64 `yaml:"frequency_shift,omitempty" json:"frequency_shift,omitempty"`
}

const (
	timeScale = 1000  // makes of t in [0, 1] the steps 0 to 1000 that the embeddings are made for
	maxPeriod = 10000 // the longest, in 2π steps
)

// validate reports features that there are not, of that width.
func (f *TimeFeatures) validate(key string, width int) error {
	if f == nil {
		return nil
	}
	if s := math.Abs(f.Scale); !(s > 0) || !(s <= 1e6) || !(math.Abs(f.Shift) <= 1e6) {
		return fmt.Errorf("nn: %s.time has scale %g and shift %g; scale must not be 0, and both must be at most 1e6",
			key, f.Scale, f.Shift)
	}
	if most := float64(width/2 - 1); !(f.FrequencyShift >= 0 && f.FrequencyShift <= most) {
		return fmt.Errorf("nn: %s.time.frequency_shift is %g; it must be from 0 to %g", key, f.FrequencyShift, most)
	}
	return nil
}

// of returns the features of a time [N]: width/2 cosines, then as many sines.
func (f *TimeFeatures) of(t *Node, width int) *Node {
	at := TimeFeatures{Scale: timeScale}
	if f != nil {
		at = *f
	}
	scale := at.Scale
	if at.Shift != 0 { // a step, which is a whole number, is to be one
		t, scale = AddScalar(MulScalar(t, at.Scale), at.Shift), 1
	}
	omega := make([]float32, width/2)
	for i := range omega {
		omega[i] = float32(scale * math.Pow(maxPeriod, -float64(i)/(float64(len(omega))-at.FrequencyShift)))
	}
	phase := Mul(InsertAxes(t, 1), InsertAxes(Const(t.Graph(), omega), 0))
	return Concatenate([]*Node{Cos(phase), Sin(phase)}, -1)
}
