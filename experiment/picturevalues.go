package experiment

import (
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
