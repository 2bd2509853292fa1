package data

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// ErrNoLabels is returned when labels are asked of a set that has none.
var ErrNoLabels = errors.New("data: this set has no class labels")

// Stream is an endless sequence of training batches x_1.
type Stream interface {
	// Dim returns D, the dimension of the points.
	Dim() int
	// Fill writes batch number step into x1, [N, D] in model units, and the
	// class of each point into label (length N; nil when not wanted). The result
	// is a pure function of the stream's seed, step and N: steps may be asked
	// for in any order and concurrently, so a resumed run continues exactly.
	// It returns ErrNoLabels when label is not nil and the set has no classes, and
	// the error of a file that cannot be read any more (see [Finite.Read]); it panics when x1.D != Dim() or len(label) != N.
	Fill(x1 flow.Batch, label []int32, step uint64) error
}

// Draw returns the stream of fresh independent draws of d: batch number step
// uses the generator of (seed, "data", step). std, when not nil, maps the draws
// to model units.
func Draw(d Distribution, std *Standardizer, seed uint64) Stream {
	return &draws{d: d, std: std, seed: seed}
}

type draws struct {
	d    Distribution
	std  *Standardizer
	seed uint64
}

func (s *draws) Dim() int { return s.d.Dim() }

func (s *draws) Fill(x1 flow.Batch, label []int32, step uint64) error {
	checkFill(s.d.Dim(), x1, label)
	if err := sample(s.d, x1, label, seed.Rand(s.seed, "data", step)); err != nil {
		return err
	}
	if s.std != nil {
		s.std.Apply(x1)
	}
	return nil
}

// sample draws from d, with labels when they are asked for.
func sample(d Distribution, x flow.Batch, label []int32, rng *rand.Rand) error {
	if label == nil {
		d.Sample(x, rng)
		return nil
	}
	l, ok := d.(Labelled)
	if !ok || l.Classes() == 0 {
		return ErrNoLabels
	}
	l.SampleLabelled(x, label, rng)
	return nil
}

// Shuffle returns the stream that visits f without replacement, in a new order
// each epoch. Epoch e is the permutation of (seed, "shuffle", e); a batch may
// straddle epochs, and a batch larger than f spans several, so that every point
// comes exactly once an epoch whatever the batch size. Randomness that f needs
// to make points (dequantisation, flips) is (seed, "dequantize", step): new noise each
// epoch. It panics when f is empty.
//
// The permutations of the epochs in use are kept (8 bytes a point, at most two).
func Shuffle(f Finite, seed uint64) Stream {
	if f.Len() == 0 {
		panic("data: Shuffle of an empty set")
	}
	return &shuffled{f: f, labelled: f.Classes() > 0, seed: seed}
}

type shuffled struct {
	f        Finite
	labelled bool
	seed     uint64

	mu    sync.Mutex
	cache [2]struct { // epoch e lives in slot e%2, so a straddling batch finds both
		epoch uint64
		perm  []int
	}
}

func (s *shuffled) Dim() int { return s.f.Dim() }

func (s *shuffled) Fill(x1 flow.Batch, label []int32, step uint64) error {
	checkFill(s.f.Dim(), x1, label)
	if label != nil && !s.labelled {
		return ErrNoLabels
	}
	n := uint64(s.f.Len())
	index := make([]int, 0, x1.N)
	for pos := step * uint64(x1.N); len(index) < x1.N; {
		perm := s.perm(pos / n)
		rest := perm[pos%n:]
		if want := x1.N - len(index); len(rest) > want {
			rest = rest[:want]
		}
		index = append(index, rest...)
		pos += uint64(len(rest))
	}
	return read(s.f, x1, label, index, seed.Rand(s.seed, "dequantize", step))
}

// perm returns the order of an epoch; the slice is shared and read-only.
func (s *shuffled) perm(epoch uint64) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := &s.cache[epoch%2]
	if slot.perm == nil || slot.epoch != epoch {
		// A new slice each time: another goroutine may still read the old one.
		slot.perm = seed.Rand(s.seed, "shuffle", epoch).Perm(s.f.Len())
		slot.epoch = epoch
	}
	return slot.perm
}

func checkFill(dim int, x flow.Batch, label []int32) {
	if x.D != dim {
		panic(fmt.Sprintf("data: batch of dimension %d for a set of dimension %d", x.D, dim))
	}
	if label != nil && len(label) != x.N {
		panic(fmt.Sprintf("data: %d labels for %d points", len(label), x.N))
	}
}
