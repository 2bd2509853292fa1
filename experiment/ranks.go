package experiment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"flowmatch/internal/stat"
)

// RankColumn is a value by which the methods of a table are ranked: less is better.
type RankColumn struct {
	Value string `yaml:"value"`
	Title string `yaml:"title"`
	// Least is what values below it count as: of C2ST 0.5, for less is chance.
	Least *float64 `yaml:"least"`
}

// ranks are the places, from 1 on, of the methods of a table by the means of a value on a task, nil where none has it.
// Equals share the mean of their places, and so do all that have no figure, at the end.
func (t Table) ranks(results []Result, task string, c RankColumn) []float64 {
	type entry struct {
		method int
		mean   float64
		has    bool
	}
	var all []entry
	found := false
	for k, m := range t.Methods {
		s := over(results, task, m, c.Value)
		if c.Least != nil {
			s.mean = max(s.mean, *c.Least)
		}
		all = append(all, entry{k, s.mean, s.n > 0})
		found = found || s.n > 0
	}
	if !found {
		return nil
	}
	order := func(a, b entry) int {
		switch {
		case a.has && b.has:
			return cmp.Compare(a.mean, b.mean)
		case a.has:
			return -1
		case b.has:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, order)
	places := make([]float64, len(all))
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && order(all[from], all[to]) == 0 {
			to++
		}
		for _, e := range all[from:to] {
			places[e.method] = float64(from+1+to) / 2
		}
		from = to
	}
	return places
}

// rankRows writes the mean rank of each method by each value over the tasks, and over all of them.
func (t Table) rankRows(b *strings.Builder, results []Result) {
	head, rule := []string{"method"}, []string{"---"}
	byColumn := make([][][]float64, len(t.Ranks)) // of each column the ranks of each method
	all := make([][]float64, len(t.Methods))
	for k, c := range t.Ranks {
		head, rule = append(head, cmp.Or(c.Title, c.Value)), append(rule, "---:")
		byColumn[k] = make([][]float64, len(t.Methods))
		for _, task := range t.Tasks {
			for m, place := range t.ranks(results, task, c) {
				byColumn[k][m] = append(byColumn[k][m], place)
				all[m] = append(all[m], place)
			}
		}
	}
	row(b, append(head, "all"))
	row(b, append(rule, "---:"))
	write := func(places []float64) string {
		if len(places) == 0 {
			return missing
		}
		return fmt.Sprintf("%.2f", stat.Mean(places))
	}
	for m, name := range t.Methods {
		cells := []string{name}
		for k := range t.Ranks {
			cells = append(cells, write(byColumn[k][m]))
		}
		row(b, append(cells, write(all[m])))
	}
}

// beyond returns the limit that the runs of a method would have gone over, in the place of a figure; empty: none.
func beyond(results []Result, task, method, value string) string {
	for _, r := range results {
		if r.Trial || r.Task != task || r.Method != method {
			continue
		}
		for _, m := range tabularMeasures() {
			if limit, ok := r.Over[m.name]; ok && among(value, m.recorded.values) {
				return limit
			}
		}
	}
	return ""
}
