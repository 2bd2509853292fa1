package experiment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"flowmatch/internal/choice"
)

// figures are the functions of templates. They write the figures of an experiment, whose
// results the function returns.
type figures func(experiment string) ([]Result, error)

// value writes mean ± standard deviation over the seeds.
func (f figures) value(name, task, method, value string) (string, error) {
	all, err := f(name)
	return Table{}.format(over(all, task, method, value)), err
}

// quotient writes that of the means of two methods, with the mark of one that is not to be
// trusted; a dash where one is missing.
func (f figures) quotient(name, task, a, b, value string, write func(q float64) string) (string, error) {
	all, err := f(name)
	x, y := over(all, task, a, value), over(all, task, b, value)
	if x.n == 0 || y.n == 0 || x.mean == 0 || err != nil {
		return missing, err
	}
	text := write(x.mean / y.mean)
	if x.doubts+y.doubts > 0 {
		text += mark
	}
	return text, nil
}

// ratio writes the quotient of the means of two methods, the first over the second.
func (f figures) ratio(name, task, a, b, value string) (string, error) {
	return f.quotient(name, task, a, b, value, func(q float64) string {
		if q >= 10 {
			return fmt.Sprintf("%.0f", q)
		}
		return fmt.Sprintf("%.2g", q)
	})
}

// percent writes the same as a percentage.
func (f figures) percent(name, task, a, b, value string) (string, error) {
	return f.quotient(name, task, a, b, value, func(q float64) string { return fmt.Sprintf("%.0f %%", 100*q) })
}

// least writes the method of the least mean that is to be trusted, of those named or of all.
func (f figures) least(name, task, value string, methods ...string) (string, error) {
	all, err := f(name)
	best, least := missing, math.Inf(1)
	for _, m := range orAll(methods, all) {
		if s := over(all, task, m, value); s.n > 0 && s.doubts == 0 && s.mean < least {
			best, least = m, s.mean
		}
	}
	return best, err
}

// orAll returns the methods named or, of none, those of the results, in their order.
func orAll(methods []string, all []Result) []string {
	if len(methods) > 0 {
		return methods
	}
	for _, r := range all {
		if !r.Trial && !slices.Contains(methods, r.Method) {
			methods = append(methods, r.Method)
		}
	}
	return methods
}

// best writes the methods of the least mean and those above it by no more than its spread over
// the seeds, of those named or of all; nothing where none is ahead.
func (f figures) best(name, task, value string, methods ...string) (string, error) {
	all, err := f(name)
	return list(leaders(orAll(methods, all), func(m string) summary { return over(all, task, m, value) })), err
}

// less says whether the mean of a is below that of b by more than the spread over the seeds.
func (f figures) less(name, task, a, b, value string) (bool, error) {
	all, err := f(name)
	return over(all, task, a, value).below(over(all, task, b, value)), err
}

// reach writes what the runs of the grid's [Reach] of a cost take to come as far as a method,
// as a share of what it takes.
func (f figures) reach(g Grid, name, task, method, cost string) (string, error) {
	for _, t := range g.Tables {
		if t.Reach != nil && t.Reach.Cost.Value == cost {
			all, err := f(name)
			return t.Reach.of(all, task, method).share(), err
		}
	}
	return "", fmt.Errorf("no table of %s asks what it takes to reach anything in %s", g.Title, cost)
}

// ahead writes for how many methods the mean of a task is below the figure that is published
// under a name, and of how many.
func (f figures) ahead(g Grid, name, task, published string) (string, error) {
	for _, t := range g.Tables {
		for _, p := range t.Published {
			if p.Name != published {
				continue
			}
			all, err := f(name)
			below, of := 0, 0
			for method, figures := range p.Rows {
				text, ok := figures[task]
				s := over(all, task, method, t.Value)
				if !ok || s.n == 0 {
					continue
				}
				theirs, wrong := strconv.ParseFloat(text, 64)
				if wrong != nil {
					return "", fmt.Errorf("%s is published as %s, which is no number", method, choice.Quote(text))
				}
				of++
				if s.mean < theirs {
					below++
				}
			}
			return fmt.Sprintf("%d of %d", below, of), err
		}
	}
	return "", fmt.Errorf("no table of %s has figures that are published as %s", g.Title, choice.Quote(published))
}

// knows reports a value that nothing of the grid measures, and a name of a task or a method
// that the grid does not have.
func (g Grid) knows(value, task string, methods ...string) error {
	if err := g.values().check(value); err != nil {
		return err
	}
	if err := choice.Check("task", task, names(g.Tasks)); err != nil {
		return err
	}
	for _, m := range methods {
		if err := choice.Check("method", m, names(g.Methods)); err != nil {
			return err
		}
	}
	return nil
}

