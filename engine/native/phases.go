package native

// A loop over images does two kinds of work. Products of the rows of an image, its pixels or tokens,
// have many rows a unit: one image fills a tile, and more images would only push what it needs out
// of cache. Products of one row a unit, such as those that make shifts and scales of time and label,
// read all of their weights for that row, and sums over such rows take hundreds of units at a time:
// they ask for tiles of many units. In one loop, either would suffer. So a loop that has both is cut
// into up to three, one after the other: what comes before the thick work, that work, and what
// comes of it. Loops with convolutions are left as they are: where images are small, these too read
// their weights for few rows.

const (
	thinRows  = 4  // at most, in a unit, of a product that wants tiles of many units
	thickRows = 64 // at least, in a unit, of one that wants tiles of few
)

// mostCuts is how many times loops are cut at most: each time, what was thick and thin in turn may be again.
const mostCuts = 8

// unitRows is the number of rows of a unit that t works on at a time; 0: it does not matter.
func (t *tensor) unitRows() int {
	switch {
	case t.kind == kindDot && t.accumulates():
		return t.dot.k / t.units
	case t.kind == kindDot && t.dot.b == 1:
		return t.dot.m / t.units
	case t.kind == kindAttend:
		return t.dims[0] / t.units * t.attend.heads * t.attend.Queries
	case t.kind == kindDot:
		return t.dot.b / t.units * t.dot.m
	case t.kind == kindReduce && t.accumulates():
		return t.in[0].dims[0] / t.units
	}
	return 0
}

// loop is where tensors are made together, as far as levels are known.
type loop struct{ units, level, phase int }

func (t *tensor) loop() loop { return loop{t.units, t.level, t.phase} }

// loopKinds says what there is in a loop.
type loopKinds struct{ thin, thick, conv bool }

// mixed says whether it is to be cut.
func (l *loopKinds) mixed() bool { return l.thin && l.thick && !l.conv }

// mixedLoops returns the tensors of loops that are to be cut, inputs before users.
func (g *graph) mixedLoops(needed map[*tensor]bool) (made []*tensor) {
	has := map[loop]*loopKinds{}
	inLoop := func(t *tensor) bool {
		return needed[t] && t.units > 1 && t.kind != kindShadow && t.kind != kindOut
	}
	for _, t := range g.tensors {
		if !inLoop(t) {
			continue
		}
		l := has[t.loop()]
		if l == nil {
			l = &loopKinds{}
			has[t.loop()] = l
		}
		rows := t.unitRows()
		l.thin = l.thin || 0 < rows && rows <= thinRows
		l.thick = l.thick || rows >= thickRows
		l.conv = l.conv || t.conv != nil
	}
	for _, t := range g.tensors {
		if inLoop(t) && has[t.loop()].mixed() {
			made = append(made, t)
		}
	}
	return made
}

// within returns the inputs of t that are made in its loop.
func (t *tensor) within() (in []*tensor) {
	for _, u := range t.sources() {
		if base, _ := u.root(); base.units > 0 && base.loop() == t.loop() {
			in = append(in, base)
		}
	}
	return in
}

// split gives what is to be cut out of loops a phase of its own, and says whether there was any.
func (g *graph) split(needed map[*tensor]bool) bool {
	made := g.mixedLoops(needed)
	thick, late, early := map[*tensor]bool{}, map[*tensor]bool{}, map[*tensor]bool{}
	for _, t := range made {
		rows := t.unitRows()
		thick[t] = rows >= thickRows
		for _, u := range t.within() {
			thick[t], late[t] = thick[t] || thick[u], late[t] || late[u]
		}
		if 0 < rows && rows <= thinRows {
			late[t], early[t] = late[t] || thick[t], !thick[t]
		}
	}
	phases := make([]int, len(made))
	for i := len(made) - 1; i >= 0; i-- {
		switch t := made[i]; {
		case early[t]: // and all that it is made of
			for _, u := range t.within() {
				early[u] = true
			}
		case late[t]:
			phases[i] = 2
		default:
			phases[i] = 1
		}
	}
	for i, t := range made {
		t.phase = 3*t.phase + phases[i]
	}
	return len(made) > 0
}
