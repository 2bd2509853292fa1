package experiment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"text/template"
)

// WriteClaims writes the page that answers claims with figures. text is a template, such
// as [Claims] returns, whose functions take an experiment, a task and a method, and end
// with a value:
//
//	v          mean ± standard deviation over the seeds
//	ratio      of the means of two methods, the first over the second
//	percent    the same as a percentage
//
// The figures come from the results in the folder docs; what is not there is a dash.
func WriteClaims(w io.Writer, text, docs string) error {
	known := map[string][]Result{}
	results := func(name string) ([]Result, error) {
		if _, ok := known[name]; !ok {
			r, err := ReadResults(filepath.Join(docs, name+".json"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			known[name] = r
		}
		return known[name], nil
	}
	quotient := func(name, task, a, b, value string) (float64, error) {
		all, err := results(name)
		if err != nil {
			return 0, err
		}
		x, y := over(all, task, a, value), over(all, task, b, value)
		if x.n == 0 || y.n == 0 {
			return 0, nil
		}
		return x.mean / y.mean, nil
	}
	tmpl, err := template.New("claims").Funcs(template.FuncMap{
		"v": func(name, task, method, value string) (string, error) {
			all, err := results(name)
			return Table{}.format(over(all, task, method, value)), err
		},
		"ratio": func(name, task, a, b, value string) (string, error) {
			q, err := quotient(name, task, a, b, value)
			if q == 0 {
				return missing, err
			}
			if q >= 10 {
				return fmt.Sprintf("%.0f", q), err
			}
			return fmt.Sprintf("%.2g", q), err
		},
		"percent": func(name, task, a, b, value string) (string, error) {
			q, err := quotient(name, task, a, b, value)
			if q == 0 {
				return missing, err
			}
			return fmt.Sprintf("%.0f %%", 100*q), err
		},
	}).Parse(text)
	if err != nil {
		return fmt.Errorf("experiment: claims: %w", err)
	}
	if err := tmpl.Execute(w, nil); err != nil {
		return fmt.Errorf("experiment: claims: %w", err)
	}
	return nil
}
