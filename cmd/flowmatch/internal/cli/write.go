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
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/run"
)

// column is one number for each point, beside its coordinates.
type column struct {
	name   string
	values []float64
}

// writeSamples writes what the ending of file asks for and returns the files, and what is to
// be known of them. context is what they are given, in data units. cols are the columns of a grid, 0 for any.
func (a *app) writeSamples(r *run.Run, file, ext string, s model.Samples, p eval.Prompt, context flow.Batch,
	cols int) (wrote, warnings []string, err error) {
	if ext == ".png" {
		return []string{file}, nil, atomicfile.WriteFile(file, func(w io.Writer) error {
			if p.OfImages() {
				return r.DrawPrompt(w, s.X, p)
			}
			o := run.PictureOptions{NoData: a.noData}
			if s.X.N > 0 && context.N > 0 && len(distinct(context)) == 1 {
				o.Given = context.Slice(0, 1)
			}
			return r.DrawPoints(w, s.X, p.Given.Label, cols, o)
		})
	}
	if sch := r.Model.Spec().Schema; sch != nil {
		return []string{file}, nil, writeTyped(file, ext, sch, rowsOf(sch, s.X, sch.Rows))
	}
	extra, given := extraColumns(r, s, p), givenColumns(r.Model.Spec(), context)
	if ext == ".npy" {
		wrote, err = writeNPY(file, s.X, extra, given)
		return wrote, nil, err
	}
	wrote = []string{file}
	if len(given) > mostGivenColumns { // an image, say: no table is to be as wide
		beside, err := writeGiven(file, s.X.N, given)
		if err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, fmt.Sprintf("the context has %d numbers, which are in %s and not in the columns "+
			"of the samples", len(given), beside))
		wrote, given = append(wrote, beside), nil
	}
	names := columnNames(r.Model.Spec())
	for _, c := range given {
		names = append(names, c.name)
	}
	extra = append(given, extra...)
	for i, c := range extra[len(given):] {
		if i == 0 && p.Given.Label != nil && r.Model.Spec().LabelName != "" {
			c.name = r.Model.Spec().LabelName // so that the labels go back in
		} else if free := freeName(c.name, names); free != c.name {
			warnings = append(warnings, fmt.Sprintf("the data have a column %s: that of the %s of the samples is "+
				"called %s", choice.Quote(c.name), c.name, choice.Quote(free)))
			c.name = free
		}
		names = append(names, c.name)
	}
	return wrote, warnings, writeCSV(file, names, s.X, extra)
}

// mostGivenColumns is how many numbers of a context stand in the columns of a table of samples.
const mostGivenColumns = 100

// writeGiven writes contexts as an array beside a file, and returns its name.
func writeGiven(file string, n int, given []column) (string, error) {
	all, beside := flow.NewBatch(n, len(given)), besideNPY(file, "given")
	for k, c := range given {
		for i, v := range c.values {
			all.Row(i)[k] = v
		}
	}
	return beside, table.WriteNPY(beside, all)
}

// distinct returns the numbers of the rows that differ from the one before.
func distinct(b flow.Batch) (rows []int) {
	for i := range b.N {
		if i == 0 || !slices.Equal(b.Row(i), b.Row(i-1)) {
			rows = append(rows, i)
		}
	}
	return rows
}

// givenColumns returns contexts in data units by their names.
func givenColumns(spec model.Spec, context flow.Batch) (given []column) {
	for k, name := range spec.ContextColumns {
		values := make([]float64, context.N)
		for i := range values {
			values[i] = context.Row(i)[k]
		}
		given = append(given, column{name, values})
	}
	return given
}

// extraColumns returns what samples have beside their coordinates.
func extraColumns(r *run.Run, s model.Samples, p eval.Prompt) (extra []column) {
	if label := p.Given.Label; label != nil {
		// Where the names of the classes are numbers, these are the labels of the file.
		numbers, named := data.ClassNumbers(r.ClassNames())
		values := make([]float64, len(label))
		for i, l := range label {
			if values[i] = float64(l); named {
				values[i] = float64(numbers[l])
			}
		}
		extra = append(extra, column{dataset.LabelColumn, values})
	}
	if s.LogP != nil {
		extra = append(extra, column{"logp", s.LogP})
	}
	return extra
}

// freeName returns a name that is none of those taken: name itself, or with a number.
func freeName(name string, taken []string) string {
	free := name
	for i := 2; slices.Contains(taken, free); i++ {
		free = fmt.Sprintf("%s_%d", name, i)
	}
	return free
}

// noData reports that a picture shows the model alone.
func (a *app) noData(err error) {
	a.settle()
	fmt.Fprintf(a.stderr, "the picture shows the model alone, for the data cannot be opened: %s\n",
		plain(err.Error()))
}

// writeNPY writes the points, and beside them a file for each column, and one for all that
// they are given.
func writeNPY(file string, x flow.Batch, extra, given []column) ([]string, error) {
	files := []string{file}
	if err := table.WriteNPY(file, x); err != nil {
		return nil, err
	}
	for _, c := range extra {
		beside := besideNPY(file, c.name)
		if err := table.WriteNPY(beside, flow.Batch{N: x.N, D: 1, X: c.values}); err != nil {
			return nil, err
		}
		files = append(files, beside)
	}
	if given == nil {
		return files, nil
	}
	beside, err := writeGiven(file, x.N, given)
	return append(files, beside), err
}

// besideNPY is the file of a column beside the NPY file of the points.
func besideNPY(file, column string) string {
	return strings.TrimSuffix(file, filepath.Ext(file)) + "." + column + ".npy"
}

// writeCSV writes the points and what is beside them; names are those of all columns.
func writeCSV(file string, names []string, x flow.Batch, extra []column) error {
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
