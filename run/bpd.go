package run

import (
	"context"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
)

// BPD is the bound of bits per dimension of integer images, by the protocol of the
// paper (arXiv 2210.02747, appendix E.1): −log₂ 1/K Σ_k p(x + u_k) with uniform noise u
// of one level, a mean over the images. It falls as K grows, so figures are comparable
// at one K only.
type BPD struct {
	K      int     `json:"k"` // dequantisation samples of an image
	BPD    float64 `json:"bpd"`
	StdErr float64 `json:"std_err"` // over the images
}

// tellingK are the K that a report tells, where it has so many samples.
var tellingK = []int{1, 5, 20, 50}

// bitsPerDim evaluates the test images with eval.dequantizations samples of noise;
// first are the log-densities with the first of them, in nats and data units.
func (r *Run) bitsPerDim(ctx context.Context, first []float64) ([]BPD, error) {
	most := r.Config.Eval.Dequantizations
	logMean := slices.Clone(first) // log Σ_k p so far
	told := slices.DeleteFunc(slices.Clone(tellingK), func(k int) bool { return k >= most })
	told = append(told, most)
	tell := r.watch("log-densities of dequantised images", len(first)*(most-1))
	var out []BPD
	spent := 0
	for k := 1; ; k++ {
		if slices.Contains(told, k) {
			out = append(out, r.tellBPD(logMean, k))
		}
		if k == most {
			return out, nil
		}
		x, label := r.dequantized(len(first), uint64(k))
		logp, cost, err := r.logProb(ctx, x, label, func(done float64, nfe int) {
			if tell != nil {
				tell((float64(k-1)+done)/float64(most-1), spent+nfe)
			}
		})
		if err != nil {
			return out, err
		}
		spent += cost.NFE
		for i, l := range logp {
			top := max(l, logMean[i])
			logMean[i] = top + math.Log(math.Exp(l-top)+math.Exp(logMean[i]-top))
		}
	}
}

// tellBPD turns log Σ_k p of each image into a report.
func (r *Run) tellBPD(logSum []float64, k int) BPD {
	bits := make([]float64, len(logSum))
	for i, l := range logSum {
		bits[i] = likelihood.BitsPerDim(l-math.Log(float64(k)), r.Model.Dim(), r.Model.BinWidth)
	}
	mean, se := meanStdErr(bits)
	return BPD{K: k, BPD: mean, StdErr: se}
}

// dequantized returns the first n test images with the k-th sample of noise.
func (r *Run) dequantized(n int, k uint64) (flow.Batch, []int32) {
	x, label := r.rows(r.Data.Test, n, "run/test", k)
	if !r.Config.Conditional {
		label = nil
	}
	return x, label
}

// rows returns up to n points of a part of the data, in data units, with their
// labels; what is drawn to make them has the purpose and index given.
func (r *Run) rows(part data.Finite, n int, purpose string, index uint64) (flow.Batch, []int32) {
	x, label := data.Rows(part, 0, min(n, part.Len()), seed.Rand(r.Config.Seed, purpose, index))
	r.Data.Original(x)
	return x, label
}
