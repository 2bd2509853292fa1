package native

import (
	"slices"
	"sort"
)

// source says where the memory of a global tensor comes from.
type source uint8

const (
	fromArena  source = iota // scratch of the backend, shared by programs
	fromKept                 // memory of the program, which outlives a run
	fromParam                // an argument
	fromConst                // a constant of the program
	fromOutput               // a result
	fromShadow               // a result of the shadow backend
)

// slot is a piece of memory that a program knows by number.
type slot struct {
	from   source
	index  int // of the parameter or result; offset in the arena, in floats
	size   int // in floats
	t      *tensor
	lo, hi int // first and last level that needs it
}

// output is how a result leaves the program.
type output struct {
	slot   int // its memory, or that which it is copied from
	offset int
	copied bool
	donor  int // parameter whose memory it takes over when that is donated; -1: none
	t      *tensor
}

// globals decides which tensors have memory of their own.
func (p *Program) globals() {
	for _, t := range p.graph.outputs {
		base, _ := t.root()
		base.global = true
	}
	for _, t := range p.graph.tensors {
		if t.kind == kindParam || t.kind == kindConst || t.kind == kindOut || t.kind == kindPack ||
			t.kind == kindShadow {
			t.global = true
		}
		if t.units == 0 {
			continue
		}
		if t.kind == kindTotal {
			at := 0
			for _, a := range t.in {
				a.slab, a.at = t, at
				at += a.size()
			}
		}
		for i, u := range t.sources() {
			base, _ := u.root()
			if base.units > 0 && (!t.rows[i] || base.loop() != t.loop() || !sameRows(base, u)) {
				base.global = true
			}
		}
	}
	p.shrink()
}

// assign gives global tensors their slots, results first.
func (p *Program) assign() {
	for i, t := range p.graph.outputs {
		base, offset := t.root()
		o := output{t: t, offset: offset, donor: -1}
		own := base.units > 0 && base.kind != kindOut && !base.accumulates() && base.size() == t.size() &&
			base.slot < 0 &&
			!base.bool
		if own {
			base.slot = p.slotFor(slot{from: fromOutput, index: i, t: base, size: base.size()})
			o.slot = base.slot
		} else {
			o.copied = true
		}
		p.outputs = append(p.outputs, o)
	}
	for _, t := range p.graph.tensors {
		if !t.global || t.slot >= 0 || t.kind == kindShadow || t.isAlias() || t.units == 0 && t.computed() {
			continue
		}
		switch {
		case t.kind == kindParam:
			t.slot = p.slotFor(slot{from: fromParam, index: t.op, t: t})
		case t.kind == kindConst:
			t.slot = p.slotFor(slot{from: fromConst, t: t})
		case t.kind == kindOut:
			t.slot = p.slotFor(slot{from: fromShadow, t: t})
		case t.accumulates(): // it lies in its total's parts
		case t.home.kept:
			t.slot = p.slotFor(slot{from: fromKept, t: t, index: p.keptSize, size: t.size()})
			p.keptSize += align(t.size())
		default:
			t.slot = p.slotFor(slot{from: fromArena, t: t, size: (t.size()*t.storage().size() + 3) / 4, lo: t.level,
				hi: t.level})
		}
	}
	for i := range p.outputs {
		if o := &p.outputs[i]; o.copied {
			base, _ := o.t.root()
			o.slot = base.slot
		}
	}
	p.donors()
	p.sums()
	p.lay()
}

func (p *Program) slotFor(s slot) int {
	p.slots = append(p.slots, s)
	return len(p.slots) - 1
}

// sums makes room for the parts of accumulated tensors.
func (p *Program) sums() {
	for _, t := range p.graph.tensors {
		if t.kind != kindTotal || t.units == 0 {
			continue
		}
		lo := t.level
		for _, a := range t.in {
			lo = min(lo, a.level)
		}
		n := p.slotFor(slot{from: fromArena, t: t, size: t.parts() * align(t.size()), lo: lo, hi: t.level})
		for _, a := range t.in {
			a.slot = n
		}
	}
}

