package experiment

import (
	"fmt"

	"flowmatch/internal/choice"
)

// pictures reports what is wrong with pictures.
func (f *faults) pictures(g Grid, kinds, tasks, methods []string) {
	lead := ""
	for i, p := range g.Pictures {
		if p.Lead && lead != "" {
			f.add("pictures[%d]: picture %s: lead is for one picture, and %s has it; remove one", i, p.File, lead)
		} else if p.Lead {
			lead = p.File
		}
		at := fmt.Sprintf("pictures[%d]: picture %s", i, p.File)
		if err := choice.Check("kind", p.Kind, kinds); err != nil {
			f.add("%s: %w", at, err)
		}
		f.known(at, "task", tasks, p.Task)
		f.known(at, "task", tasks, p.Tasks...)
		f.known(at, "method", methods, p.Methods...)
		if (p.Kind == kindPosterior || p.Kind == kindDensity) && len(p.Methods) != 1 {
			f.add("%s: the kind %s is of one method; name it in methods", at, p.Kind)
		}
		if n := len(p.Columns); (p.Kind == kindRows) != (n > 0) || n > 2 {
			f.add("%s: columns belong to the kind rows, which has one or two", at)
		}
		if slug(p.File) != p.File || p.File == "" {
			f.add("picture: file %q must be a name of small letters, digits and hyphens", p.File)
		}
		if p.fromResults() != (len(p.Curves) > 0) {
			f.add("%s: curves belong to the kinds curves, values and dots", at)
		}
		if !p.fromResults() && (p.XName != "" || p.YName != "" || p.LinearX || p.LinearY) {
			f.add("%s: x, y, linear_x and linear_y belong to the kinds curves, values and dots; leave them out", at)
		}
		if p.Kind == kindDots && (p.Task != "" || p.YName != "" || p.LinearY) {
			f.add("%s: task, y and linear_y have no effect on a dot plot; leave them out, and name tasks by tasks", at)
		}
		if p.Kind != kindDots && len(p.Tasks) > 0 {
			f.add("%s: tasks belongs to the kind dots; write task", at)
		}
		for _, name := range p.Curves {
			err := g.curves().check(name)
			switch p.Kind {
			case kindValues:
				err = g.values().series(name)
			case kindDots:
				err = g.values().check(name)
			}
			if err != nil {
				f.add("%s: %w", at, err)
			}
		}
	}
}
