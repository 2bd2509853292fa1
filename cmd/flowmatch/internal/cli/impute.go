package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
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
	h, err := run.HolesOf(some, s)
	if err != nil {
		return nil, usagef("--data: %s: %w", f.data, err)
	}
	if f.n > 1 && slices.Contains(some.Names, imputation) {
		return nil, usagef("--n %d numbers the tables in a column %q, and %s has one: give it another name", f.n,
			imputation, f.data)
	}
	if err := memory.Check(fmt.Sprintf("--n %d of %d rows", f.n, len(h.Rows)),
		4*8*float64(f.n)*float64(len(h.Rows))*float64(r.Model.Dim())); err != nil {
		return nil, err
	}
	how, err := r.Config.Eval.Sampler()
	if err != nil {
		return nil, err
	}
	res := imputeResult{Run: r.Dir, Data: f.data, File: f.out, Rows: some.X.N, Filled: len(h.Rows), Missing: h.Missing,
		N: f.n, Seed: f.seed, Solver: how.String(), Backend: r.Model.Net().Engine().Name(), Warnings: h.Warnings}
	start := time.Now()
	var filled flow.Batch
	if n := f.n * len(h.Rows); n > 0 {
		a.status("filling in %d rows", n)
		drawn, err := r.Model.Together(a.ranks).Sample(cmd.Context(), model.SampleOptions{N: n, Seed: f.seed,
			Sampler: how, Given: flow.Given{Shown: h.Shown(f.n)}, Progress: a.watch("rows", n)})
		if err != nil {
			return nil, err
		}
		filled, res.NFE = h.Filled(drawn.X), drawn.Stats.NFE
	}
	if a.follows() {
		return silent{}, nil
	}
	res.Seconds = time.Since(start).Seconds()
	return res, f.write(some, s, h, filled)
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

// write writes the table, filled in, once or several times.
func (f *imputeFlags) write(some dataset.Some, s *schema.Schema, h run.Holes, filled flow.Batch) error {
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
			for i, next := 0, k*len(h.Rows); i < some.X.N; i++ {
				fields := make([]string, len(some.Names))
				for c, column := range some.Columns {
					fields[c] = column.Values[column.Index[i]]
				}
				if holes := h.Of(i); holes != nil {
					texts := s.Text(filled.Row(next))
					for _, hole := range holes {
						fields[hole.Column] = texts[hole.Field]
					}
					next++
				}
				out.Write(number(strconv.Itoa(k+1), fields))
			}
		}
		out.Flush()
		return out.Error()
	})
}
