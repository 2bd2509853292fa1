package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/dataset"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/run"
)

// givenUsage begins the description of --given.
const givenUsage = "context, of a run with data.context: as x1=0.3,x2=-1, or a file with a row for each context "

// contexts returns the contexts that --given says, in data units, and a warning if they are
// far from those of the training; the zero Batch where the run takes none.
func contexts(cmd *cobra.Command, r *run.Run, text string) (c flow.Batch, warnings []string, err error) {
	columns := r.Model.Spec().ContextColumns
	switch given := cmd.Flags().Changed("given"); {
	case !given:
		return c, nil, nil
	case columns == nil && r.Model.Conditioner() != nil:
		return c, nil, usagef("--given is for contexts of tables, and %s makes images from images", r.Dir)
	case columns == nil:
		return c, nil, usagef("--given is for runs with data.context, and %s has none", r.Dir)
	case text == "":
		return c, nil, usagef("--given is empty; the context of %s is %s", r.Dir, choice.List(columns))
	}
	if c, err = readPoints("--given", text, columns); err != nil {
		return c, nil, err
	}
	z, err := r.Model.Contexts(c)
	if err != nil {
		return c, nil, usagef("--given: %w", err)
	}
	if why := r.Model.FarContext(z); why != "" {
		warnings = append(warnings, why)
	}
	return c, warnings, nil
}

// readPoints reads what a flag says of these columns: text such as x1=0.3,x2=-1, or a file.
func readPoints(flag, text string, columns []string) (c flow.Batch, err error) {
	if _, missing := os.Stat(text); missing != nil && strings.Contains(text, "=") {
		if c, err = dataset.ParseContext(text, columns); err != nil {
			return c, usagef("%s: %w", flag, err)
		}
	} else if c, err = dataset.ReadContexts(text, columns); err != nil {
		return c, fmt.Errorf("%s: %w", flag, ofFile(err))
	}
	return c, nil
}

// contexts returns those of --given; the zero Batch for the held-out ones, and where the run
// takes none.
func (f *sampleFlags) contexts(cmd *cobra.Command, r *run.Run) (c flow.Batch, warnings []string, err error) {
	takes := r.Model.Spec().ContextColumns != nil
	switch {
	case takes && f.given == heldOut:
		return c, nil, nil
	case takes && !cmd.Flags().Changed("given"):
		return c, nil, needsContext(r, ", or --given "+heldOut)
	}
	return contexts(cmd, r, f.given)
}

// giveTo gives the points of logp what the run takes: contexts, and labels.
func (f *logpFlags) giveTo(cmd *cobra.Command, r *run.Run, p *points) (err error) {
	if err = f.contexts(cmd, r, p); err != nil {
		return err
	}
	if p.given.Label, err = labels(cmd, r, f.label, p.x.N, p.given.Label); err != nil {
		return err
	}
	if r.Conditional() && p.given.Label == nil {
		return f.noLabels(fmt.Errorf("%s is a conditional model and %s has no labels", r.Dir, p.name))
	}
	return nil
}

// contexts are those of the points of logp, in model units: of --given, else of the columns of
// their file.
func (f *logpFlags) contexts(cmd *cobra.Command, r *run.Run, p *points) error {
	columns := r.Model.Spec().ContextColumns
	c, warnings, err := contexts(cmd, r, f.given)
	if err != nil {
		return err
	}
	if columns == nil {
		return nil
	}
	if !cmd.Flags().Changed("given") {
		const also = ", or --data with these columns"
		if f.data == "" {
			return needsContext(r, also)
		}
		// By name alone: without names they would be the points themselves.
		if c, err = dataset.NamedContexts(f.data, columns); err != nil {
			return usageError{fmt.Errorf("%w; %w", err, needsContext(r, also))}
		}
	}
	if c.N != 1 && c.N != p.x.N {
		return usagef("%d contexts for %d points: give one for all, or one for each, in their order", c.N, p.x.N)
	}
	if p.given.Context, err = r.Model.Contexts(c); err != nil {
		return err
	}
	if why := r.Model.FarContext(p.given.Context); why != "" && warnings == nil {
		warnings = []string{why}
	}
	p.notes = append(p.notes, warnings...)
	return nil
}

// needsContext is the error of a run that takes contexts which nobody gave.
func needsContext(r *run.Run, also string) error {
	columns := r.Model.Spec().ContextColumns
	return usagef("%s needs its context, %s: give --given %s=..., --given FILE%s", r.Dir, choice.List(columns),
		columns[0], also)
}

// contextsOf returns what n samples are given, in data units: n/N times each of the contexts c or,
// without any, those of a prompt.
func contextsOf(r *run.Run, c flow.Batch, p eval.Prompt, n int) flow.Batch {
	if c.N > 0 {
		return spread(c, n/c.N)
	}
	spec, z := r.Model.Spec(), p.Given.Context.Clone()
	if spec.ContextStandardizer != nil && z.N > 0 {
		spec.ContextStandardizer.Invert(z)
	}
	return z
}

// spread returns n rows for each row of c, in its order.
func spread(c flow.Batch, n int) flow.Batch {
	rows := make([]int, 0, c.N*n)
	for i := range c.N {
		for range n {
			rows = append(rows, i)
		}
	}
	return c.Rows(rows)
}
