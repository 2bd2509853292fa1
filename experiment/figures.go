package experiment

import (
	"fmt"
	"math"
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
	if len(methods) == 0 {
		for _, r := range all {
			methods = append(methods, r.Method)
		}
	}
	best, least := missing, math.Inf(1)
	for _, m := range methods {
		if s := over(all, task, m, value); s.n > 0 && s.doubts == 0 && s.mean < least {
			best, least = m, s.mean
		}
	}
	return best, err
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

// fill writes a text of the grid's page with the figures of its results. A name of a task or
// a method that the grid does not have, or of a value that nothing measures, is an error.
func (g Grid) fill(text string, results []Result) (string, error) {
	f := figures(func(string) ([]Result, error) { return results, nil })
	known := func(value, task string, methods ...string) error {
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
	tmpl, err := template.New("text").Funcs(template.FuncMap{
		"v": func(task, method, value string) (string, error) {
			if err := known(value, task, method); err != nil {
				return "", err
			}
			return f.value("", task, method, value)
		},
		"ratio": func(task, a, b, value string) (string, error) {
			if err := known(value, task, a, b); err != nil {
				return "", err
			}
			return f.ratio("", task, a, b, value)
		},
		"percent": func(task, a, b, value string) (string, error) {
			if err := known(value, task, a, b); err != nil {
				return "", err
			}
			return f.percent("", task, a, b, value)
		},
		"least": func(task, value string, methods ...string) (string, error) {
			if err := known(value, task, methods...); err != nil {
				return "", err
			}
			return f.least("", task, value, methods...)
		},
		"reach": func(task, method, cost string) (string, error) {
			if err := known(cost, task, method); err != nil {
				return "", err
			}
			return f.reach(g, "", task, method, cost)
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
	check("notes", g.Notes)
	for _, t := range g.Tables {
		check("table "+t.Title, t.Text)
	}
}
