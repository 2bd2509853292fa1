package experiment

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Reach asks what it takes to come as far as each method of a table. The runs are those of
// one method, each longer than the one before. Of each seed the cheapest run counts that
// has a value no greater than that of the method in the table: the share is its cost in
// that of the method, of the same task and seed, whose runs are made one after the other.
// A run whose value is not to be trusted does not count.
type Reach struct {
	Value Column   `yaml:"value"` // what is reached, such as nll: less is better
	Cost  Column   `yaml:"cost"`  // what it takes, such as seconds
	Runs  []string `yaml:"runs"`  // methods
	Name  string   `yaml:"name"`  // of the runs, in the heading
}

// reach reports what is wrong with a Reach, if the table has one.
func (f *faults) reach(t Table, methods []string) {
	r := t.Reach
	if r == nil {
		return
	}
	if r.Value.Value == "" || r.Cost.Value == "" || r.Name == "" || len(r.Runs) == 0 {
		f.add("table %q: reach needs a value, a cost, runs and their name", t.Title)
	}
	if t.Less || t.Floor != "" || len(t.Published) > 0 {
		f.add("table %q: less, floor and published have no meaning beside reach; remove them", t.Title)
	}
	f.known("table "+t.Title+", reach", "method", methods, r.Runs...)
}

// reached is what it took to come as far as a method, over the seeds.
type reached struct {
	costs  []float64 // of the runs, where they came so far
	shares []float64 // in the costs of the method
	seeds  int       // of the method
	doubts int       // how many of its values are not to be trusted
}

// of returns what it took to come as far as a method on a task.
func (r Reach) of(results []Result, task, method string) reached {
	var out reached
	for _, goal := range results {
		value, ok := goal.Values[r.Value.Value]
		theirs, priced := goal.Values[r.Cost.Value]
		if goal.Trial || goal.Task != task || goal.Method != method || !ok || !priced {
			continue
		}
		out.seeds++
		if _, doubted := goal.Doubts[r.Value.Value]; doubted {
			out.doubts++
		}
		least := math.Inf(1)
		for _, run := range results {
			if cost, ok := r.price(run, value); ok && run.Task == task && run.Seed == goal.Seed {
				least = min(least, cost)
			}
		}
		if !math.IsInf(least, 1) {
			out.costs, out.shares = append(out.costs, least), append(out.shares, least/theirs)
		}
	}
	return out
}

// price returns the cost of a result that is one of the runs, and has come as far as value.
func (r Reach) price(of Result, value float64) (cost float64, ok bool) {
	got, measured := of.Values[r.Value.Value]
	cost, priced := of.Values[r.Cost.Value]
	_, doubted := of.Doubts[r.Value.Value]
	return cost, measured && priced && !doubted && !of.Trial && slices.Contains(r.Runs, of.Method) && got <= value
}

// share writes the median of the shares, with the least and the largest, or how many seeds
// did not come so far. A mark says that what is reached is not to be trusted.
func (r reached) share() string {
	if r.seeds == 0 {
		return missing
	}
	text := fmt.Sprintf("not reached by %d of %d seeds", r.seeds-len(r.shares), r.seeds)
	if len(r.shares) == r.seeds {
		v := slices.Sorted(slices.Values(r.shares))
		text = fmt.Sprintf("%.2g (%.2g to %.2g)", median(v), v[0], v[len(v)-1])
	}
	if r.doubts > 0 {
		text += mark
	}
	return text
}

// median returns the middle of sorted numbers.
func median(v []float64) float64 { return (v[(len(v)-1)/2] + v[len(v)/2]) / 2 }

// reach writes the table of a task.
func (t Table) reach(b *strings.Builder, task string, results []Result) {
	r := *t.Reach
	value, cost := cmp.Or(r.Value.Title, r.Value.Value), cmp.Or(r.Cost.Title, r.Cost.Value)
	row(b, []string{"method", value, cost, fmt.Sprintf("%s of %s to that %s", cost, r.Name, value),
		"share: median (least to most)"})
	row(b, []string{"---", "---:", "---:", "---:", "---:"})
	for _, m := range t.Methods {
		got := r.of(results, task, m)
		costs := summary{}
		if len(got.costs) == got.seeds {
			costs.n = got.seeds
			costs.mean, costs.std = meanStd(got.costs)
		}
		row(b, []string{m, t.format(over(results, task, m, r.Value.Value)),
			t.format(over(results, task, m, r.Cost.Value)), t.format(costs), got.share()})
	}
	footnote(b, doubts(results, t.Methods, []column{{value, task, r.Value.Value}, {cost, task, r.Cost.Value}}))
}
