package data

import (
	"fmt"
	"math/rand/v2"

	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/seed"
)

// PartReader is the optional upgrade of a [Finite] that reads a part of a batch without making the
// rest of it. A type that embeds one and reads otherwise needs both methods: so no exported type of
// this package or of the readers has it.
type PartReader interface {
	Finite
	// ReadPart writes rows from to from+x.N of what Read writes for index and rng, the points
	// index[from:from+x.N], and leaves rng as Read does.
	ReadPart(x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error
}

// ReadPart reads a part of a batch as [PartReader] says: of a set that is none the whole of it is made.
func ReadPart(f Finite, x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error {
	if from < 0 || from+x.N > len(index) {
		return errPart(x.N, len(index), [][2]int{{from, from + x.N}})
	}
	if from == 0 && x.N == len(index) {
		return f.Read(x, given, index, rng)
	}
	switch p := f.(type) {
	case Points:
		return p.Read(x, given, index[from:from+x.N], nil)
	case PartReader:
		return p.ReadPart(x, given, index, from, rng)
	}
	return wholly(x, given, f.Dim(), len(index), [][2]int{{from, from + x.N}},
		func(x flow.Batch, given flow.Given) error { return f.Read(x, given, index, rng) })
}

// wholly fills rows of a batch of n points from the whole of it.
func wholly(x flow.Batch, given flow.Given, dim, n int, spans [][2]int,
	fill func(x flow.Batch, given flow.Given) error) error {
	all := flow.NewBatch(n, dim)
	of := flow.NewGiven(n, given.Label != nil, 0)
	if given.Context.N > 0 {
		of.Context = flow.NewBatch(n, given.Context.D)
	}
	if err := fill(all, of); err != nil {
		return err
	}
	at := 0
	for _, s := range spans {
		copy(x.X[at*x.D:], all.Slice(s[0], s[1]).X)
		if given.Label != nil {
			copy(given.Label[at:], of.Label[s[0]:s[1]])
		}
		if given.Context.N > 0 {
			copy(given.Context.X[at*given.Context.D:], of.Context.Slice(s[0], s[1]).X)
		}
		at += s[1] - s[0]
	}
	return nil
}

// FillPart writes a part of batch number step of n points into x1, as Fill writes all of it: the rows of
// spans, each from its first to before its second number, one after the other. Points that can be made
// by themselves are: those of [Shuffle], without contexts that are made of them. Of another stream the
// whole batch is made.
func FillPart(s Stream, x1 flow.Batch, given flow.Given, step uint64, n int, spans [][2]int) error {
	rows := 0
	for _, span := range spans {
		if span[0] < 0 || span[1] < span[0] || span[1] > n {
			return errPart(x1.N, n, spans)
		}
		rows += span[1] - span[0]
	}
	if absent.Is(s) || rows != x1.N {
		return errPart(x1.N, n, spans)
	}
	if p, ok := s.(partFiller); ok {
		return p.fillPart(x1, given, step, n, spans)
	}
	return wholly(x1, given, s.Dim(), n, spans, func(x flow.Batch, given flow.Given) error {
		return s.Fill(x, given, step)
	})
}

// errPart is that of rows that a batch does not have, or that do not fit the room for them.
func errPart(room, n int, spans [][2]int) error {
	return fmt.Errorf("data: room for %d points, for rows %v of a batch of %d", room, spans, n)
}

// partFiller is the optional upgrade of a Stream of this package behind FillPart.
type partFiller interface {
	fillPart(x1 flow.Batch, given flow.Given, step uint64, n int, spans [][2]int) error
}

func (s *shuffled) fillPart(x1 flow.Batch, given flow.Given, step uint64, n int, spans [][2]int) error {
	if absent.Is(s.f) {
		return errNoSet
	}
	index, err := s.index(step, n)
	if err != nil {
		return err
	}
	at := 0
	for _, span := range spans {
		end := at + span[1] - span[0]
		if end == at {
			continue
		}
		rng := seed.Rand(s.seed, "dequantize", step)
		if err := ReadPart(s.f, x1.Slice(at, end), slice(given, at, end), index, span[0], rng); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// slice is given.Slice of room, where a single entry does not stand for all.
func slice(given flow.Given, i, j int) flow.Given {
	if given.Label != nil {
		given.Label = given.Label[i:j]
	}
	if given.Context.N > 0 {
		given.Context = given.Context.Slice(i, j)
	}
	return given
}

func (s classStream) fillPart(x1 flow.Batch, given flow.Given, step uint64, n int, spans [][2]int) error {
	err := FillPart(s.Stream, x1, given, step, n, spans)
	renumber(given.Label, s.place, err)
	return err
}

func (s subset[T]) ReadPart(x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error {
	through, err := s.through(index)
	if err != nil {
		return err
	}
	return ReadPart(s.Finite, x, given, through, from, rng)
}

func (s scaled) ReadPart(x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error {
	if err := ReadPart(s.Finite, x, given, index, from, rng); err != nil {
		return err
	}
	return s.scale(x, given)
}

func (f classFinite) ReadPart(x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error {
	err := ReadPart(f.Finite, x, given, index, from, rng)
	renumber(given.Label, f.place, err)
	return err
}
