package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// Finite is a set of points that can be counted.
type Finite interface {
	// Len returns how many points there are, Dim their dimension D, and Classes
	// the number of class labels (0: none; labels are 0 to Classes-1).
	Len() int
	Dim() int
	Classes() int
	// Read writes point index[k] into row k of x, [len(index), D] in model
	// units, and its class into label[k] when label is not nil. rng drives
	// whatever the set draws to make a point (dequantisation); sets that draw
	// nothing accept nil. Safe for concurrent use with separate arguments.
	// It panics on an index out of range, on labels asked of a set without, and
	// with the error where a file that was fine when it was opened is not any more
	// (only images beyond MaxDecoded are read from files after opening).
	Read(x flow.Batch, label []int32, index []int, rng *rand.Rand)
}

// fallible is a Finite whose points come from files, which may fail: read is Read
// with an error in the place of a panic.
type fallible interface {
	read(x flow.Batch, label []int32, index []int, rng *rand.Rand) error
}

// read reads points of f, with an error where f can have one.
func read(f Finite, x flow.Batch, label []int32, index []int, rng *rand.Rand) error {
	if g, ok := f.(fallible); ok {
		return g.read(x, label, index, rng)
	}
	f.Read(x, label, index, rng)
	return nil
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Points is a finite set of float64 rows. Label is nil or has length X.N.
type Points struct {
	X     flow.Batch
	Label []int32
}

// Len returns X.N.
func (p Points) Len() int { return p.X.N }

// Dim returns X.D.
func (p Points) Dim() int { return p.X.D }

// Classes returns one more than the largest label, 0 without labels.
func (p Points) Classes() int { return classes(p.Label) }

// Read copies the rows asked for; rng is not used.
func (p Points) Read(x flow.Batch, label []int32, index []int, _ *rand.Rand) {
	for k, i := range index {
		copy(x.Row(k), p.X.Row(i))
	}
	readLabels(label, p.Label, index)
}

func classes(label []int32) int {
	if len(label) == 0 {
		return 0
	}
	return int(slices.Max(label)) + 1
}

func readLabels(dst, src []int32, index []int) {
	if dst == nil {
		return
	}
	if src == nil {
		panic("data: labels asked of a set without labels")
	}
	for k, i := range index {
		dst[k] = src[i]
	}
}

// subset is the points of base named by index, in that order, sharing memory.
type subset struct {
	base  Finite
	index []int
}

// Subset returns the points index of f, in that order. It shares memory with f
// and keeps index. Classes stays that of f, so that a held-out part without one
// of the classes is still compatible with the network.
func Subset(f Finite, index []int) Finite { return subset{f, index} }

func (s subset) Len() int     { return len(s.index) }
func (s subset) Dim() int     { return s.base.Dim() }
func (s subset) Classes() int { return s.base.Classes() }

func (s subset) Read(x flow.Batch, label []int32, index []int, rng *rand.Rand) {
	must(s.read(x, label, index, rng))
}

func (s subset) read(x flow.Batch, label []int32, index []int, rng *rand.Rand) error {
	through := make([]int, len(index))
	for k, i := range index {
		through[k] = s.index[i]
	}
	return read(s.base, x, label, through, rng)
}

// Rows returns points lo (included) to hi (excluded) of f in their own order, in
// model units, with their labels (nil when f has none). rng as in [Finite.Read]:
// a dequantised image comes out with new noise at every call. The batch is the
// caller's. It panics when the range is not within 0 to f.Len().
func Rows(f Finite, lo, hi int, rng *rand.Rand) (flow.Batch, []int32) {
	if lo < 0 || hi < lo || hi > f.Len() {
		panic(fmt.Sprintf("data: rows %d to %d of a set of %d", lo, hi, f.Len()))
	}
	x := flow.NewBatch(hi-lo, f.Dim())
	index := make([]int, hi-lo)
	for k := range index {
		index[k] = lo + k
	}
	var label []int32
	if f.Classes() > 0 {
		label = make([]int32, hi-lo)
	}
	f.Read(x, label, index, rng)
	return x, label
}

// Split deals n points into train, val and test, at random but determined by
// (seed, "split"). val and test are sizes: below 1 a fraction of n (rounded to
// the nearest point), from 1 on a whole number of points. The three parts are
// disjoint, cover 0 to n-1, and each is in increasing order.
//
// It fails when a size is negative, not finite, or a count that is not whole,
// and when the training part would be empty.
func Split(n int, val, test float64, seedValue uint64) (trainI, valI, testI []int, err error) {
	nv, err := partSize("val", n, val)
	if err != nil {
		return nil, nil, nil, err
	}
	nt, err := partSize("test", n, test)
	if err != nil {
		return nil, nil, nil, err
	}
	if nv+nt >= n {
		return nil, nil, nil, fmt.Errorf("data: val takes %d and test %d of %d points, which leaves none to train on; make val or test smaller", nv, nt, n)
	}
	perm := seed.Rand(seedValue, "split", 0).Perm(n)
	valI, testI, trainI = perm[:nv:nv], perm[nv:nv+nt:nv+nt], perm[nv+nt:]
	slices.Sort(trainI)
	slices.Sort(valI)
	slices.Sort(testI)
	return trainI, valI, testI, nil
}

// partSize turns a size as [Split] takes it into a number of points.
func partSize(name string, n int, size float64) (int, error) {
	if err := checkSize(name, size); err != nil {
		return 0, err
	}
	if size < 1 {
		return int(math.Round(size * float64(n))), nil
	}
	if size > float64(n) {
		return 0, fmt.Errorf("data: %s = %g asks for more than the %d points there are", name, size, n)
	}
	return int(size), nil
}

func checkSize(name string, size float64) error {
	switch {
	case math.IsNaN(size) || size < 0 || size > math.MaxInt32:
		return fmt.Errorf("data: %s = %g; want a fraction below 1 or a number of points", name, size)
	case size >= 1 && size != math.Trunc(size):
		return fmt.Errorf("data: %s = %g; from 1 on it counts points and must be whole", name, size)
	}
	return nil
}
