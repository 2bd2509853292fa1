package bench

import (
	"math"
	"slices"
)

// Quartiles are those of the ratios of many rounds.
type Quartiles struct {
	Low    float64 `json:"q1"`
	Median float64 `json:"median"`
	High   float64 `json:"q3"`
}

// quartilesOf returns the quartiles of numbers, of which there is at least one, by linear interpolation.
func quartilesOf(x []float64) Quartiles {
	sorted := slices.Sorted(slices.Values(x))
	at := func(p float64) float64 {
		place := p * float64(len(sorted)-1)
		i := int(math.Floor(place))
		j := min(i+1, len(sorted)-1)
		return sorted[i] + (place-float64(i))*(sorted[j]-sorted[i])
	}
	return Quartiles{at(0.25), at(0.5), at(0.75)}
}
