package simulator

import (
	"math"
	"math/rand/v2"
	"sync"

	"flowmatch/data/internal/numpyrand"
)

// slcp ("simple likelihood, complex posterior") draws four points of N(m, S) in the plane,
// with m = (θ1, θ2) and, for s1 = θ3², s2 = θ4² and ρ = tanh θ5,
//
//	S = [s1², ρ·s1·s2; ρ·s1·s2, s2²] + 1e-6·I,
//
// and θ uniform on [-3, 3]^5.
func slcp() *Simulator {
	const params, points = 5, 4
	return &Simulator{
		Params: numbered("theta", params), Data: numbered("x", 2*points), Prior: cube(params, 3),
		One: func(x, theta []float64, rng *rand.Rand) error {
			s1, s2, rho := theta[2]*theta[2], theta[3]*theta[3], math.Tanh(theta[4])
			const eps = 1e-6
			// The root of S, lower triangular.
			a := math.Sqrt(float64(s1*s1) + eps)
			b := rho * s1 * s2 / a
			c := math.Sqrt(max(float64(s2*s2)+eps-float64(b*b), 0))
			for i := 0; i < len(x); i += 2 {
				z1, z2 := rng.NormFloat64(), rng.NormFloat64()
				x[i] = theta[0] + float64(a*z1)
				x[i+1] = theta[1] + float64(b*z1) + float64(c*z2)
			}
			return nil
		},
	}
}

// slcpDistractors is slcp with 92 numbers drawn of a mixture of 20 Student laws, which know
// nothing of θ, all in an order of its own.
func slcpDistractors() *Simulator {
	s := slcp()
	inner, law := s.One, distractors()
	data := len(s.Data)
	s.Data = numbered("x", data+law.dim)
	s.One = func(x, theta []float64, rng *rand.Rand) error {
		all := make([]float64, len(x))
		if err := inner(all[:data], theta, rng); err != nil {
			return err
		}
		law.sample(all[data:], rng)
		for i, from := range law.order {
			x[i] = all[from]
		}
		return nil
	}
	return s
}

// studentMixture is a mixture of Student laws with two degrees of freedom, of equal weights.
type studentMixture struct {
	dim   int
	mean  [][]float64 // [20][92]
	root  [][]float64 // [20][92·92], lower triangular, by rows
	order []int       // [100]: number i of x is number order[i] of the data and the distractors
}

// distractors draws, once, what sbibm drew by SLCP._generate_noise_dist_parameters.
var distractors = sync.OnceValue(func() studentMixture {
	const dim, components, seed = 92, 20, 42
	m := studentMixture{dim: dim}
	rng := numpyrand.New(seed)
	for range components {
		mean := make([]float64, dim)
		for j := range mean {
			mean[j] = 15 * rng.Normal()
		}
		m.mean = append(m.mean, mean)
	}
	for range components {
		root := make([]float64, dim*dim)
		for j := range root {
			if v := rng.Normal(); j%dim <= j/dim { // the upper part is drawn, and left out
				root[j] = 3 * v
			}
		}
		for j := range dim {
			root[j*dim+j] += 3 * math.Exp(rng.Normal())
		}
		m.root = append(m.root, root)
	}
	for i := range dim + 8 {
		m.order = append(m.order, i)
	}
	rng.Shuffle(len(m.order), func(i, j int) { m.order[i], m.order[j] = m.order[j], m.order[i] })
	return m
})

// sample draws x: of two degrees of freedom, a normal vector over the root of an exponential
// number.
func (m studentMixture) sample(x []float64, rng *rand.Rand) {
	k := rng.IntN(len(m.mean))
	z := make([]float64, m.dim)
	scale := 1 / math.Sqrt(rng.ExpFloat64())
	for j := range z {
		z[j] = scale * rng.NormFloat64()
	}
	for i := range x {
		sum := 0.0
		for j, r := range m.root[k][i*m.dim : i*m.dim+i+1] {
			sum += float64(r * z[j])
		}
		x[i] = m.mean[k][i] + sum
	}
}
