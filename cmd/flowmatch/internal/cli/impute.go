package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/data/dataset"
	"flowmatch/data/schema"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/run"
)

type imputeResult struct {
	Run  string `json:"run"`
	Data string `json:"data"`
	File string `json:"file"`
	// Rows are those of the file, Filled those of them in which a value was missing, and Missing how many
	// values were, of each column with such.
	Rows    int            `json:"rows"`
	Filled  int            `json:"filled"`
	Missing map[string]int `json:"missing"`
	N       int            `json:"n"`
	Seed    uint64         `json:"seed"`
	Solver  string         `json:"solver"`
	NFE     int            `json:"nfe"`
	Seconds float64        `json:"seconds"`
	Backend string         `json:"backend"`
	// Warnings say what is to be known of the file, one sentence each.
	Warnings []string `json:"warnings,omitempty"`
}

func (i imputeResult) text(w io.Writer) {
	times := "once"
	if i.N > 1 {
		times = fmt.Sprintf("%d times", i.N)
	}
	fmt.Fprintf(w, "imputed\t%s, %s: %s\n", i.Data, times, i.File)
	fmt.Fprintf(w, "rows\t%d, of which %d lacked values\n", i.Rows, i.Filled)
	for _, name := range slices.Sorted(maps.Keys(i.Missing)) {
		fmt.Fprintf(w, "  %s\t%d\n", choice.Quote(name), i.Missing[name])
	}
	fmt.Fprintf(w, "solver\t%s, NFE %d, seed %d, %.2f s on backend %s\n", i.Solver, i.NFE, i.Seed, i.Seconds, i.Backend)
	for _, warning := range i.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", warning)
	}
}

type imputeFlags struct {
	runFlags
	data, out string
	n         int
	seed      uint64
}

// imputeLong describes impute.
const imputeLong = `Fill in the missing values of a table, each row by draws from p(missing | known) of a
run on such tables. The run must have been trained with train.shown, as a table in the place
of a run file is.

Values that are there are written as they were, whatever their format, and so are columns
that the run did not learn, their order and their names; only spaces around values are lost.
A value is missing where the file has nothing, or NA and its kin. A row of which nothing is
known is drawn like any sample.

One draw is one guess, as right as the data allow and as uncertain. With --n 5 each row is
filled five times: the tables stand below one another, with their number, from 1 to 5, in a first
column "imputation". Fit a model to each and pool the results, as one does with mice.`

func (a *app) imputeCommand() *cobra.Command {
	var f imputeFlags
	cmd := &cobra.Command{
		Use:   "impute DIR --data FILE --out FILE",
		Short: "Fill in the missing values of a table",
		Long:  imputeLong,
		Example: `  flowmatch impute runs/people --data holes.csv --out full.csv
  flowmatch impute runs/people --data holes.csv --n 5 --seed 7 --out five.csv`,
		Args:              arguments("DIR"),
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.impute(cmd, args[0], f)
		}),
	}
	f.runFlags.add(cmd, eval.Solvers())
	fl := cmd.Flags()
	fl.StringVar(&f.data, "data", "", "table with missing values: a file in a format that the run can be trained on")
	fl.StringVar(&f.out, "out", "", "file to write: .csv, or .tsv")
	fl.IntVar(&f.n, "n", 1, "how often to fill in each row")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the noise (default: that of the run)")
	require(cmd, "data", "out")
	completeFiles(cmd, "data", tableEndings...)
	completeFiles(cmd, "out", "csv", "tsv")
	return cmd
}

func (a *app) impute(cmd *cobra.Command, dir string, f imputeFlags) (result, error) {
	r, s, err := f.openChecked(cmd, dir)
	if err != nil {
		return nil, err
	}
	some, err := r.Config.Data.ReadSome(f.data, s)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", ofFile(err))
	}
	h, err := holesOf(some, s)
	if err != nil {
		return nil, fmt.Errorf("--data: %s: %w", f.data, err)
	}
	if f.n > 1 && slices.Contains(some.Names, imputation) {
		return nil, usagef("--n %d numbers the tables in a column %q, and %s has one: give it another name", f.n,
			imputation, f.data)
	}
	if err := memory.Check(fmt.Sprintf("--n %d of %d rows", f.n, len(h.rows)),
		4*8*float64(f.n)*float64(len(h.rows))*float64(r.Model.Dim())); err != nil {
		return nil, err
	}
	how, err := r.Config.Eval.Sampler()
	if err != nil {
		return nil, err
	}
	res := imputeResult{Run: r.Dir, Data: f.data, File: f.out, Rows: some.X.N, Filled: len(h.rows), Missing: h.missing,
		N: f.n, Seed: f.seed, Solver: how.String(), Backend: r.Model.Net().Engine().Name(), Warnings: h.warnings}
	start := time.Now()
	if n := f.n * len(h.rows); n > 0 {
		a.status("filling in %d rows", n)
		known := some.X.Rows(slices.Repeat(h.rows, f.n))
		drawn, err := r.Model.Sample(cmd.Context(), model.SampleOptions{N: n, Seed: f.seed, Sampler: how,
			Given: flow.Given{Shown: s.Shown(known, true)}, Progress: a.watch("rows", n)})
		if err != nil {
			return nil, err
		}
		h.values, res.NFE = rowsOf(s, drawn.X, s.Complete), drawn.Stats.NFE
	}
	res.Seconds = time.Since(start).Seconds()
	return res, f.write(some, s, h)
}

