package nn

import (
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/seed"
)

// Dropout needs a random bit for every number of every example and block. They are not
// drawn beforehand, for they would take as much memory as all activations, nor by an
// operation of the engine, which would run apart from the compiled step. They are
// hashed inside of it, in whole numbers that float32 holds exactly: modulo a prime p
// of the form 3k+2, z → z³ permutes the numbers below p.
// Two primes together have four million states; each example begins in one of them.

// dropPrimes are of that form; (2p)² is below 2²⁴.
var dropPrimes = [...]int{2039, 2027}

// drops are the states in which N examples begin: of each prime [N], or nil.
type drops [len(dropPrimes)][]float32

// drawDrops draws the states of n examples.
func drawDrops(n int, rng *rand.Rand) (d drops) {
	for lane, p := range dropPrimes {
		d[lane] = make([]float32, n)
		for i := range d[lane] {
			d[lane][i] = float32(rng.IntN(p))
		}
	}
	return d
}

// slice returns the states of examples i (included) to j (excluded).
func (d drops) slice(i, j int) drops {
	for lane, s := range d {
		if s != nil {
			d[lane] = s[i:j]
		}
	}
	return d
}

// dropped sets each number of x [N, H, W, C] or [N, C] to zero with probability rate and divides
// the rest by 1-rate, by the states [2, N] of the examples. Other blocks drop other
// numbers.
func dropped(x, states *Node, rate float64, block int) *Node {
	if s := x.Shape().Dimensions; len(s) == 2 {
		return Reshape(dropped(Reshape(x, s[0], 1, 1, s[1]), states, rate, block), s...)
	}
	d, g, rng := x.Shape().Dimensions, x.Graph(), seed.Rand(uint64(block), "nn/dropout/tables", 0)
	var sum *Node
	for lane, p := range dropPrimes {
		table := func(size int) *Node {
			v := make([]float32, size)
			for i := range v {
				v[i] = float32(rng.IntN(p))
			}
			return Const(g, v)
		}
		z := Reshape(Slice(states, AxisRange(lane, lane+1)), d[0], 1, 1, 1)
		z = cubed(Add(z, Reshape(table(d[1]*d[2]), 1, d[1], d[2], 1)), p)
		z = cubed(Add(z, Reshape(table(d[3]), 1, 1, 1, d[3])), p)
		if z = MulScalar(z, 1/float64(p)); sum == nil {
			sum = z
		} else {
			sum = Add(sum, z)
		}
	}
	u := Sub(sum, Floor(sum)) // uniform in [0, 1)
	kept := GreaterOrEqual(u, ConstAs(u, rate))
	return Where(kept, MulScalar(x, 1/(1-rate)), ZerosLike(x))
}

// cubed is z³ modulo p of whole numbers below 2p.
func cubed(z *Node, p int) *Node {
	mod := func(z *Node) *Node {
		return Sub(z, MulScalar(Floor(MulScalar(z, 1/float64(p))), float64(p)))
	}
	return mod(Mul(mod(Square(z)), z))
}