// functions are those of templates, whose first argument is the name of an experiment.
type functions struct {
	figures
	// grid returns the grid of an experiment; ok is false where it is not known.
	grid func(name string) (g Grid, ok bool, err error)
}

// check reports names that the grid of an experiment does not have.
func (f functions) check(name, value, task string, methods ...string) error {
	g, ok, err := f.grid(name)
	if !ok || err != nil {
		return err
	}
	return g.knows(value, task, methods...)
}

func (f functions) value(name, task, method, value string) (string, error) {
	return checked(f.check(name, value, task, method), func() (string, error) {
		return f.figures.value(name, task, method, value)
	})
}

func (f functions) ratio(name, task, a, b, value string) (string, error) {
	return checked(f.check(name, value, task, a, b), func() (string, error) {
		return f.figures.ratio(name, task, a, b, value)
	})
}

func (f functions) percent(name, task, a, b, value string) (string, error) {
	return checked(f.check(name, value, task, a, b), func() (string, error) {
		return f.figures.percent(name, task, a, b, value)
	})
}

func (f functions) less(name, task, a, b, value string) (bool, error) {
	return checked(f.check(name, value, task, a, b), func() (bool, error) {
		return f.figures.less(name, task, a, b, value)
	})
}

func (f functions) least(name, task, value string, methods ...string) (string, error) {
	return checked(f.check(name, value, task, methods...), func() (string, error) {
		return f.figures.least(name, task, value, methods...)
	})
}

func (f functions) best(name, task, value string, methods ...string) (string, error) {
	return checked(f.check(name, value, task, methods...), func() (string, error) {
		return f.figures.best(name, task, value, methods...)
	})
}

func (f functions) reach(name, task, method, cost string) (string, error) {
	g, ok, err := f.grid(name)
	if !ok && err == nil {
		err = fmt.Errorf("there is no grid of %s that asks what it takes to reach anything", name)
	}
	if err == nil {
		err = g.knows(cost, task, method)
	}
	return checked(err, func() (string, error) { return f.figures.reach(g, name, task, method, cost) })
}

// table writes a table with a row for each method, in which the leaders of each column are
// bold.
func (f functions) table(name string, methods []string, columns ...column) (string, error) {
	for _, c := range columns {
		if err := f.check(name, c.value, c.task, methods...); err != nil {
			return "", err
		}
	}
	all, err := f.figures(name)
	var b strings.Builder
	Table{Methods: methods, Less: true}.rows(&b, columns, all)
	return strings.TrimRight(b.String(), "\n"), err
}

// checked returns what do returns, unless there is an error already.
func checked[T any](err error, do func() (T, error)) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return do()
}

// fill writes a text of the grid's page with the figures of its results. A name of a task or
// a method that the grid does not have, or of a value that nothing measures, is an error.
func (g Grid) fill(text string, results []Result) (string, error) {
	f := functions{
		figures: func(string) ([]Result, error) { return results, nil },
		grid:    func(string) (Grid, bool, error) { return g, true, nil },
	}
	tmpl, err := template.New("text").Funcs(template.FuncMap{
		"v":       func(task, method, value string) (string, error) { return f.value("", task, method, value) },
		"ratio":   func(task, a, b, value string) (string, error) { return f.ratio("", task, a, b, value) },
		"percent": func(task, a, b, value string) (string, error) { return f.percent("", task, a, b, value) },
		"less":    func(task, a, b, value string) (bool, error) { return f.less("", task, a, b, value) },
		"least": func(task, value string, methods ...string) (string, error) {
			return f.least("", task, value, methods...)
		},
		"best": func(task, value string, methods ...string) (string, error) {
			return f.best("", task, value, methods...)
		},
		"reach": func(task, method, cost string) (string, error) { return f.reach("", task, method, cost) },
		"ahead": func(task, published string) (string, error) {
			if err := choice.Check("task", task, names(g.Tasks)); err != nil {
				return "", err
			}
			return f.ahead(g, "", task, published)
		},
	}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("experiment: %w", err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, nil); err != nil {
		return "", fmt.Errorf("experiment: %w", err)
	}
	return b.String(), nil
}

// templates reports texts that cannot be filled in.
func (f *faults) templates(g Grid) {
	check := func(where, text string) {
		if _, err := g.fill(text, nil); err != nil {
			f.add("%s: %w", where, err)
		}
	}
	check("finding", g.Finding)
	check("notes", g.Notes)
	for _, t := range g.Tables {
		check("table "+t.Title, t.Text)
	}
}
