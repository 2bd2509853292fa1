package data

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/seed"
)

// Finite is a set of points that can be counted.
type Finite interface {
	// Len returns how many points there are, Dim their dimension D, Classes the
	// number of class labels (0: none; labels are 0 to Classes-1), and Context how
	// many numbers of context a point is given (0: none).
	Len() int
	Dim() int
	Classes() int
	Context() int
	// Read writes point index[k] into row k of x, [len(index), D] in model units,
	// its label into given.Label[k] when that is not nil, and its context into row k
	// of given.Context when that has rows. rng drives whatever the set draws to make
	// a point (dequantisation); sets that draw nothing accept nil. Safe for
	// concurrent use with separate arguments.
	//
	// It returns ErrNoLabels or ErrNoContext when asked for what the set does not
	// have, an error when a shape or a number of a point does not fit, and that of a
	// file that was fine when it was opened and is not any more.
	Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error
}

// Points is a finite set of float64 rows. Given has an entry for each of them, one for
// all, or none; what does not fit is an error when it is read.
type Points struct {
	X     flow.Batch
	Given flow.Given
}

// Len returns X.N.
func (p Points) Len() int { return p.X.N }

// Dim returns X.D.
func (p Points) Dim() int { return p.X.D }

// Classes returns one more than the largest label, 0 without labels.
func (p Points) Classes() int { return Classes(p.Given.Label) }

// Context returns the numbers of a context, 0 without contexts.
func (p Points) Context() int {
	if p.Given.Context.N == 0 {
		return 0
	}
	return p.Given.Context.D
}

// Read copies the rows asked for; rng is not used.
func (p Points) Read(x flow.Batch, given flow.Given, index []int, _ *rand.Rand) error {
	// Lengths only: Classes looks at every label, and a batch is read at every step.
	labels, contexts := len(p.Given.Label), p.Given.Context.N
	if err := checkRead(x, given, index, p.X.N, p.X.D, labels > 0, p.Context()); err != nil {
		return err
	}
	for _, b := range []struct {
		name string
		flow.Batch
	}{{"X", p.X}, {"Given.Context", p.Given.Context}} {
		if n := len(b.X); n != b.N*b.D {
			return fmt.Errorf("data: Points.%s is [%d, %d] with %d numbers; want %d", b.name, b.N, b.D, n, b.N*b.D)
		}
	}
	if labels > 1 && labels != p.X.N || contexts > 1 && contexts != p.X.N {
		return fmt.Errorf("data: %d labels and %d contexts of %d points; want one for each, one for all, or none",
			labels, contexts, p.X.N)
	}
	for k, i := range index {
		copy(x.Row(k), p.X.Row(i))
		one := p.Given.Slice(i, i+1) // or the one that holds for all
		if given.Label != nil {
			given.Label[k] = one.Label[0]
		}
		if given.Context.N > 0 {
			copy(given.Context.Row(k), one.Context.X)
		}
	}
	return nil
}

// subset is the points of base named by index, in that order, sharing memory.
type subset[T number] struct {
	Finite
	index []T
}

// number is one of a point. Those of many points are kept in 32 bits.
type number interface{ int | uint32 }

// Subset returns the points index of f, in that order. It shares memory with f
// and keeps index. Classes stays that of f, so that a held-out part without one
// of the classes is still compatible with the network. Of a nil f it is the empty set.
func Subset[T number](f Finite, index []T) Finite {
	if absent.Is(f) {
		return Points{}
	}
	return subset[T]{f, index}
}

func (s subset[T]) Len() int { return len(s.index) }

func (s subset[T]) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	through, err := s.through(index)
	if err != nil {
		return err
	}
	return s.Finite.Read(x, given, through, rng)
}

// through returns the numbers of points in base.
func (s subset[T]) through(index []int) ([]int, error) {
	if err := checkIndex(index, len(s.index)); err != nil {
		return nil, err
	}
	through := make([]int, len(index))
	for k, i := range index {
		through[k] = int(s.index[i])
	}
	return through, nil
}

// errTooMany is that of more points than numbers of 32 bits name.
func errTooMany(n int) error {
	return fmt.Errorf("data: %d points; want at most %d", n, uint32(math.MaxUint32))
}

// perm is the permutation rng.Perm(n), of at most 2^32-1 numbers, in half the memory.
func perm(rng *rand.Rand, n int) []uint32 {
	p := make([]uint32, n)
	for i := range p {
		p[i] = uint32(i)
	}
	rng.Shuffle(n, func(i, j int) { p[i], p[j] = p[j], p[i] })
	return p
}

// Scaled returns the points of f, which are in original units, in model units: those of std, and their contexts
// those of context. nil: as they are.
func Scaled(f Finite, std, context *Standardizer) Finite { return scaled{f, std, context} }

type scaled struct {
	Finite
	std, context *Standardizer
}

func (s scaled) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	if err := s.Finite.Read(x, given, index, rng); err != nil {
		return err
	}
	return s.scale(x, given)
}

// scale brings points to model units.
func (s scaled) scale(x flow.Batch, given flow.Given) error {
	if s.std != nil {
		if err := s.std.fits(x.D); err != nil {
			return err
		}
		s.std.Apply(x)
	}
	if s.context != nil && given.Context.N > 0 {
		if err := s.context.fits(given.Context.D); err != nil {
			return err
		}
		s.context.Apply(given.Context)
	}
	return nil
}

// errNoSet is that of a set that is nil.
var errNoSet = errors.New("data: the set of points is nil")

// CheckRead reports what f is asked for and cannot give: shapes of x and given that do
// not fit len(index) points of f, labels or contexts that f does not have, and numbers
// of points out of range. The Read of a Finite begins with it.
func CheckRead(f Finite, x flow.Batch, given flow.Given, index []int) error {
	if absent.Is(f) {
		return errNoSet
	}
	labels := given.Label != nil && f.Classes() > 0
	return checkRead(x, given, index, f.Len(), f.Dim(), labels, f.Context())
}

