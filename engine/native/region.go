package native

import (
	"math"
	"slices"
	"sort"
)

// placement says where and when a tensor is made.
type placement struct {
	units int    // the rows that its region loops over
	level int    // regions of a level run after all of the levels before
	phase int    // tensors of different phases are not made in the same loop
	rows  []bool // which inputs are read row by row, together with t's own rows
	home  *region

	global bool // lies in memory of its own; otherwise in a tile
	slot   int  // of a global tensor: index of the program's table of memory
	users  []*tensor
	slab   *tensor // of an accumulated tensor: its total
	at     int     // and its offset in there
}

// region is a loop over units: a part of the rows for each core, in tiles.
type region struct {
	loop
	tensors []*tensor // inputs before users
	cost    float64   // arithmetic of one unit, roughly in float operations
	shadow  *tensor   // the operation of a region that is one of the shadow backend
	kept    bool      // packs weights of arguments, and need not again while these stay as they are
	code
}

// loops says how t can be made in a loop over n units: which inputs are then read
// row by row. The others are read as a whole and must be complete before.
func (t *tensor) loops(n int) (rows []bool, ok bool) {
	rows = make([]bool, len(t.in))
	fits := func(u *tensor) bool { return len(u.dims) > 0 && u.dims[0]%n == 0 || n == 1 && len(u.dims) == 0 }
	if t.accumulates() {
		for i, u := range t.in {
			rows[i] = true
			if !fits(u) {
				return nil, false
			}
		}
		return rows, true
	}
	if !fits(t) {
		return nil, false
	}
	switch t.kind {
	case kindUnary, kindBinary, kindSelect, kindMulAdd:
		for i, l := range t.lenses() {
			rows[i] = l.form == lensWhole || l.form == lensRepeat
			if rows[i] && !fits(l.src) {
				return nil, false
			}
		}
	case kindReduce: // not over axis 0
		rows[0] = true
	case kindMove:
		rows[0] = fits(t.in[0]) && t.movesWithinRows()
	case kindPad:
		rows[0] = t.pads[0] == 0 && t.in[0].dims[0] == t.dims[0]
	case kindConcat:
		for i := range rows {
			rows[i] = t.axis != 0
		}
	case kindDot:
		d := t.dot
		if d.b > 1 {
			if d.b%n != 0 {
				return nil, false
			}
			rows[0] = fits(t.in[0]) && d.lb*d.b == t.in[0].size()
			rows[1] = fits(t.in[1]) && d.rb*d.b == t.in[1].size()
		} else {
			if d.m%n != 0 {
				return nil, false
			}
			rows[0] = fits(t.in[0]) && d.lm*d.m == t.in[0].size()
		}
	case kindConv:
		rows[0] = true
	case kindAttend:
		for i := range rows {
			rows[i] = true
		}
		return rows, t.dims[0]%n == 0
	case kindPack:
		return rows, n == t.dims[0] // a unit is a panel
	}
	return rows, true
}

// movesWithinRows says whether each row of a kindMove reads the same row of its input.
func (t *tensor) movesWithinRows() bool {
	in := t.in[0]
	if len(in.dims) == 0 || in.dims[0] != t.dims[0] || t.dims[0] == 1 && t.move.strides[0] != 0 {
		return false
	}
	row := in.size() / in.dims[0]
	if t.dims[0] > 1 && t.move.strides[0] != row {
		return false
	}
	lo, hi := t.move.offset, t.move.offset
	for i := 1; i < len(t.dims); i++ {
		if reach := t.move.strides[i] * (t.dims[i] - 1); reach > 0 {
			hi += reach
		} else {
			lo += reach
		}
	}
	return lo >= 0 && hi < row
}

// ready returns the first level at which t, made in a loop over n units, can read u. What waits for all rows
// of u leaves a level to what is made of the sums over them.
func (t *tensor) ready(u *tensor, n int, row bool) int {
	base, _ := u.root()
	switch {
	case base.kind == kindParam || base.kind == kindConst:
		return 0
	case u.waits():
		return base.level + 2
	case row && base.units == n && base.phase == t.phase && sameRows(base, u):
		return base.level
	default:
		return base.level + 1
	}
}

// waits says whether t stands for all rows of what it is another name of.
func (t *tensor) waits() bool {
	for ; t.isAlias(); t = t.in[0] {
		if t.kind == kindAfter && slices.Contains(t.in[1:], t.in[0]) {
			return true
		}
	}
	return false
}

// sameRows says whether the rows of u are those of base, and base is made row by row.
func sameRows(base, u *tensor) bool {
	_, offset := u.root()
	return offset == 0 && base.size() == u.size() && !base.accumulates() && base.kind != kindOut &&
		base.kind != kindShadow
}

// schedule gives every tensor that is needed its loop and its level.
func (g *graph) schedule() {
	needed := map[*tensor]bool{}
	for _, t := range g.outputs {
		base, _ := t.root()
		needed[base] = true
	}
	for _, t := range slices.Backward(g.tensors) {
		if needed[t] {
			for _, u := range t.sources() {
				base, _ := u.root()
				needed[base] = true
				if t.runs() {
					base.users = append(base.users, t)
				}
			}
		}
	}
	for cuts, again := 0, true; again; again = cuts < mostCuts && g.split(needed) {
		cuts++
		for _, t := range g.tensors {
			if needed[t] && t.runs() {
				t.level = 0
				g.settle(t)
			}
		}
	}
	g.sink()
}