// openChecked opens the run for flags that are right, and returns what the columns of its table hold.
func (f *imputeFlags) openChecked(cmd *cobra.Command, dir string) (*run.Run, *schema.Schema, error) {
	if _, err := extension("--out", f.out, ".csv", ".tsv"); err != nil {
		return nil, nil, err
	}
	if f.n < 1 {
		return nil, nil, usagef("--n is %d; it must be at least 1", f.n)
	}
	if err := inFolder(f.out, f.data); err != nil {
		return nil, nil, err
	}
	r, err := f.open(cmd, dir, useSamples)
	if err != nil {
		return nil, nil, err
	}
	if !cmd.Flags().Changed("seed") {
		f.seed = r.Config.Seed
	}
	s := r.Model.Spec().Schema
	switch {
	case s == nil:
		return nil, nil, usagef("impute is for tables that were learnt with data.schema: auto, and %s was not", r.Dir)
	case !r.Model.Spec().Net.Shown:
		return nil, nil, notShown(r, "impute")
	}
	return r, s, sparesData(f.out, r.Config)
}

// imputation is the column that numbers the tables of several imputations.
const imputation = "imputation"

// holes are the values that are missing in a table, and what they are filled with.
type holes struct {
	rows     []int          // in which a value is missing
	missing  map[string]int // how many, by column
	fields   []int          // of each column of the file its place among the texts of a row, -1: it is not learnt
	learnt   []int          // of each column of the file its place among the values of a row, -1: it has none
	values   flow.Batch     // [n·len(rows), C] of the rows without holes, n times
	warnings []string
}

// holesOf finds the missing values of a table.
func holesOf(some dataset.Some, s *schema.Schema) (h holes, err error) {
	names, header := s.Names(), s.Header()
	h.missing, h.warnings = map[string]int{}, slices.Clone(some.Notes)
	for _, name := range names {
		if !slices.Contains(some.Names, name) {
			h.warnings = append(h.warnings, fmt.Sprintf("there is no column %s: nothing is known of its values, and "+
				"they are not written", choice.Quote(name)))
		}
	}
	if len(h.warnings)-len(some.Notes) == len(names) {
		return h, usagef("it has none of the columns that were learnt, %s", choice.List(names))
	}
	lacks := make([]bool, some.X.N)
	for k, name := range some.Names {
		h.fields = append(h.fields, slices.Index(header, name))
		h.learnt = append(h.learnt, slices.Index(names, name))
		count := 0
		for i := range some.X.N {
			if h.isHole(some, i, k) {
				count++
				lacks[i] = lacks[i] || h.fields[k] >= 0
			}
		}
		switch {
		case count > 0 && h.fields[k] < 0:
			h.warnings = append(h.warnings, fmt.Sprintf("column %s is not learnt: its %d missing values stay so",
				choice.Quote(name), count))
		case count > 0:
			h.missing[name] = count
		}
	}
	for i, lack := range lacks {
		if lack {
			h.rows = append(h.rows, i)
		}
	}
	if h.rows == nil {
		h.warnings = append(h.warnings, "no value is missing: the rows are as they were")
	}
	for _, odd := range some.Odd {
		h.warnings = append(h.warnings, odd+"; it stays, and is taken for the nearest value of the data")
	}
	return h, nil
}

// isHole says whether the value of a row is missing in column k of the file.
func (h holes) isHole(some dataset.Some, row, k int) bool {
	if h.learnt[k] >= 0 { // where NA may be a level
		return math.IsNaN(some.X.Row(row)[h.learnt[k]])
	}
	c := some.Columns[k]
	return schema.IsMissing(c.Values[c.Index[row]])
}

// write writes the table, filled in, once or several times.
func (f *imputeFlags) write(some dataset.Some, s *schema.Schema, h holes) error {
	return atomicfile.WriteFile(f.out, func(w io.Writer) error {
		out := csv.NewWriter(w)
		switch d := []rune(some.Delimiter); {
		case filepath.Ext(f.out) == ".tsv":
			out.Comma = '\t'
		case len(d) == 1 && d[0] != '\t':
			out.Comma = d[0]
		}
		number := func(first string, fields []string) []string {
			if f.n == 1 {
				return fields
			}
			return append([]string{first}, fields...)
		}
		if some.Header || some.Delimiter == "" {
			out.Write(number(imputation, some.Names)) // errors stay in the writer until Flush
		}
		for k := range f.n {
			for i, next := 0, k*len(h.rows); i < some.X.N; i++ {
				fields := make([]string, len(some.Names))
				for c, column := range some.Columns {
					fields[c] = column.Values[column.Index[i]]
				}
				if next < (k+1)*len(h.rows) && h.rows[next-k*len(h.rows)] == i {
					h.fill(fields, some, i, s.Text(h.values.Row(next)))
					next++
				}
				out.Write(number(strconv.Itoa(k+1), fields))
			}
		}
		out.Flush()
		return out.Error()
	})
}

// fill puts the texts of a row without holes into the fields of one with them.
func (h holes) fill(fields []string, some dataset.Some, row int, texts []string) {
	for k, at := range h.fields {
		if at >= 0 && h.isHole(some, row, k) {
			fields[k] = texts[at]
		}
	}
}
