package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/seed"
	"flowmatch/run"
)

// points are what logp evaluates, in data units.
type points struct {
	x     flow.Batch
	given flow.Given
	name  string
	// set is what there is to know of the law of the points: whether they are dequantised,
	// and their density where they are drawn from the law of the training data.
	set   *data.Set
	notes []string               // what is to be known of the file
	where func(point int) string // where a point is in it; nil: they are of none
	index []int                  // the numbers of the points, of which these are some; nil: these are all
}

// points reads or draws what the flags name.
func (f *logpFlags) points(cmd *cobra.Command, r *run.Run) (points, error) {
	if f.dataset != "" {
		return f.draw(r)
	}
	return f.read(cmd, r)
}

func (f *logpFlags) draw(r *run.Run) (points, error) {
	p := points{name: fmt.Sprintf("%d points of %s", f.n, f.dataset), set: &data.Set{Name: f.dataset}}
	law, own := dataset.Config{Name: f.dataset, Space: r.Config.Space}, f.dataset == r.Config.Data.Name
	if own {
		law = r.Config.Data
	}
	d, err := law.Law()
	if err != nil {
		return points{}, usageError{err}
	}
	if d.Dim() != r.Model.Dim() {
		return points{}, usagef("%s has %d dimensions, but %s was trained on %d",
			f.dataset, d.Dim(), r.Dir, r.Model.Dim())
	}
	if exact, ok := d.(data.LogProber); ok && own {
		p.set.Density, p.set.Standardizer = data.Standardized(exact,
			r.Model.Spec().Standardizer), r.Model.Spec().Standardizer
	}
	p.x = flow.NewBatch(f.n, d.Dim())
	rng := seed.Rand(r.Config.Seed, "flowmatch/logp", 0)
	l, labelled := d.(data.Labelled)
	if !r.Conditional() || !labelled || l.Classes() == 0 {
		d.Sample(p.x, rng)
		return p, nil
	}
	p.given = flow.NewGiven(f.n, true, 0)
	l.SampleLabelled(p.x, p.given.Label, rng)
	return p, nil
}

// read reads --data as the kind of file that the run was trained on; a run of a
// synthetic set takes tables.
func (f *logpFlags) read(cmd *cobra.Command, r *run.Run) (points, error) {
	spec, was := r.Model.Spec(), r.Config.Data
	if f.labels != "" && !r.Conditional() {
		return points{}, usagef("--labels is for conditional models, and %s is not one", r.Dir)
	}
	like := dataset.Like{
		Shape: spec.Shape, Columns: spec.Columns, LabelName: spec.LabelName, ClassNames: spec.ClassNames,
		Schema: spec.Schema, Space: spec.Space,
	}
	names := spec.Columns
	if spec.Space != nil {
		names = spec.Space.Columns
	}
	if !cmd.Flags().Changed("label") { // else those of the file are passed over
		like.Classes = spec.Net.Classes
	}
	if spec.Schema == nil && f.data != was.Path && sampled(f.data, names) {
		was.Header = new(true)
	}
	read := func() (dataset.Points, error) {
		return was.Points(f.data, f.labels, like, seed.Rand(r.Config.Seed, "flowmatch/logp", 0))
	}
	got, err := read()
	if like.Classes > 0 && data.IsMissing(err, spec.LabelName) && f.labelled(r) {
		like.Classes = 0 // they come with the contexts
		got, err = read()
	}
	p := points{name: f.data, x: got.X, given: got.Given, notes: got.Notes, where: got.Where}
	p.set = &data.Set{Name: f.data, Dequantized: got.Dequantized}
	if like.Classes > 0 && data.IsMissing(err, spec.LabelName) {
		return p, f.noLabels(err)
	}
	if err != nil && strings.Contains(err.Error(), "(data.header)") {
		err = fmt.Errorf("%w; here: --set data.header=true, or false", err)
	}
	return p, ofFile(err)
}

// labelled says whether the file of --given has classes.
func (f *logpFlags) labelled(r *run.Run) bool {
	spec := r.Model.Spec()
	label, err := dataset.ContextLabels(f.given, spec.ContextColumns, dataset.Like{LabelName: spec.LabelName,
		ClassNames: spec.ClassNames, Classes: spec.Net.Classes})
	return f.given != "" && err == nil && label != nil
}

// noLabels says what would give the points of --data their labels, which err says are missing.
func (f *logpFlags) noLabels(err error) error {
	const one = "--label where all points are of one class"
	if f.data == "" || isText(f.data) || strings.EqualFold(filepath.Ext(f.data), ".parquet") {
		return usagef("%w; give %s", err, one)
	}
	if beside := besideNPY(f.data, "label"); strings.EqualFold(filepath.Ext(f.data), ".npy") {
		if _, missing := os.Stat(beside); missing == nil {
			return usagef("%w; give --labels %s, which lies beside it", err, beside)
		}
	}
	return usagef("%w; give --labels FILE, or %s", err, one)
}

// isText says whether a file is a table of text, by its name.
func isText(file string) bool {
	ext := filepath.Ext(strings.TrimSuffix(strings.ToLower(file), ".gz"))
	return slices.Contains([]string{".csv", ".tsv", ".txt"}, ext)
}

// sampled says whether a text file begins with the columns of a model as samples do, whatever
// the file looks like that it was trained on: separated by commas, under their names.
func sampled(file string, columns []string) bool {
	if columns == nil || !strings.EqualFold(filepath.Ext(file), ".csv") {
		return false
	}
	f, err := atomicfile.Open(file)
	if err != nil {
		return false // which is told where the points are read
	}
	defer f.Close()
	const most = 1 << 20
	head, err := csv.NewReader(io.LimitReader(f, most)).Read()
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(head, c) })
}

// ofFile marks an error as one of usage where the file named is not there, or as a whole is
// not what is wanted: one of other columns, say. One with a fault in some place is broken.
func ofFile(err error) error {
	if fault, ok := errors.AsType[*data.FileError](err); ok && fault.Where == "" {
		return usageError{err}
	}
	return asUsage(err, fs.ErrNotExist)
}

// some keeps the points of these numbers, in their order.
func (p *points) some(index []int) {
	where := p.where
	p.x, p.given, p.index = p.x.Rows(index), p.given.Rows(index), index
	p.where = func(i int) string {
		if where != nil {
			return where(index[i])
		}
		return fmt.Sprintf("point %d", index[i]+1)
	}
}

// numbers returns the numbers that points have where all of them are.
func (p *points) numbers(of []int) []int {
	if p.index == nil {
		return of
	}
	var numbers []int
	for _, i := range of {
		numbers = append(numbers, p.index[i])
	}
	return numbers
}