// runs says whether something must be done to make t.
func (t *tensor) runs() bool { return !t.isAlias() && t.kind != kindParam && t.kind != kindConst }

// settle chooses the loop in which t can be made first; of equals, one that makes
// an input.
func (g *graph) settle(t *tensor) {
	if t.kind == kindShadow || t.kind == kindOut {
		t.units, t.rows = 1, make([]bool, len(t.in))
		for _, u := range t.sources() {
			t.level = max(t.level, t.ready(u, 1, false))
		}
		if t.kind == kindOut {
			t.level = t.in[0].level
		}
		return
	}
	lead := t.dims
	if t.accumulates() {
		lead = t.in[0].dims
	}
	// The loops that make inputs, where t could read them row by row. What the shadow
	// backend makes comes from none: its one unit must not make one of all rows.
	candidates := []int{}
	for i, u := range t.sources() {
		if base, _ := u.root(); base.units > 0 && sameRows(base, u) {
			if rows, ok := t.loops(base.units); ok && rows[i] {
				candidates = append(candidates, base.units)
			}
		}
	}
	own := 1
	if len(lead) > 0 {
		own = max(lead[0], 1)
	}
	best := math.MaxInt
	for _, n := range append(candidates, own, 1) {
		rows, ok := t.loops(n)
		if !ok {
			continue
		}
		level := 0
		for i, u := range t.sources() {
			level = max(level, t.ready(u, n, rows[i]))
		}
		if level < best {
			best = level
			t.units, t.level, t.rows = n, level, rows
		}
	}
}

// heavy says whether t is real work, which is done once and early.
func (t *tensor) heavy() bool {
	return t.kind == kindDot || t.kind == kindConv || t.kind == kindConvGrad || t.kind == kindShadow ||
		t.kind == kindPack || t.kind == kindAttend
}

// sink moves light work to the level of its users, so that it is done in their
// loops: the level must hold nothing heavy in the same loop, whose results would
// then have to be kept.
func (g *graph) sink() {
	heavy := map[loop]bool{}
	for _, t := range g.tensors {
		if t.heavy() || t.accumulates() {
			heavy[t.loop()] = true
		}
	}
	for _, t := range slices.Backward(g.tensors) {
		if t.units == 0 || len(t.users) == 0 || t.heavy() || t.accumulates() || t.kind == kindOut ||
			heavy[t.loop()] {
			continue
		}
		first := slices.MinFunc(t.users, func(a, b *tensor) int { return a.level - b.level })
		level, phase := math.MaxInt, first.phase
		for _, u := range t.users {
			l := u.level
			for i, x := range u.sources() {
				base, _ := x.root()
				switch {
				case base != t:
				case x.waits():
					l = min(l, u.level-2)
				case !u.rows[i] || u.units != t.units || u.phase != phase || !sameRows(t, x):
					l = min(l, u.level-1)
				}
			}
			level = min(level, l)
		}
		if level > t.level {
			t.level, t.phase = level, phase
		}
	}
}

// regions collects the tensors that are made in one loop of one level.
func (g *graph) regions() []*region {
	var out []*region
	for _, t := range g.tensors {
		if t.units == 0 || t.kind == kindOut {
			continue
		}
		i := slices.IndexFunc(out, func(r *region) bool {
			return r.loop == t.loop() && r.shadow == nil && t.kind != kindShadow && r.kept == g.keepable(t)
		})
		if i < 0 {
			out = append(out, &region{loop: t.loop(), kept: g.keepable(t)})
			i = len(out) - 1
		}
		r := out[i]
		if t.kind == kindShadow {
			r.shadow = t
		}
		r.tensors = append(r.tensors, t)
		r.cost += t.work() / float64(t.units)
		t.home = r
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].level < out[j].level })
	return out
}

// keepable says whether t is packed weights that outlive a run: they come from an
// argument, and no result looks like what replaces it.
func (g *graph) keepable(t *tensor) bool {
	if t.kind != kindPack {
		return false
	}
	base, _ := t.in[0].root()
	return base.kind == kindConst || base.kind == kindParam &&
		!slices.ContainsFunc(g.outputs, func(o *tensor) bool { return o.size() == base.size() })
}

// work is the arithmetic in t, roughly in float operations that take as long as
// an addition.
func (t *tensor) work() float64 {
	switch t.kind {
	case kindDot:
		return 2 * float64(t.dot.b) * float64(t.dot.m) * float64(t.dot.n) * float64(t.dot.k) / 8
	case kindReduce:
		return float64(t.in[0].size())
	case kindConv, kindConvGrad:
		return t.conv.work() / 8
	case kindAttend:
		return t.attendWork() / 8
	case kindUnary:
		return 4 * float64(t.size())
	}
	return float64(t.size())
}

// sound says whether no tensor is read before it is made; tests ask.
func (g *graph) sound() bool {
	for _, t := range g.tensors {
		if t.units == 0 || t.kind == kindOut {
			continue
		}
		for i, u := range t.sources() {
			if t.level < t.ready(u, t.units, t.rows[i]) {
				return false
			}
		}
	}
	return true
}
