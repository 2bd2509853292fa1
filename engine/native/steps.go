package native

import (
	"slices"
	"sort"
)

// step is what becomes one instruction of a region's loop, or, for a group of
// element-wise tensors, one walk over strips.
type step struct {
	stage int
	chunk int       // of a group: elements in a unit
	made  []*tensor // one, or the members of a group, inputs before users
	group bool
	lcm   int // of a group: what its strips are a multiple of
}

// chunk is the number of elements of t in a unit of its loop.
func (t *tensor) chunk() int { return t.size() / t.units }

// steps orders the work of a region in stages: what is element-wise and can be
// done in one walk is done so, as early as its inputs allow.
func (r *region) steps() []*step {
	of := map[*tensor]*step{}
	var out []*step
	for _, t := range r.tensors {
		if t.kind == kindOut {
			continue
		}
		walk := t.elementwise()
		stage, common := 0, 1
		for _, l := range t.lenses() {
			base, _ := l.src.root()
			common = lcm(common, max(l.n, 1))
			for _, u := range l.src.awaited() {
				if s := of[u]; s != nil {
					stage = max(stage, s.stage+1)
				}
			}
			s := of[base]
			switch {
			case s == nil:
			case walk && s.group && l.form == lensWhole && s.chunk == t.chunk():
				stage = max(stage, s.stage)
			default:
				stage = max(stage, s.stage+1)
			}
		}
		s := &step{stage: stage, made: []*tensor{t}, lcm: common}
		if walk {
			s = joinGroup(&out, t, stage, common)
		} else {
			out = append(out, s)
		}
		of[t] = s
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].stage < out[j].stage })
	return out
}

// awaited returns what t, by the names it goes by, is to wait for.
func (t *tensor) awaited() (others []*tensor) {
	for ; t.isAlias(); t = t.in[0] {
		if t.kind == kindAfter {
			for _, u := range t.in[1:] {
				base, _ := u.root()
				others = append(others, base)
			}
		}
	}
	return others
}

// joinGroup puts t into the group of its stage and chunk, or of a later stage if
// strips would not fit both.
func joinGroup(out *[]*step, t *tensor, stage, common int) *step {
	for {
		i := slices.IndexFunc(*out, func(s *step) bool { return s.group && s.stage == stage && s.chunk == t.chunk() })
		if i < 0 {
			s := &step{stage: stage, made: []*tensor{t}, group: true, chunk: t.chunk(), lcm: common}
			*out = append(*out, s)
			return s
		}
		if s := (*out)[i]; lcm(s.lcm, common) <= lensMax {
			s.made = append(s.made, t)
			s.lcm = lcm(s.lcm, common)
			return s
		}
		stage++
	}
}

// local says whether t lies in a tile: it is made and used in one region, but not
// in one walk alone.
func (s *step) local(t *tensor) bool { return !t.global && !s.strip(t) }

// strip says whether t never leaves the walk that makes it.
func (s *step) strip(t *tensor) bool {
	if !s.group || t.global || len(t.users) == 0 {
		return false
	}
	for _, u := range t.users {
		if !slices.Contains(s.made, u) {
			return false
		}
		for _, l := range u.lenses() {
			if base, _ := l.src.root(); base == t && l.form != lensWhole {
				return false
			}
		}
	}
	return true
}

// tiles gives the local tensors of a region places in a tile, in elements of a
// unit: tensors that live at different times share one. It returns the places
// and the elements that a unit needs in all.
func (r *region) tiles(steps []*step) (at map[*tensor]int, total int) {
	type life struct {
		t          *tensor
		from, to   int
		size, spot int
	}
	var lives []*life
	of := map[*tensor]*life{}
	for i, s := range steps {
		for _, t := range s.made {
			if s.local(t) {
				l := &life{t: t, from: i, to: i, size: t.chunk()}
				lives = append(lives, l)
				of[t] = l
			}
		}
		for _, t := range s.made {
			for _, u := range t.sources() {
				if base, _ := u.root(); of[base] != nil {
					of[base].to = i
				}
			}
		}
	}
	sort.SliceStable(lives, func(i, j int) bool { return lives[i].size > lives[j].size })
	at = map[*tensor]int{}
	var placed []*life
	for _, l := range lives {
		sort.Slice(placed, func(i, j int) bool { return placed[i].spot < placed[j].spot })
		for _, p := range placed {
			if p.from > l.to || p.to < l.from || p.spot >= l.spot+l.size || p.spot+p.size <= l.spot {
				continue
			}
			l.spot = p.spot + p.size
		}
		placed = append(placed, l)
		at[l.t] = l.spot
		total = max(total, l.spot+l.size)
	}
	return at, total
}
