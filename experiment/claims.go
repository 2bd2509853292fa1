package experiment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"text/template"
)

// WriteClaims writes the page that answers claims with figures. text is a template, such
// as [Claims] returns, whose functions take an experiment, a task and a method, and end
// with a value:
//
//	v          mean ± standard deviation over the seeds
//	ratio      of the means of two methods, the first over the second
//	percent    the same as a percentage
//	least      takes no method, or several at the end: which has the least mean
//	best       the same, with those above it by no more than its standard deviation; nothing
//	           where none is ahead
//	less       says whether the mean of the first of two methods is below that of the second by
//	           more than the larger of their standard deviations
//	reach      with one method and a cost: what the runs of the experiment's [Reach] of that
//	           cost take to come as far as the method, as a share of what it takes
//
//	table      takes an experiment, methods and columns, {{table NAME (methods A B) (column TASK
//	           VALUE TITLE)}}, and writes a row for each method
//
// The figures come from the results in the folder docs; what is not there is a dash, and
// what is not to be trusted has a mark, explained at the end. A name that the grid of an
// experiment which comes with the program does not have is an error.
func WriteClaims(w io.Writer, text, docs string) error {
	known, parsed := map[string][]Result{}, map[string]Grid{}
	f := figures(func(name string) ([]Result, error) {
		if _, ok := known[name]; !ok {
			r, err := ReadResults(filepath.Join(docs, name+".json"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			known[name] = r
		}
		return known[name], nil
	})
	all := functions{figures: f, grid: func(name string) (g Grid, ok bool, err error) {
		if !slices.Contains(Known(), name) {
			return g, false, nil
		}
		if _, ok := parsed[name]; !ok {
			text, err := KnownText(name)
			if err != nil {
				return g, true, err
			}
			if parsed[name], err = Parse(text); err != nil {
				return g, true, err
			}
		}
		return parsed[name], true, nil
	}}
	tmpl, err := template.New("claims").Funcs(template.FuncMap{
		"v": all.value, "ratio": all.ratio, "percent": all.percent, "least": all.least, "best": all.best,
		"less": all.less, "reach": all.reach, "table": all.table,
		"methods": func(names ...string) []string { return names },
		"column":  func(task, value, title string) column { return column{title, task, value} },
	}).Parse(text)
	if err != nil {
		return fmt.Errorf("experiment: claims: %w", err)
	}
	var b bytes.Buffer
	if err := tmpl.Execute(&b, nil); err != nil {
		return fmt.Errorf("experiment: claims: %w", err)
	}
	if bytes.Contains(b.Bytes(), []byte(mark)) {
		b.WriteString("\n†: not to be trusted; the page of the experiment says why.\n")
	}
	_, err = w.Write(b.Bytes())
	return err
}
