package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data/table"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/run"
)

// writeSamples writes what the ending of --out asks for and returns the files, and what is to
// be known of them. p is what the samples were drawn for.
func (a *app) writeSamples(f *sampleFlags, r *run.Run, ext string, d run.Drawn, p eval.Prompt) (
	wrote, warnings []string, err error,
) {
	file := f.out
	if ext != ".png" {
		rows, err := f.rowsOf(r, d)
		if err != nil {
			return nil, nil, err
		}
		return writeRows(file, ext, rows)
	}
	return []string{file}, nil, atomicfile.WriteFile(file, func(w io.Writer) error {
		if p.OfImages() {
			return r.DrawPrompt(w, d.X, p)
		}
		o := run.PictureOptions{NoData: a.noData}
		if d.X.N > 0 && d.Context.N > 0 && len(distinct(d.Context)) == 1 {
			o.Given = d.Context.Slice(0, 1)
		}
		return r.DrawPoints(w, d.X, d.Label, f.cols, o)
	})
}

// writeRows writes samples as a file of numbers or a table, and returns the files and what is to be known
// of them.
func writeRows(file, ext string, rows run.Rows) (wrote, warnings []string, err error) {
	if ext == ".npy" {
		wrote, err = writeNPY(file, rows.X, rows.Beside)
		return wrote, nil, err
	}
	wrote = []string{file}
	if err := atomicfile.WriteFile(file, rows.CSV); err != nil || !rows.Wide {
		return wrote, rows.Notes, err
	}
	beside, note, err := writeWide(file, rows.Beside[len(rows.Beside)-1].X)
	return append(wrote, beside), append([]string{note}, rows.Notes...), err
}

// writeWide writes contexts of too many numbers for columns beside the file of their samples, and says so.
func writeWide(file string, given flow.Batch) (beside, note string, err error) {
	beside = besideNPY(file, "given")
	note = fmt.Sprintf("the context has %d numbers, which are in %s and not in the columns of the samples", given.D,
		beside)
	return beside, note, table.WriteNPY(beside, given)
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

// noData reports that a picture shows the model alone.
func (a *app) noData(err error) {
	a.settle()
	fmt.Fprintf(a.stderr, "the picture shows the model alone, for the data cannot be opened: %s\n",
		plain(err.Error()))
}

// writeNPY writes points, and beside them a file for each array.
func writeNPY(file string, x flow.Batch, beside []run.Array) ([]string, error) {
	files := []string{file}
	if err := table.WriteNPY(file, x); err != nil {
		return nil, err
	}
	for _, a := range beside {
		name := besideNPY(file, a.Name)
		if err := table.WriteNPY(name, a.X); err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	return files, nil
}

// besideNPY is the file of an array beside the NPY file of the points.
func besideNPY(file, name string) string {
	return strings.TrimSuffix(file, filepath.Ext(file)) + "." + name + ".npy"
}