// parts is how many parts a total adds.
func (t *tensor) parts() int {
	n := 1
	for _, a := range t.in {
		n = max(n, a.home.parts)
	}
	return n
}

// donors chooses the parameters whose memory results may be written into: each
// result must be made element by element, and nobody else may read the parameter
// at that time or later. A result that is the last to read a parameter comes
// first: weights are replaced by weights.
func (p *Program) donors() {
	taken := map[*tensor]bool{}
	for _, natural := range []bool{true, false} {
		for i := range p.outputs {
			o := &p.outputs[i]
			if o.copied || o.donor >= 0 {
				continue
			}
			t, _ := o.t.root()
			for _, par := range p.graph.params {
				if par.typ == t.typ && slices.Equal(par.dims, o.t.dims) && !taken[par] && p.mayTake(par, t, natural) {
					o.donor, taken[par] = par.op, true
					break
				}
			}
		}
	}
}

// mayTake says whether t may overwrite par: readers of par are done before t's
// level, or come before t in its walk, where a strip is read before it is
// written. natural asks that t itself be the last of them.
func (p *Program) mayTake(par, t *tensor, natural bool) bool {
	for _, o := range p.graph.outputs {
		if base, _ := o.root(); base == par {
			return false
		}
	}
	if !t.elementwise() {
		return false
	}
	mine := t.home.stepOf(t)
	place := slices.Index(mine.made, t)
	last := -1
	for _, u := range par.users {
		if u.level < t.level {
			continue
		}
		at := slices.Index(mine.made, u)
		if at < 0 || at > place {
			return false
		}
		for i, l := range u.lenses() {
			base, offset := l.src.root()
			if base == par && (l.form != lensWhole || offset != 0 || l.src.size() != par.size() || !u.rows[i]) {
				return false
			}
		}
		last = max(last, at)
	}
	return !natural || last == place
}

// stepOf returns the step that makes t.
func (r *region) stepOf(t *tensor) *step {
	i := slices.IndexFunc(r.order, func(s *step) bool { return slices.Contains(s.made, t) })
	return r.order[i]
}

// lay puts the slots of the arena at offsets; slots that are needed at different
// levels share memory.
func (p *Program) lay() {
	var order []*slot
	for i := range p.slots {
		s := &p.slots[i]
		if s.from != fromArena {
			continue
		}
		order = append(order, s)
		if s.t.kind == kindTotal && s.lo < s.t.level {
			continue // the parts; users read the total
		}
		for _, u := range s.t.users {
			s.hi = max(s.hi, u.level)
		}
	}
	for _, o := range p.outputs {
		if s := &p.slots[o.slot]; o.copied {
			s.hi = len(p.levels) // copied at the end
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return order[i].size > order[j].size })
	var placed []*slot
	parts := map[*tensor]*slot{} // those of totals
	for _, s := range order {
		sum := s.t.kind == kindTotal && s.lo == s.t.level && s.t.storage() == inFloats
		if first := parts[s.t]; sum && first != nil {
			s.index = first.index // over the first of them, which is read strip by strip before it is written
		}
		if !sum || parts[s.t] == nil || slices.ContainsFunc(placed, func(q *slot) bool {
			return q != parts[s.t] && q.clashes(s)
		}) {
			s.index = 0
			sort.Slice(placed, func(i, j int) bool { return placed[i].index < placed[j].index })
			for _, q := range placed {
				if q.clashes(s) {
					s.index = q.index + align(q.size)
				}
			}
		}
		if s.t.kind == kindTotal && s.lo < s.t.level {
			parts[s.t] = s
		}
		placed = append(placed, s)
		p.arena = max(p.arena, s.index+align(s.size))
	}
}

// clashes says whether two slots of the arena are needed at a time and overlap where they are.
func (s *slot) clashes(q *slot) bool {
	return q.lo <= s.hi && q.hi >= s.lo && q.index < s.index+align(s.size) && q.index+align(q.size) > s.index
}

// align rounds a number of floats up to whole lines of the cache.
func align(n int) int { return (n + 15) &^ 15 }
