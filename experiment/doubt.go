package experiment

import (
	"fmt"
	"strings"

	"flowmatch/eval"
)

// mark stands behind a figure that is not to be trusted.
const mark = " †"

// doubt records that figures, values or curves, are not to be trusted, where a check says
// so. Of several doubts about one figure the first stays.
func (r *Result) doubt(c *eval.Check, at string, names ...string) {
	if c == nil || c.Trusted {
		return
	}
	if r.Doubts == nil {
		r.Doubts = map[string]string{}
	}
	for _, name := range names {
		if _, known := r.Doubts[name]; !known {
			r.Doubts[name] = at + strings.Join(c.Why, "; ")
		}
	}
}

// doubts returns a line of Markdown for each of the figures that runs of a method have
// doubts about: how many of the runs, and what the first of them says.
func doubts(results []Result, methods []string, figures []column) []string {
	var lines []string
	for _, m := range methods {
		for _, f := range figures {
			runs, s := 0, summary{}
			for _, r := range results {
				if !r.Trial && r.Task == f.task && r.Method == m {
					runs++
					s.add(r, f.value)
				}
			}
			if s.doubts > 0 {
				lines = append(lines, fmt.Sprintf("- %s of %s on %s, %d of %d runs; the first: %s.", f.value, m, f.task,
					s.doubts, runs, s.why))
			}
		}
	}
	return lines
}

// doubts returns those about the curves of a picture.
func (p Picture) doubts(g Grid, results []Result) []string {
	var figures []column
	p = p.filled(g)
	tasks := p.Tasks
	if p.Kind != kindDots {
		tasks = []string{p.Task}
	}
	for _, task := range tasks {
		for _, name := range p.Curves {
			figures = append(figures, column{task: task, value: name})
		}
	}
	return doubts(results, p.Methods, figures)
}

// footnote writes what is not to be trusted below a table or a picture.
func footnote(b *strings.Builder, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintf(b, "\n†: not to be trusted.\n\n%s\n", strings.Join(lines, "\n"))
	}
}
