package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/table"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/model"
	"flowmatch/run"
)

// column is one number for each point, beside its coordinates.
type column struct {
	name   string
	values []float64
}

// writeSamples writes what the ending of file asks for and returns the files. cols are
// the columns of a grid, 0 for any.
func (a *app) writeSamples(r *run.Run, file, ext string, s model.Samples, p eval.Prompt, cols int) ([]string, error) {
	if ext == ".png" {
		return []string{file}, atomicfile.WriteFile(file, func(w io.Writer) error {
			if p.OfImages() {
				return r.DrawPrompt(w, s.X, p)
			}
			return r.DrawPoints(w, s.X, p.Given.Label, cols, run.PictureOptions{NoData: a.noData})
		})
	}
	var extra []column
	if label := p.Given.Label; label != nil {
		// Where the names of the classes are numbers, these are the labels of the file.
		numbers, named := data.ClassNumbers(r.ClassNames())
		values := make([]float64, len(label))
		for i, l := range label {
			if values[i] = float64(l); named {
				values[i] = float64(numbers[l])
			}
		}
		// A table gets the label under the name that it has there, so that it goes back in.
		name := dataset.LabelColumn
		if of := r.Model.Spec().LabelName; of != "" && ext == ".csv" {
			name = of
		}
		extra = append(extra, column{name, values})
	}
	if s.LogP != nil {
		extra = append(extra, column{"logp", s.LogP})
	}
	if ext == ".npy" {
		return writeNPY(file, s.X, extra)
	}
	return []string{file}, writeCSV(file, columnNames(r.Model.Spec()), s.X, extra)
}

// noData reports that a picture shows the model alone.
func (a *app) noData(err error) {
	a.settle()
	fmt.Fprintf(a.stderr, "the picture shows the model alone, for the data cannot be opened: %s\n",
		plain(err.Error()))
}

// writeNPY writes the points, and beside them a file for each column.
func writeNPY(file string, x flow.Batch, extra []column) ([]string, error) {
	files := []string{file}
	if err := table.WriteNPY(file, x); err != nil {
		return nil, err
	}
	for _, c := range extra {
		beside := strings.TrimSuffix(file, filepath.Ext(file)) + "." + c.name + ".npy"
		if err := table.WriteNPY(beside, flow.Batch{N: x.N, D: 1, X: c.values}); err != nil {
			return nil, err
		}
		files = append(files, beside)
	}
	return files, nil
}

func writeCSV(file string, names []string, x flow.Batch, extra []column) error {
	for _, c := range extra {
		names = append(names, c.name)
	}
	all := flow.NewBatch(x.N, len(names))
	for i := range x.N {
		row := all.Row(i)
		copy(row, x.Row(i))
		for k, c := range extra {
			row[x.D+k] = c.values[i]
		}
	}
	return table.WriteCSV(file, names, all)
}

// columnNames returns the names of the coordinates: those of the table that the
// model was trained on, else c0, c1, and so on, as nameless files are read.
func columnNames(spec model.Spec) []string {
	if spec.Columns != nil {
		return slices.Clone(spec.Columns)
	}
	names := make([]string, spec.Net.Dim)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	return names
}
