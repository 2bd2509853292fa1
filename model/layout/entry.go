package layout

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/nn"
)

// entry is the way from tensors of a program to one of ours, and back. Ours is made of their
// rows, one tensor's after the other's.
type entry struct {
	ours   nn.Tensor
	theirs []string
	shape  []int // of each of theirs; nil: ours, the rows shared evenly
	rows   []int // the row of theirs that each row of ours is; nil: the same one; -1: zeros
	cols   []int // the same of columns, the numbers of a row
	zero   bool  // what rows leave out must be zeros
	negate bool
	copies []string // further tensors, which must be the same as the first
}

// constant is a tensor that is no weight here, but numbers that a network computes.
type constant struct {
	name    string
	shape   []int
	numbers func() []float32
}

// slack is how far the numbers of a constant may be off: they are sines, and were computed in
// float32 or float64, or saved in float16.
const slack = 2e-3

// same is the entry of a tensor that has the name and the numbers of ours.
func same(t nn.Tensor) entry { return entry{ours: t, theirs: []string{t.Name}} }

// their returns the shape of each of theirs.
func (e entry) their() []int {
	if e.shape != nil {
		return e.shape
	}
	s := slices.Clone(e.ours.Shape)
	s[0] /= len(e.theirs)
	return s
}

// sizes returns how many rows theirs have in all, and how many numbers a row of theirs and of
// ours has.
func (e entry) sizes() (rows, width, own int) {
	s := e.their()
	width = 1
	for _, d := range s[1:] {
		width *= d
	}
	return s[0] * len(e.theirs), width, e.ours.Size() / max(1, e.ours.Shape[0])
}

// each calls fn with the place of every number of ours, and that in theirs; -1: it is zero.
func (e entry) each(fn func(ours, theirs int)) {
	_, width, own := e.sizes()
	for i := range e.ours.Shape[0] {
		row := i
		if e.rows != nil {
			row = e.rows[i]
		}
		for j := range own {
			column := j
			if e.cols != nil {
				column = e.cols[j]
			}
			if row < 0 || column < 0 {
				fn(i*own+j, -1)
			} else {
				fn(i*own+j, row*width+column)
			}
		}
	}
}

// sign is what numbers are multiplied by.
func (e entry) sign() float32 {
	if e.negate {
		return -1
	}
	return 1
}

// in makes ours of theirs.
func (e entry) in(theirs []float32) ([]float32, error) {
	out, used := make([]float32, e.ours.Size()), make([]bool, len(theirs))
	e.each(func(i, k int) {
		if k >= 0 {
			out[i], used[k] = e.sign()*theirs[k], true
		}
	})
	for k, v := range theirs {
		if e.zero && !used[k] && v != 0 {
			return nil, fmt.Errorf("tensor %s holds %g at position %d, which must be 0", choice.Quote(e.theirs[0]), v,
				k)
		}
	}
	return out, nil
}

// out makes theirs of ours.
func (e entry) out(ours []float32) []float32 {
	rows, width, _ := e.sizes()
	theirs := make([]float32, rows*width)
	e.each(func(i, k int) {
		if k >= 0 {
			theirs[k] = e.sign() * ours[i]
		}
	})
	return theirs
}

// load checks that the tensors are those of the plan, and returns what reads ours of them.
func (p *plan) load(f *found, bytes int64) (func(name string, shape []int) ([]float32, error), error) {
	if err := p.check(f); err != nil {
		return nil, err
	}
	all, numbers := map[string]entry{}, 0
	for _, e := range p.entries {
		all[e.ours.Name] = e
		numbers += e.ours.Size()
	}
	// Each number of a file has two bytes at the least, and what is padded with zeros is little.
	if most := bytes; int64(numbers) > most {
		return nil, fmt.Errorf("a network of %d weights cannot be in a file of %d bytes", numbers, bytes)
	}
	for _, c := range p.constants {
		if err := c.check(f); err != nil {
			return nil, err
		}
	}
	return func(name string, _ []int) ([]float32, error) {
		e, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("the layout has nothing for tensor %q", name) // a fault of its table
		}
		var theirs []float32
		for _, t := range e.theirs {
			data, err := f.tensors[t].Data()
			if err != nil {
				return nil, err
			}
			theirs = append(theirs, data...)
		}
		for _, t := range e.copies {
			data, err := f.tensors[t].Data()
			if err != nil {
				return nil, err
			}
			if !slices.Equal(data, theirs) {
				return nil, fmt.Errorf("tensor %s is not the same as %s; the network here has one for both",
					choice.Quote(t), choice.Quote(e.theirs[0]))
			}
		}
		return e.in(theirs)
	}, nil
}

// check reports a constant that is not what the network computes.
func (c constant) check(f *found) error {
	if !f.has(c.name) {
		return nil // not every version of a program saves it
	}
	got, err := f.tensors[c.name].Data()
	if err != nil {
		return err
	}
	for i, v := range c.numbers() {
		if math.Abs(float64(got[i]-v)) > slack {
			return fmt.Errorf("tensor %s holds %g at position %d; the network here has %g there, and does not learn it",
				choice.Quote(c.name), got[i], i, v)
		}
	}
	return nil
}

// mostListed is how many faults of tensors an error lists.
const mostListed = 10

// check reports tensors that are missing, unused or of another shape.
func (p *plan) check(f *found) error {
	var missing, misshapen, unused []string
	known := map[string]bool{}
	look := func(name string, shape []int, optional bool) {
		known[name] = true
		switch got := f.shape(name); {
		case !f.has(name) && !optional:
			missing = append(missing, fmt.Sprintf("%s %v", name, shape))
		case f.has(name) && !slices.Equal(got, shape):
			misshapen = append(misshapen, fmt.Sprintf("%s is %v and should be %v", name, got, shape))
		}
	}
	for _, e := range p.entries {
		for _, name := range slices.Concat(e.theirs, e.copies) {
			look(name, e.their(), false)
		}
	}
	for _, c := range p.constants {
		look(c.name, c.shape, true)
	}
	for _, name := range f.names {
		if !known[name] {
			unused = append(unused, name)
		}
	}
	var faults []string
	for _, part := range []struct {
		what  string
		names []string
	}{{"missing", missing}, {"of another shape", misshapen}, {"unused", unused}} {
		if n := len(part.names); n > 0 {
			shown := part.names[:min(n, mostListed)]
			more := ""
			if n > len(shown) {
				more = fmt.Sprintf(" and %d more", n-len(shown))
			}
			faults = append(faults, fmt.Sprintf("%d %s: %s%s", n, part.what, strings.Join(shown, ", "), more))
		}
	}
	if len(faults) > 0 {
		return errors.New("the tensors do not fit, and nothing is loaded: " + strings.Join(faults, "; "))
	}
	return nil
}
