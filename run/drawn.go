package run

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/model"
)

// Drawn are samples in data units, and what belongs to each.
type Drawn struct {
	X       flow.Batch // [N, D]
	Label   []int32    // the class of each; nil: they have none
	LogP    []float64  // nats; nil: not known
	Context flow.Batch // [N, Dc] in data units; the zero Batch: they have none
	// Complete says that no value of a row is missing: of a table whose columns are learnt as what they hold.
	Complete bool
}

// Array is numbers of each sample, by what they are.
type Array struct {
	Name string
	X    flow.Batch // [N, any]
}

// MostGivenColumns is how many numbers of a context stand in the columns of a table of samples.
const MostGivenColumns = 100

// Rows are samples as a file has them, in one way for all who write them.
type Rows struct {
	// Names are those of the values of a row, X: of a table with a schema its columns, else the coordinates.
	Names []string
	X     flow.Batch
	// Beside are what belongs to each sample: label, logp, given. Wide says that the numbers of a context are
	// too many to be columns of a table.
	Beside []Array
	Wide   bool
	Notes  []string // what is to be known of the columns, one sentence each

	schema *schema.Schema
	after  []Array          // columns of a table after the values, [N, 1] each
	texts  map[int][]string // by column of such a table: what its numbers stand for
}

// RowsOf returns samples of a model as rows.
func RowsOf(spec model.Spec, d Drawn) Rows {
	if s := spec.Schema; s != nil {
		r := Rows{Names: s.Header(), X: flow.NewBatch(d.X.N, len(s.Learnt())), schema: s}
		if d.Complete {
			s.Complete(r.X, d.X)
		} else {
			s.Rows(r.X, d.X)
		}
		return r
	}
	r := Rows{Names: spec.ColumnNames(), X: d.X}
	if spec.Space != nil {
		r.Names, r.X = spec.Space.Columns, spec.Space.Rows(d.X)
	}
	if d.Label != nil {
		r.Beside = append(r.Beside, Array{dataset.LabelColumn, labelNumbers(spec, d.Label)})
	}
	if d.LogP != nil {
		r.Beside = append(r.Beside, Array{"logp", flow.Batch{N: len(d.LogP), D: 1, X: d.LogP}})
	}
	own, taken := slices.Clone(r.Beside), slices.Clone(r.Names)
	if n := len(spec.ContextColumns); d.Context.N > 0 && n > 0 {
		r.Beside = append(r.Beside, Array{"given", d.Context})
		if r.Wide = n > MostGivenColumns; !r.Wide { // of an image, say: no table is to be as wide
			r.after, taken = columnsOf(spec.ContextColumns, d.Context), append(taken, spec.ContextColumns...)
		}
	}
	for _, c := range own {
		if c.Name == dataset.LabelColumn && spec.LabelName != "" {
			c.Name = spec.LabelName // so that the labels go back in
			if _, numbers := data.ClassNumbers(spec.Classes()); !numbers {
				r.texts = map[int][]string{r.X.D + len(r.after): spec.Classes()}
			}
		} else if free := freeName(c.Name, taken); free != c.Name {
			r.Notes = append(r.Notes, fmt.Sprintf("the data have a column %s: that of the %s of the samples is "+
				"called %s", choice.Quote(c.Name), c.Name, choice.Quote(free)))
			c.Name = free
		}
		r.after, taken = append(r.after, c), append(taken, c.Name)
	}
	return r
}

// labelNumbers returns labels [N, 1] as a file of the data has them: where the names of the classes are
// numbers, these.
func labelNumbers(spec model.Spec, label []int32) flow.Batch {
	numbers, named := data.ClassNumbers(spec.Classes())
	x := flow.NewBatch(len(label), 1)
	for i, l := range label {
		if x.X[i] = float64(l); named {
			x.X[i] = float64(numbers[l])
		}
	}
	return x
}

// columnsOf returns the columns of x by their names.
func columnsOf(names []string, x flow.Batch) (columns []Array) {
	for k, name := range names {
		c := Array{name, flow.NewBatch(x.N, 1)}
		for i := range x.N {
			c.X.X[i] = x.Row(i)[k]
		}
		columns = append(columns, c)
	}
	return columns
}

// freeName returns a name that is none of those taken: name itself, or with a number.
func freeName(name string, taken []string) string {
	free := name
	for i := 2; slices.Contains(taken, free); i++ {
		free = fmt.Sprintf("%s_%d", name, i)
	}
	return free
}

// CSV writes the rows as a table with a line of names: of a table with a schema as its file was written,
// else in digits enough to read the same numbers back, with what belongs to each sample in further columns.
func (r Rows) CSV(w io.Writer) error { return r.csv(w, true) }

// More is CSV without the line of names: of further rows of a table.
func (r Rows) More(w io.Writer) error { return r.csv(w, false) }

func (r Rows) csv(w io.Writer, head bool) error {
	if r.schema == nil {
		names := slices.Clone(r.Names)
		for _, c := range r.after {
			names = append(names, c.Name)
		}
		all := flow.NewBatch(r.X.N, len(names))
		for i := range all.N {
			copy(all.Row(i), r.X.Row(i))
			for k, c := range r.after {
				all.Row(i)[r.X.D+k] = c.X.X[i]
			}
		}
		if head {
			if err := table.EncodeCSV(w, names, flow.Batch{D: all.D}); err != nil {
				return err
			}
		}
		return table.EncodeRows(w, all, r.texts)
	}
	out := csv.NewWriter(w)
	if d := []rune(r.schema.Delimiter); len(d) == 1 {
		out.Comma = d[0]
	}
	if head {
		out.Write(r.Names) // errors stay in the writer until Flush
	}
	for i := range r.X.N {
		out.Write(r.schema.Text(r.X.Row(i)))
	}
	out.Flush()
	return out.Error()
}

// Values returns row i as JSON has it: numbers, texts of levels and dates, and nil for what is missing.
func (r Rows) Values(i int) (values []any) {
	if r.schema != nil {
		return r.schema.Values(r.X.Row(i))
	}
	for _, v := range r.X.Row(i) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			values = append(values, nil)
			continue
		}
		values = append(values, v)
	}
	return values
}
