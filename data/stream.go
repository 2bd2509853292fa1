package data

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/seed"
)

// Stream is an endless sequence of training batches x_1.
type Stream interface {
	// Dim returns D, the dimension of the points.
	Dim() int
	// Fill writes batch number step into x1, [N, D] in model units, and into given
	// what each point is given: its label when given.Label is not nil, its context
	// when given.Context.N > 0. Either then has N entries; flow.NewGiven makes room.
	//
	// The result is a pure function of the stream's seed, step and N: steps may be
	// asked for in any order and concurrently, so a resumed run continues exactly,
	// and the points do not depend on what is asked for beside them.
	//
	// It returns ErrNoLabels or ErrNoContext when asked for what the set does not
	// have, the error of a file that cannot be read any more (see [Finite.Read]),
	// and an error when a shape does not fit.
	Fill(x1 flow.Batch, given flow.Given, step uint64) error
}

// Draw returns the stream of fresh independent draws of d: batch number step
// uses the generator of (seed, "data", step). std, when not nil, maps the draws
// to model units. Of a nil d, or with a std of other dimensions, every Fill is an error.
func Draw(d Distribution, std *Standardizer, seed uint64) Stream {
	return &draws{d: d, std: std, seed: seed}
}

type draws struct {
	d    Distribution
	std  *Standardizer
	seed uint64
}

func (s *draws) Dim() int {
	if absent.Is(s.d) {
		return 0
	}
	return s.d.Dim()
}

func (s *draws) Fill(x1 flow.Batch, given flow.Given, step uint64) error {
	if absent.Is(s.d) {
		return errors.New("data: Draw: the distribution to draw from is nil")
	}
	if s.std != nil {
		if err := s.std.fits(s.d.Dim()); err != nil {
			return err
		}
	}
	l, labels := labelled(s.d)
	if err := checkFill(x1, given, s.d.Dim(), labels, 0); err != nil {
		return err
	}
	if rng := seed.Rand(s.seed, "data", step); given.Label == nil {
		s.d.Sample(x1, rng)
	} else {
		l.SampleLabelled(x1, given.Label, rng)
	}
	if s.std != nil {
		s.std.Apply(x1)
	}
	return nil
}

// Shuffle returns the stream that visits f without replacement, in a new order
// each epoch. Epoch e is the permutation of (seed, "shuffle", e); a batch may
// straddle epochs, and a batch larger than f spans several, so that every point
// comes exactly once an epoch whatever the batch size. Randomness that f needs
// to make points (dequantisation, flips) is (seed, "dequantize", step): new noise each
// epoch. Of an empty f, or a nil one, every Fill is an error.
//
// The permutations of the epochs in use are kept (4 bytes a point, at most two).
func Shuffle(f Finite, seed uint64) Stream { return &shuffled{f: f, seed: seed} }

type shuffled struct {
	f    Finite
	seed uint64

	mu    sync.Mutex
	cache [2]struct { // epoch e lives in slot e%2, so a straddling batch finds both
		epoch uint64
		perm  []uint32
	}
}

func (s *shuffled) Dim() int {
	if absent.Is(s.f) {
		return 0
	}
	return s.f.Dim()
}

func (s *shuffled) Fill(x1 flow.Batch, given flow.Given, step uint64) error {
	if absent.Is(s.f) {
		return errNoSet
	}
	index, err := s.index(step, x1.N)
	if err != nil {
		return err
	}
	return s.f.Read(x1, given, index, seed.Rand(s.seed, "dequantize", step))
}

// index returns the numbers of the points of a batch of so many.
func (s *shuffled) index(step uint64, size int) ([]int, error) {
	n := uint64(s.f.Len())
	if n == 0 {
		return nil, errors.New("data: no points to train on: the set is empty")
	}
	if n > math.MaxUint32 {
		return nil, errTooMany(s.f.Len())
	}
	index := make([]int, 0, size)
	for pos := step * uint64(size); len(index) < size; {
		perm := s.perm(pos / n)
		rest := perm[pos%n:]
		if want := size - len(index); len(rest) > want {
			rest = rest[:want]
		}
		for _, i := range rest {
			index = append(index, int(i))
		}
		pos += uint64(len(rest))
	}
	return index, nil
}

// perm returns the order of an epoch; the slice is shared and read-only.
func (s *shuffled) perm(epoch uint64) []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := &s.cache[epoch%2]
	if slot.perm == nil || slot.epoch != epoch {
		// A new slice each time: another goroutine may still read the old one.
		slot.perm = perm(seed.Rand(s.seed, "shuffle", epoch), s.f.Len())
		slot.epoch = epoch
	}
	return slot.perm
}

// checkFill reports room that does not fit points of so many dimensions, with labels or
// without, and so many numbers of context (0: none).
func checkFill(x flow.Batch, given flow.Given, dim int, labels bool, context int) error {
	switch label, c := given.Label, given.Context; {
	case x.N < 0 || len(x.X) != x.N*x.D || len(c.X) != c.N*c.D:
		return fmt.Errorf("data: room for points [%d, %d] of %d numbers, for contexts [%d, %d] of %d", x.N, x.D,
			len(x.X), c.N, c.D, len(c.X))
	case x.D != dim:
		return fmt.Errorf("data: a batch of dimension %d for a set of dimension %d", x.D, dim)
	case label != nil && !labels:
		return ErrNoLabels
	case label != nil && len(label) != x.N:
		return fmt.Errorf("data: room for %d labels of %d points", len(label), x.N)
	case c.N > 0 && context == 0:
		return ErrNoContext
	case c.N > 0 && (c.N != x.N || c.D != context):
		return fmt.Errorf("data: room for contexts [%d, %d] of %d points; want [%d, %d]", c.N, c.D, x.N, x.N, context)
	}
	return nil
}

// labelled returns d as a law with classes, and whether it is one.
func labelled(d Distribution) (Labelled, bool) {
	l, ok := d.(Labelled)
	return l, ok && l.Classes() > 0
}

// Sample returns n draws of d, with labels where d has classes; of a nil d, none.
func Sample(d Distribution, n int, rng *rand.Rand) Points {
	if absent.Is(d) {
		return Points{}
	}
	p := Points{X: flow.NewBatch(n, d.Dim())}
	if l, ok := labelled(d); ok {
		p.Given = flow.NewGiven(n, true, 0)
		l.SampleLabelled(p.X, p.Given.Label, rng)
		return p
	}
	d.Sample(p.X, rng)
	return p
}
