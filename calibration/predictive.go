package calibration

import (
	"math"
	"slices"

	"flowmatch/flow"
)

// Predictive compares observations with data that were simulated from their posteriors: a posterior
// predictive check. A posterior can be narrow and wrong at once; what it predicts then is not what was
// seen.
type Predictive struct {
	N, D, L int
	// P [N, D] is of each number of an observation the probability that a prediction is as far out on
	// either side: twice the smaller share of predictions below and above it, at most 1. Near 0 the
	// posterior does not explain that number.
	P flow.Batch
	// Depth [N] is the share of the predictions that are at least as far from their mean as the
	// observation is, where each number counts in its deviation over the predictions. It is P of all
	// numbers together.
	Depth []float64
	// Distance [N] is the median of the distances between the observation and the predictions (MEDDIST
	// of sbibm), in the units of the data.
	Distance []float64
}

// Predict compares observations [N, D] with predictions [N·L, D], L for each in the order of the
// observations: draw L parameters from the posterior at each, and simulate once from each of them.
// Simulations that failed, whose numbers are NaN, are an error: simulate from another draw.
//
// The shares are of L predictions, so that they are not less than 1/(L+1). Those of many observations
// are not uniform for posteriors that are right, but nearer to 1: each posterior has seen its
// observation.
func Predict(observed, predicted flow.Batch) (Predictive, error) {
	l, err := perTruth("Predict", observed, predicted)
	if err != nil {
		return Predictive{}, err
	}
	p := Predictive{N: observed.N, D: observed.D, L: l, P: flow.NewBatch(observed.N, observed.D)}
	for i := range observed.N {
		some := predicted.Slice(i*l, (i+1)*l)
		x := observed.Row(i)
		for k, v := range x {
			below, above := 1, 1 // the observation itself is one of those as far out
			for j := range l {
				if some.Row(j)[k] <= v {
					below++
				}
				if some.Row(j)[k] >= v {
					above++
				}
			}
			p.P.Row(i)[k] = min(1, 2*float64(min(below, above))/float64(l+1))
		}
		depth, distance := depthOf(x, some)
		p.Depth, p.Distance = append(p.Depth, depth), append(p.Distance, distance)
	}
	return p, nil
}

// depthOf returns the Depth and the Distance of one observation.
func depthOf(x []float64, predicted flow.Batch) (depth, distance float64) {
	mean, square, n := make([]float64, len(x)), make([]float64, len(x)), float64(predicted.N)
	for j := range predicted.N {
		for k, v := range predicted.Row(j) {
			mean[k] += v / n
		}
	}
	for j := range predicted.N {
		for k, v := range predicted.Row(j) {
			square[k] += (v - mean[k]) * (v - mean[k]) / n
		}
	}
	apart := func(row []float64) (sum float64) {
		for k, v := range row {
			if square[k] > 0 {
				sum += (v - mean[k]) * (v - mean[k]) / square[k]
			} else if v != mean[k] {
				return math.Inf(1) // where all predictions are alike
			}
		}
		return sum
	}
	own, as := apart(x), 1
	distances := make([]float64, predicted.N)
	for j := range predicted.N {
		row := predicted.Row(j)
		if apart(row) >= own {
			as++
		}
		for k, v := range row {
			distances[j] += (v - x[k]) * (v - x[k])
		}
		distances[j] = math.Sqrt(distances[j])
	}
	slices.Sort(distances)
	half := predicted.N / 2
	distance = distances[half]
	if predicted.N%2 == 0 {
		distance = (distances[half-1] + distance) / 2
	}
	return float64(as) / float64(predicted.N+1), distance
}
