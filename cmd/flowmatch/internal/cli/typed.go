package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/run"
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
	return run.SizedTable(file, set, d.Schema.N, d.Schema.Dim())
}

// checkTyped reports what samples of a table whose columns are learnt as what they hold cannot be.
func (f *sampleFlags) checkTyped(r *run.Run, ext string) error {
	s := r.Model.Spec().Schema
	switch {
	case s == nil && f.complete:
		return usagef("--complete is for tables that were learnt with data.schema: auto, and %s was not", r.Dir)
	case s == nil:
		return nil
	case f.complete && !slices.ContainsFunc(s.Columns, misses):
		return usagef("--complete has no effect: no value is missing in the data of %s", r.Dir)
	}
	if f.logp {
		return usagef("--logp is for tables of numbers, and rows of %s have levels or a grid: draw samples, and then "+
			"evaluate them by flowmatch logp %s --data FILE", r.Dir, quote(r.Dir))
	}
	if ext != ".npy" {
		return nil
	}
	for _, c := range s.Columns {
		number := c.Kind == schema.Real || c.Kind == schema.Integer
		if c.Kind != schema.Identifier && !number {
			return usagef("--out %q holds numbers alone, and column %s is %s; give a .csv", f.out, choice.Quote(c.Name),
				c.Kind)
		}
	}
	return nil
}

// misses says whether a column that is learnt has missing values.
func misses(c schema.Column) bool { return c.Learnt() && c.Missing > 0 }

// mostRounds is how often samples are drawn for rows without missing values.
const mostRounds = 100

// draw draws samples, with --complete until so many have no missing values.
func (f *sampleFlags) draw(ctx context.Context, r *run.Run, o model.SampleOptions) (model.Samples, error) {
	if !f.complete {
		return r.Model.Sample(ctx, o)
	}
	s, n, base := r.Model.Spec().Schema, o.N, o.Seed
	out := model.Samples{X: flow.Batch{D: r.Model.Dim()}, X0: flow.Batch{D: r.Model.Dim()}}
	for round := range mostRounds {
		if round > 0 {
			o.Seed = seed.Rand(base, "sample/complete", uint64(round)).Uint64()
		}
		drawn, err := r.Model.Sample(ctx, o)
		if err != nil {
			return drawn, err
		}
		out.Stats = out.Stats.Max(drawn.Stats)
		rows := flow.NewBatch(drawn.X.N, len(s.Learnt()))
		s.Rows(rows, drawn.X)
		for i := range rows.N {
			if out.X.N < n && !slices.ContainsFunc(rows.Row(i), math.IsNaN) {
				out.X.X, out.X0.X = append(out.X.X, drawn.X.Row(i)...), append(out.X0.X, drawn.X0.Row(i)...)
				out.X.N, out.X0.N = out.X.N+1, out.X0.N+1
			}
		}
		if out.X.N == n {
			return out, nil
		}
	}
	return out, fmt.Errorf("--complete: of %d rows that were drawn %d have no missing values, and %d are asked for; "+
		"leave columns with many missing values out of the training (data.exclude)", mostRounds*n, out.X.N, n)
}

// writeTyped writes points [N, D] in data units as rows of the table that the model was trained on: its
// columns, in their order, as they are written there.
func writeTyped(file, ext string, s *schema.Schema, points flow.Batch) error {
	rows := flow.NewBatch(points.N, len(s.Learnt()))
	s.Rows(rows, points)
	if ext == ".npy" {
		return table.WriteNPY(file, rows)
	}
	return atomicfile.WriteFile(file, func(w io.Writer) error {
		out := csv.NewWriter(w)
		if d := []rune(s.Delimiter); len(d) == 1 {
			out.Comma = d[0]
		}
		out.Write(s.Header()) // errors stay in the writer until Flush
		for i := range rows.N {
			out.Write(s.Text(rows.Row(i)))
		}
		out.Flush()
		return out.Error()
	})
}
