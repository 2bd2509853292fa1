package data

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Classes returns one more than the largest of the labels, 0 where there are none.
func Classes(label []int32) int {
	if len(label) == 0 {
		return 0
	}
	return int(slices.Max(label)) + 1
}

// NumberClasses numbers the labels that occur from 0 on, in rising order, and returns
// their values as the names of the classes: a class of which there is no point is none.
// Labels that are such numbers already are returned as they are, without names. A label below 0
// is of no class, and stays what it is.
func NumberClasses(label []int32) (numbered []int32, names []string) {
	seen := make([]bool, max(0, Classes(label)))
	for _, l := range label {
		if l >= 0 {
			seen[l] = true
		}
	}
	if !slices.Contains(seen, false) {
		return label, nil
	}
	place := make([]int32, len(seen))
	for l, there := range seen {
		if there {
			place[l] = int32(len(names))
			names = append(names, strconv.Itoa(l))
		}
	}
	numbered = make([]int32, len(label))
	for i, l := range label {
		if numbered[i] = l; l >= 0 {
			numbered[i] = place[l]
		}
	}
	return numbered, names
}

// NameClasses returns the names of so many classes: those given or, for nil, their
// numbers.
func NameClasses(names []string, classes int) []string {
	if names != nil {
		return names
	}
	names = make([]string, classes)
	for k := range names {
		names[k] = strconv.Itoa(k)
	}
	return names
}

// ClassNumbers returns the names of classes as numbers, and whether all are whole numbers
// from 0 on, as they are of labels in files that are not all numbers from 0 to the last.
func ClassNumbers(names []string) ([]int32, bool) {
	numbers := make([]int32, len(names))
	for k, name := range names {
		v, err := strconv.ParseInt(name, 10, 32)
		if err != nil || v < 0 || strconv.FormatInt(v, 10) != name {
			return nil, false
		}
		numbers[k] = int32(v)
	}
	return numbers, true
}

// place returns where a class is among others, by name.
func place(name string, among []string) (int32, error) {
	at := slices.Index(among, name)
	if at < 0 {
		return 0, fmt.Errorf("class %s is not one of %s", choice.Quote(name), choice.List(among))
	}
	return int32(at), nil
}

// Renumber returns labels that number the classes from as labels that number the classes
// to, by name; nil names are numbers, of so many classes to. A label whose class is none
// of these is an error; classes without labels may be others.
func Renumber(label []int32, from, to []string, classes int) ([]int32, error) {
	if label == nil {
		return nil, nil
	}
	from, to = NameClasses(from, Classes(label)), NameClasses(to, classes)
	known, out := map[int32]int32{}, make([]int32, len(label))
	for i, l := range label {
		at, ok := known[l]
		if !ok {
			var err error
			if at, err = place(from[l], to); err != nil {
				return nil, err
			}
			known[l] = at
		}
		out[i] = at
	}
	return out, nil
}

// WithClasses returns a copy of s whose labels number so many classes of the names given
// (nil: numbers), those of a model, say, in the place of its own. It fails where s has a
// class of another name. A set without labels, or whose classes are these, is returned as
// it is.
func (s *Set) WithClasses(names []string, classes int) (*Set, error) {
	to := NameClasses(names, classes)
	from := NameClasses(s.ClassNames, s.Classes)
	if s.Classes == 0 || slices.Equal(from, to) {
		return s, nil
	}
	places := make([]int32, len(from))
	for k, name := range from {
		var err error
		if places[k], err = place(name, to); err != nil {
			return nil, fmt.Errorf("data: the classes of %s: %w", choice.Quote(s.Name), err)
		}
	}
	with := *s
	with.ClassNames, with.Classes = names, classes
	if s.Train != nil {
		with.Train = classStream{s.Train, places}
	}
	for _, part := range []*Finite{&with.TrainSet, &with.Val, &with.Test} {
		if *part != nil && (*part).Classes() > 0 {
			*part = classFinite{*part, places, classes}
		}
	}
	return &with, nil
}

// classStream numbers the labels of a stream otherwise.
type classStream struct {
	Stream
	place []int32
}

func (s classStream) Fill(x1 flow.Batch, given flow.Given, step uint64) error {
	err := s.Stream.Fill(x1, given, step)
	renumber(given.Label, s.place, err)
	return err
}

// classFinite numbers the labels of a finite set otherwise.
type classFinite struct {
	Finite
	place   []int32
	classes int
}

func (f classFinite) Classes() int { return f.classes }

func (f classFinite) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	err := f.Finite.Read(x, given, index, rng)
	renumber(given.Label, f.place, err)
	return err
}

// renumber replaces labels by their places, unless they could not be read.
func renumber(label, place []int32, err error) {
	for i := range label {
		if err == nil {
			label[i] = place[label[i]]
		}
	}
}
