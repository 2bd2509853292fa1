package simulator

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"flowmatch/flow"
)

// Prior is the law of the parameters: draws and log-densities, the latter −Inf outside of
// its box.
type Prior interface {
	flow.Source
	// Box returns what the parameters lie in, or nil: any numbers.
	Box() *Box
}

// Box is the points with Lo[i] <= x_i <= Hi[i], some of which may be infinite.
type Box struct{ Lo, Hi []float64 }

// Contains reports whether a point, of as many numbers as the box has, lies in it.
func (b Box) Contains(x []float64) bool {
	for i, v := range x {
		if !(b.Lo[i] <= v && v <= b.Hi[i]) {
			return false
		}
	}
	return true
}

// Uniform is the uniform law on a finite box.
type Uniform Box

// cube is the uniform law on [-half, half]^d.
func cube(d int, half float64) Uniform {
	return Uniform{repeat(d, -half), repeat(d, half)}
}

// repeat returns d times v.
func repeat(d int, v float64) []float64 {
	all := make([]float64, d)
	for i := range all {
		all[i] = v
	}
	return all
}

// Sample implements [flow.Source].
func (u Uniform) Sample(x flow.Batch, rng *rand.Rand) {
	for i := range x.N {
		row := x.Row(i)
		for j := range row {
			row[j] = u.Lo[j] + (u.Hi[j]-u.Lo[j])*rng.Float64()
		}
	}
}

// LogProb implements [flow.Source].
func (u Uniform) LogProb(logp []float64, x flow.Batch) {
	inside := 0.0
	for j := range u.Lo {
		inside -= math.Log(u.Hi[j] - u.Lo[j])
	}
	for i := range x.N {
		logp[i] = math.Inf(-1)
		if Box(u).Contains(x.Row(i)) {
			logp[i] = inside
		}
	}
}

// Box implements [Prior].
func (u Uniform) Box() *Box { return (*Box)(&u) }

// Normal is the normal law with mean 0 and a given precision (the inverse of the
// covariance). [NewNormal] makes it.
type Normal struct {
	root *mat.TriDense // upper, rootᵀ·root is the precision
	norm float64       // log of the density at 0
}

// NewNormal returns N(0, precision⁻¹). It panics if the precision is not positive definite.
func NewNormal(precision mat.Symmetric) Normal {
	var c mat.Cholesky
	if !c.Factorize(precision) {
		panic("simulator: the precision is not positive definite")
	}
	root := new(mat.TriDense)
	c.UTo(root)
	d := float64(precision.SymmetricDim())
	return Normal{root, (c.LogDet() - d*math.Log(2*math.Pi)) / 2}
}

// Sample implements [flow.Source]: x solves root·x = z for a z of independent normal numbers.
func (n Normal) Sample(x flow.Batch, rng *rand.Rand) {
	for i := range x.N {
		row := x.Row(i)
		for j := range row {
			row[j] = rng.NormFloat64()
		}
		for j := len(row) - 1; j >= 0; j-- {
			for k := j + 1; k < len(row); k++ {
				row[j] -= float64(n.root.At(j, k) * row[k]) // rounded before it is taken away, on every machine
			}
			row[j] /= n.root.At(j, j)
		}
	}
}

// LogProb implements [flow.Source].
func (n Normal) LogProb(logp []float64, x flow.Batch) {
	for i := range x.N {
		row := x.Row(i)
		square := 0.0
		for j := range row {
			z := 0.0
			for k := j; k < len(row); k++ {
				z += n.root.At(j, k) * row[k]
			}
			square += z * z
		}
		logp[i] = n.norm - square/2
	}
}

// Box implements [Prior].
func (n Normal) Box() *Box { return nil }

// LogNormal is the law of numbers above 0 with independent logarithms log x_i ~ N(Mean_i, Std_i²).
type LogNormal struct{ Mean, Std []float64 }

// Sample implements [flow.Source].
func (l LogNormal) Sample(x flow.Batch, rng *rand.Rand) {
	for i := range x.N {
		row := x.Row(i)
		for j := range row {
			row[j] = math.Exp(l.Mean[j] + float64(l.Std[j]*rng.NormFloat64()))
		}
	}
}

// LogProb implements [flow.Source].
func (l LogNormal) LogProb(logp []float64, x flow.Batch) {
	for i := range x.N {
		sum := 0.0
		for j, v := range x.Row(i) {
			if !(v > 0) {
				sum = math.Inf(-1)
				break
			}
			log := math.Log(v)
			z := (log - l.Mean[j]) / l.Std[j]
			sum -= z*z/2 + math.Log(l.Std[j]) + math.Log(2*math.Pi)/2 + log
		}
		logp[i] = sum
	}
}

// Box implements [Prior]: all numbers above 0.
func (l LogNormal) Box() *Box {
	return &Box{make([]float64, len(l.Mean)), repeat(len(l.Mean), math.Inf(1))}
}
