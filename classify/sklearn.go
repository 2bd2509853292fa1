package classify

import (
	"context"
	"math"
	"math/bits"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
)

// What scikit-learn's MLPClassifier does where nobody says otherwise: Adam at this rate, on
// batches of this size, with this penalty, until the loss of an epoch has not been lower by
// tolerance than the least before it for more than patience epochs.
const (
	sklearnRate, sklearnBatch, sklearnL2 = 1e-3, 200, 1e-4
	tolerance, patience                  = 1e-4, 10
)

// sklearnOptimizer is Adam alone.
func sklearnOptimizer() nn.Optimizer { return nn.Optimizer{EMADecay: new(0.0)} }

// mersenne is the generator of NumPy's RandomState, MT19937 (Matsumoto and Nishimura 1998),
// which all of scikit-learn draws from. With it folds, first weights and batches are those
// that scikit-learn has with the same random_state, so that figures can be compared beyond
// what they vary by from seed to seed.
type mersenne struct {
	state [mersenneSize]uint32
	next  int
}

const mersenneSize, mersenneShift = 624, 397

// newMersenne returns the generator of a seed. NumPy has seeds of 32 bits: those are its own.
func newMersenne(s uint64) *mersenne {
	if s > math.MaxUint32 {
		s = seed.Key(s, "classify/c2st")
	}
	m := &mersenne{next: mersenneSize}
	m.state[0] = uint32(s)
	for i := 1; i < mersenneSize; i++ {
		before := m.state[i-1]
		m.state[i] = 1812433253*(before^before>>30) + uint32(i)
	}
	return m
}

// uint32 draws 32 bits.
func (m *mersenne) uint32() uint32 {
	if m.next == mersenneSize {
		m.next = 0
		for i := range m.state {
			y := m.state[i]&(1<<31) | m.state[(i+1)%mersenneSize]&(1<<31-1)
			m.state[i] = m.state[(i+mersenneShift)%mersenneSize] ^ y>>1 ^ y&1*0x9908b0df
		}
	}
	y := m.state[m.next]
	m.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// float64 draws from [0, 1), 53 bits.
func (m *mersenne) float64() float64 {
	high, low := m.uint32()>>5, m.uint32()>>6
	return (float64(high)*(1<<26) + float64(low)) / (1 << 53)
}

// shuffle puts v in an order that is random.
func (m *mersenne) shuffle(v []int) {
	for i := len(v) - 1; i > 0; i-- {
		mask := uint32(1)<<bits.Len(uint(i)) - 1
		j := m.uint32() & mask
		for int(j) > i {
			j = m.uint32() & mask
		}
		v[i], v[j] = v[j], v[i]
	}
}

// start draws the first weights of a perceptron, uniform in ±√(6/(in+out)), biases too.
// scikit-learn's matrices are [in, out], and ours [out, in].
func (m *mersenne) start(tensors []nn.Tensor) []float32 {
	last := tensors[len(tensors)-1]
	theta := make([]float32, last.Offset+last.Size())
	for k := 0; k < len(tensors); k += 2 {
		weight, bias := tensors[k], tensors[k+1]
		out, in := weight.Shape[0], weight.Shape[1]
		bound := math.Sqrt(6 / float64(in+out))
		for i := range in {
			for o := range out {
				theta[weight.Offset+o*in+i] = float32(bound * (2*m.float64() - 1))
			}
		}
		for o := range out {
			theta[bias.Offset+o] = float32(bound * (2*m.float64() - 1))
		}
	}
	return theta
}

// folds are the numbers 0..n-1 at random in so many parts, the first ones larger by one
// where n is no multiple, each in rising order: those of scikit-learn's KFold.
func (m *mersenne) folds(n, parts int) (of []int) {
	order := indices(n)
	m.shuffle(order)
	of = make([]int, n) // the fold of each
	at := 0
	for k := range parts {
		size := n / parts
		if k < n%parts {
			size++
		}
		for _, i := range order[at : at+size] {
			of[i] = k
		}
		at += size
	}
	return of
}

// indices returns 0..n-1.
func indices(n int) []int {
	v := make([]int, n)
	for i := range v {
		v[i] = i
	}
	return v
}

// sklearnFit trains from new weights on points x [N, D], second being 1 for those of the
// second kind and 0 for others, for so many epochs at most, as MLPClassifier.fit does with
// the random_state r.
func sklearnFit(ctx context.Context, tr *nn.DiscriminatorTrainer, x flow.Batch, second []float64, epochs int,
	r *mersenne) error {
	theta := r.start(tr.Tensors())
	zeros := make([]float32, len(theta))
	if err := tr.Restore(nn.State{Weights: theta, EMA: theta, Moment1: zeros, Var2: zeros}); err != nil {
		return err
	}
	size := min(sklearnBatch, x.N)
	batch, kinds := flow.NewBatch(size, x.D), make([]float64, size)
	order, least, idle := indices(x.N), math.Inf(1), 0
	for range epochs {
		order = permuted(order, r)
		sum := 0.0
		for lo := 0; lo < x.N; lo += size {
			rows := order[lo:min(lo+size, x.N)]
			part := batch.Slice(0, len(rows))
			for i, row := range rows {
				copy(part.Row(i), x.Row(row))
				kinds[i] = second[row]
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			step, err := tr.Step(part, kinds[:len(rows)], sklearnRate)
			if err != nil {
				return err
			}
			sum += step.Loss * float64(len(rows))
		}
		loss := sum / float64(x.N)
		if idle++; loss <= least-tolerance {
			idle = 0
		}
		least = min(least, loss)
		if idle > patience {
			break
		}
	}
	return nil
}

// permuted returns v in a new order, which depends on the one that it has.
func permuted(v []int, r *mersenne) []int {
	order, out := indices(len(v)), make([]int, len(v))
	r.shuffle(order)
	for i, k := range order {
		out[i] = v[k]
	}
	return out
}