func checkRead(x flow.Batch, given flow.Given, index []int, n, dim int, labels bool, context int) error {
	if x.N != len(index) {
		return fmt.Errorf("data: a batch of %d points for %d that are asked for", x.N, len(index))
	}
	if err := checkFill(x, given, dim, labels, context); err != nil {
		return err
	}
	return checkIndex(index, n)
}

// checkIndex reports numbers of points that a set of n does not have.
func checkIndex(index []int, n int) error {
	for _, i := range index {
		if i < 0 || i >= n {
			return fmt.Errorf("data: point %d asked of a set of %d", i, n)
		}
	}
	return nil
}

// Rows returns points lo (included) to hi (excluded) of f in their own order, in
// model units, with all that f gives them. rng as in [Finite.Read]: a dequantised
// image comes out with new noise at every call. What is returned is the caller's.
func Rows(f Finite, lo, hi int, rng *rand.Rand) (flow.Batch, flow.Given, error) {
	if absent.Is(f) {
		return flow.Batch{}, flow.Given{}, errNoSet
	}
	if lo < 0 || hi < lo || hi > f.Len() {
		return flow.Batch{}, flow.Given{}, fmt.Errorf("data: rows %d to %d of a set of %d", lo, hi, f.Len())
	}
	index := make([]int, hi-lo)
	for k := range index {
		index[k] = lo + k
	}
	return read(f, index, rng)
}

// RandomRows is [Rows] of up to n points that are drawn from all of f without replacement,
// in a random order that is determined by (seed, purpose): a part that stands for the
// whole, whatever order f is in. Of fewer points more are drawn by the same seed and
// purpose, these come first.
func RandomRows(f Finite, n int, seedValue uint64, purpose string, rng *rand.Rand) (flow.Batch, flow.Given, error) {
	if absent.Is(f) {
		return flow.Batch{}, flow.Given{}, errNoSet
	}
	if n < 0 {
		return flow.Batch{}, flow.Given{}, fmt.Errorf("data: %d rows of a set of %d", n, f.Len())
	}
	if uint64(f.Len()) > math.MaxUint32 {
		return flow.Batch{}, flow.Given{}, errTooMany(f.Len())
	}
	return read(f, wide(perm(seed.Rand(seedValue, purpose, 0), f.Len())[:min(n, f.Len())]), rng)
}

// read returns the points of f that index names.
func read(f Finite, index []int, rng *rand.Rand) (flow.Batch, flow.Given, error) {
	n := len(index)
	x, given := flow.NewBatch(n, f.Dim()), flow.NewGiven(n, f.Classes() > 0, f.Context())
	if err := f.Read(x, given, index, rng); err != nil {
		return flow.Batch{}, flow.Given{}, err
	}
	return x, given, nil
}

// Split deals n points into train, val and test, at random but determined by
// (seed, "split"). val and test are sizes as [PartSize] takes them. The three parts
// are disjoint, cover 0 to n-1, and each is in increasing order.
//
// It fails when a size does not fit, and when the training part would be empty.
func Split(n int, val, test float64, seedValue uint64) (trainI, valI, testI []int, err error) {
	a, b, c, err := Split32(n, val, test, seedValue)
	return wide(a), wide(b), wide(c), err
}

// wide returns numbers as ints; of none, none.
func wide(index []uint32) []int {
	if index == nil {
		return nil
	}
	out := make([]int, len(index))
	for k, i := range index {
		out[k] = int(i)
	}
	return out
}

// Split32 is [Split], of at most 2^32-1 points, in half the memory.
func Split32(n int, val, test float64, seedValue uint64) (trainI, valI, testI []uint32, err error) {
	nv, err := PartSize("val", val, n)
	if err != nil {
		return nil, nil, nil, err
	}
	nt, err := PartSize("test", test, n)
	if err != nil {
		return nil, nil, nil, err
	}
	if nv+nt >= n {
		return nil, nil, nil, fmt.Errorf(
			"data: val takes %d and test %d of %d points, which leaves none to train on; make val or test smaller", nv,
			nt, n)
	}
	if uint64(n) > math.MaxUint32 {
		return nil, nil, nil, errTooMany(n)
	}
	perm := perm(seed.Rand(seedValue, "split", 0), n)
	parts := [3][]uint32{perm[:nv:nv], perm[nv : nv+nt : nv+nt], perm[nv+nt:]}
	of := make([]uint8, n) // the part of each point, by which each part comes in order
	for p, index := range parts {
		for _, i := range index {
			of[i] = uint8(p)
		}
		parts[p] = index[:0]
	}
	for i, p := range of {
		parts[p] = append(parts[p], uint32(i))
	}
	return parts[2], parts[0], parts[1], nil
}

// PartSize returns how many of n points a part has whose size is a fraction of them
// (below 1; rounded to the nearest point) or a whole number of points (from 1 on).
// name is the part, for the error.
func PartSize(name string, size float64, n int) (int, error) {
	switch {
	case math.IsNaN(size) || size < 0:
		return 0, fmt.Errorf("data: %s = %g; want a fraction from 0 to below 1, or a number of points", name, size)
	case size < 1:
		return int(math.Round(size * float64(n))), nil
	case size != math.Trunc(size):
		return 0, fmt.Errorf("data: %s = %g; from 1 on it counts points and must be whole; a fraction is below 1", name,
			size)
	case size > float64(n):
		return 0, fmt.Errorf("data: %s = %.15g asks for more than the %d points there are; give fewer, or a fraction "+
			"of them, such as 0.1", name, size, n)
	}
	return int(size), nil
}
