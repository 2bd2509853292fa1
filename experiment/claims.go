package experiment

import (
	"bytes"
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
//	least      takes no method, or several at the end: which has the least mean
//	reach      with one method and a cost: what the runs of the experiment's [Reach] of that
//	           cost take to come as far as the method, as a share of what it takes
//
// The figures come from the results in the folder docs; what is not there is a dash, and
// what is not to be trusted has a mark, explained at the end.
func WriteClaims(w io.Writer, text, docs string) error {
	known := map[string][]Result{}
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
	tmpl, err := template.New("claims").Funcs(template.FuncMap{
		"v": f.value, "ratio": f.ratio, "percent": f.percent, "least": f.least,
		"reach": func(name, task, method, cost string) (string, error) {
			text, err := KnownText(name)
			if err != nil {
				return "", err
			}
			g, err := Parse(text)
			if err != nil {
				return "", err
			}
			return f.reach(g, name, task, method, cost)
		},
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
