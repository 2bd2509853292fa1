package cli

import (
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/dataset"
	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/run"
	"flowmatch/train"
)

// This file has what commands do with tables whose columns are learnt as what they hold.

// tableEndings are those of the files that train takes in the place of a run file.
var tableEndings = []string{"csv", "tsv", "txt", "npy", "parquet", "xlsx", "csv.gz", "tsv.gz", "txt.gz",
	"csv.bz2", "tsv.bz2", "txt.bz2"}

// isTable says whether a file is a table, by its name.
func isTable(file string) bool { return table.Known(file) }

// runArgument completes run files and tables.
func runArgument() cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return append([]string{"yaml", "yml"}, tableEndings...), cobra.ShellCompDirectiveFilterFileExt
	}
}

// sizedTable returns the settings of a training on a table that suit its size.
func (a *app) sizedTable(file string, set []string) (run.Config, error) {
	cfg, err := run.TableConfig(file, set)
	if err != nil || !cfg.Data.Typed() {
		return cfg, err
	}
	d, err := cfg.Data.Describe("")
	if err != nil {
		return cfg, err
	}
	return run.SizedTable(file, set, d.Schema.N, len(d.Schema.Learnt()), d.Schema.Dim())
}

// checkTyped reports what samples of a table whose columns are learnt as what they hold cannot be.
func (f *sampleFlags) checkTyped(r *run.Run, ext string) error {
	s := r.Model.Spec().Schema
	switch {
	case s == nil && f.complete:
		return usagef("--complete is for tables that were learnt with data.schema: auto, and %s was not", r.Dir)
	case s == nil:
		return nil
	case f.complete && !s.MissesValues():
		return usagef("--complete has no effect: no value is missing in the data of %s", r.Dir)
	}
	if f.mode {
		return usagef("--map is for tables of numbers, and rows of %s have levels or a grid: what lies between these "+
			"is no row", r.Dir)
	}
	if f.logp {
		return usagef("--logp is for tables of numbers, and rows of %s have levels or a grid: draw samples, and then "+
			"evaluate them by flowmatch logp %s --data FILE", r.Dir, quote(r.Dir))
	}
	if err := s.CheckNumbers(); ext == ".npy" && err != nil {
		return usagef("--out %q: %w; give a .csv", f.out, err)
	}
	return nil
}

// shown reads what sample gives rows of a table with a schema: --given, of any columns, and --complete, that
// no value is missing. The zero value is that of neither.
func (f *sampleFlags) shown(cmd *cobra.Command, r *run.Run, s *schema.Schema) (g givens, err error) {
	given := cmd.Flags().Changed("given")
	switch {
	case !given && !f.complete:
		return g, nil
	case !r.Model.Spec().Net.Shown:
		return g, notShown(r, map[bool]string{true: "--given", false: "--complete"}[given])
	case given && f.given == "":
		return g, usagef("--given is empty; the columns of %s are %s", r.Dir, choice.List(s.Names()))
	}
	x := flow.NewBatch(1, len(s.Learnt()))
	for i := range x.X {
		x.X[i] = math.NaN()
	}
	if given {
		if x, err = f.known(r, s); err != nil {
			return g, err
		}
	}
	g.shown = s.Shown(x, f.complete)
	return g, nil
}

// known returns the rows of --given; NaN: not known.
func (f *sampleFlags) known(r *run.Run, s *schema.Schema) (flow.Batch, error) {
	if _, missing := os.Stat(f.given); missing != nil && strings.Contains(f.given, "=") {
		some, err := dataset.ParseSome(f.given, s)
		if err != nil {
			return some.X, usagef("--given: %w", err)
		}
		return some.X, nil
	}
	some, err := r.Config.Data.ReadSome(f.given, s)
	if err != nil {
		return some.X, fmt.Errorf("--given: %w", ofFile(err))
	}
	if err := s.CheckNames(some.Names); err != nil {
		return some.X, usagef("--given: %w (%s)", err, f.given)
	}
	if len(some.Odd) > 0 {
		return some.X, fmt.Errorf("--given: %s: %s", f.given, strings.Join(some.Odd, "\n  "))
	}
	return some.X, nil
}

// notShown is the error of what asks a run for some columns given others, and was not trained to tell.
func notShown(r *run.Run, what string) error {
	return usagef("%s needs a run that was trained with train.shown, and %s was not: train it again with --set "+
		"train.shown=%g", what, r.Dir, train.TableShown)
}
