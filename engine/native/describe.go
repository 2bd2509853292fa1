package native

import (
	"fmt"
	"strings"
)

// String describes what the program does: its levels, the loops of each, and, in the
// order in which they run, the tensors that each step of a loop makes.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d floats of arena, %d of scratch a worker\n", p.arena, p.scratch)
	for i, l := range p.levels {
		fmt.Fprintf(&b, "level %d\n", i)
		for _, t := range l.shadows {
			fmt.Fprintf(&b, "  shadow: %v\n", t)
		}
		for _, r := range l.regions {
			fmt.Fprintf(&b, "  loop over %d in %d parts, tiles of %d\n", r.units, r.parts, r.tile)
			for _, s := range r.order {
				where := "tile"
				if s.group {
					where = "strip"
				}
				fmt.Fprintf(&b, "    stage %d, by %s\n", s.stage, where)
				for _, t := range s.made {
					kept := ""
					if t.global {
						kept = fmt.Sprintf(" -> slot %d", t.slot)
					} else if s.local(t) {
						kept = " -> tile"
					}
					fmt.Fprintf(&b, "      %v%s\n", t, kept)
				}
			}
		}
	}
	for i, o := range p.outputs {
		fmt.Fprintf(&b, "result %d: slot %d, copied %v, donor %d\n", i, o.slot, o.copied, o.donor)
	}
	return b.String()
}
