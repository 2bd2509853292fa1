package arm64

import (
	"errors"
	"fmt"
	"math"
)

// ErrRegisters says that more values live at once than there are registers.
var ErrRegisters = errors.New("too few registers")

// free lists the registers that functions may use, of integers and of vectors.
func free(vector bool) (out []uint32) {
	for n := range uint32(32) {
		if vector || n <= 15 || n >= 19 && n <= 25 {
			out = append(out, n)
		}
	}
	return out
}

// life is the first and the last instruction of a value.
type life struct{ first, last int }

// lives finds the life of each register. What was made before a loop and is used in it lives to
// the end of the loop.
func (fn *Func) lives() (map[Reg]life, error) {
	out, labels := map[Reg]life{}, map[string]int{}
	for i, c := range fn.code {
		if c.label != "" {
			if _, twice := labels[c.label]; twice {
				return nil, fmt.Errorf("%s: label %s is there twice", fn.name, c.label)
			}
			labels[c.label] = i
		}
		for _, r := range c.use {
			l, ok := out[r]
			if !ok {
				return nil, fmt.Errorf("%s: instruction %d reads a register that is not set", fn.name, i)
			}
			out[r] = life{l.first, i}
		}
		for _, r := range c.def {
			if l, ok := out[r]; ok {
				out[r] = life{l.first, i}
			} else {
				out[r] = life{i, i}
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for q, c := range fn.code {
			if c.to == "" {
				continue
			}
			p, ok := labels[c.to]
			if !ok {
				return nil, fmt.Errorf("%s: no label %s", fn.name, c.to)
			}
			for r, l := range out {
				if l.first < p && l.last >= p && l.last < q {
					out[r], changed = life{l.first, q}, true
				}
			}
		}
	}
	return out, nil
}

// allocate numbers the registers, in the order of the code (linear scan). A copy takes the
// register of its source where this is the last that is needed of it, and is dropped.
func (fn *Func) allocate() (map[Reg]uint32, error) {
	lives, err := fn.lives()
	if err != nil {
		return nil, err
	}
	number, owner := map[Reg]uint32{}, map[bool]map[uint32]int{true: {}, false: {}}
	for i, c := range fn.code {
		for _, d := range c.def {
			if _, ok := number[d]; ok {
				continue
			}
			if c.copy && lives[c.use[0]].last == i {
				number[d] = number[c.use[0]]
			} else if number[d], err = fn.pick(owner[d.vector], d.vector, i, c); err != nil {
				return nil, err
			}
			owner[d.vector][number[d]] = lives[d].last
			if lives[d].last == i { // a result that nobody reads keeps its register for the instruction
				owner[d.vector][number[d]] = i + 1
			}
		}
	}
	return number, nil
}

// pick returns a register that nobody needs after the operands of instruction i are read.
func (fn *Func) pick(owner map[uint32]int, vector bool, i int, c instruction) (uint32, error) {
	least, at := uint32(0), math.MaxInt
	for _, n := range free(vector) {
		last, taken := owner[n]
		if !taken {
			return n, nil
		}
		// The one that has been free for longest: less waits for its last reader.
		if last <= i && last < at {
			least, at = n, last
		}
	}
	if at == math.MaxInt {
		return 0, fmt.Errorf("%s: instruction %d: %w", fn.name, i, ErrRegisters)
	}
	return least, nil
}
