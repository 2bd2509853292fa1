package experiment

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"flowmatch/plot"
)

// values returns a line for each method and name of p.Curves through the values NAME_N of the
// results, such as w2_1, w2_2 and w2_4, against N.
func (p Picture) values(results []Result) (series []plot.Series) {
	for _, m := range p.Methods {
		for _, name := range p.Curves {
			at := map[int][]float64{}
			for _, r := range results {
				if r.Trial || r.Task != p.Task || r.Method != m {
					continue
				}
				for key, v := range r.Values {
					rest, ok := strings.CutPrefix(key, name+"_")
					if n, err := strconv.Atoi(rest); ok && err == nil {
						at[n] = append(at[n], v)
					}
				}
			}
			s := plot.Series{Name: m}
			if len(p.Curves) > 1 {
				s.Name += ", " + name
			}
			var places []int
			for n := range at {
				places = append(places, n)
			}
			slices.Sort(places)
			for _, n := range places {
				mean, sd := meanStd(at[n])
				s.X, s.Y, s.SD = append(s.X, float64(n)), append(s.Y, mean), append(s.SD, sd)
			}
			if len(places) > 0 {
				series = append(series, s)
			}
		}
	}
	return series
}

// logFrom is the ratio of values from which their axis is logarithmic.
const logFrom = 8

// drawDots draws the means of values, a row for each method and a panel for each task.
func (p Picture) drawDots(w io.Writer, results []Result) error {
	rows := slices.DeleteFunc(slices.Clone(p.Methods), func(m string) bool {
		return !slices.ContainsFunc(p.Tasks, func(task string) bool { return len(p.dots(results, task, m)) > 0 })
	})
	if len(rows) == 0 {
		return errEmpty
	}
	var panels []plot.DotPanel
	linear := true
	for _, task := range p.Tasks {
		panel := plot.DotPanel{Lines: p.in(task).floors(results)}
		if len(p.Tasks) > 1 {
			panel.Title = task
		}
		var all []float64
		for _, l := range panel.Lines {
			all = append(all, l.Y)
		}
		some := false
		for _, m := range rows {
			dots := p.dots(results, task, m)
			for _, d := range dots {
				some, all = true, append(all, d.X)
			}
			panel.Rows = append(panel.Rows, dots)
		}
		if some {
			panels = append(panels, panel)
			linear = linear && !(slices.Min(all) > 0 && slices.Max(all) > logFrom*slices.Min(all))
			p.LinearX = p.LinearX || slices.Min(all) <= 0
		}
	}
	return plot.DotPlot(w, rows, panels, plot.DotOptions{XName: p.XName, LinearX: linear || p.LinearX})
}

// in returns the picture of a task.
func (p Picture) in(task string) Picture {
	p.Task = task
	return p
}

// dots are those of a row: the values of a method.
func (p Picture) dots(results []Result, task, method string) (dots []plot.Dot) {
	for _, name := range p.Curves {
		s := over(results, task, method, name)
		if s.n == 0 {
			continue
		}
		d := plot.Dot{X: s.mean, SD: s.std}
		if len(p.Curves) > 1 {
			d.Name = strings.ReplaceAll(name, "_", " ")
		}
		dots = append(dots, d)
	}
	return dots
}
