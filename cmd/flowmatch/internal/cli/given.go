package cli

import (
	"fmt"
	"os"
	"slices"
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

// givens are what --given says: contexts, in data units, their classes where their file has a column
// of labels that the run takes (else nil), and warnings of them; or of a table with a schema what is shown of
// its rows, in model units.
type givens struct {
	x        flow.Batch
	shown    flow.Batch
	label    []int32
	warnings []string
}

// rows returns how many there are.
func (g givens) rows() int { return max(g.x.N, g.shown.N) }

// contexts reads --given, and warns of contexts that are far from those of the training; the zero
// value where it is not given.
func contexts(cmd *cobra.Command, r *run.Run, text string) (g givens, err error) {
	spec := r.Model.Spec()
	columns := spec.ContextColumns
	switch given := cmd.Flags().Changed("given"); {
	case !given:
		return g, nil
	case spec.Schema != nil:
		return g, usagef("--given of the table of %s is for sample, which draws the other columns: flowmatch sample "+
			"%s --given ...; a log-density or a picture is of whole rows", r.Dir, r.Dir)
	case columns == nil && r.Model.Conditioner() != nil:
		return g, usagef("--given is for contexts of tables, and %s makes images from images", r.Dir)
	case columns == nil:
		return g, usagef("--given is for runs with data.context, and %s has none", r.Dir)
	case text == "":
		return g, usagef("--given is empty; the context of %s is %s", r.Dir, choice.List(columns))
	}
	if g.x, err = readPoints("--given", "context", text, columns, r.Grid()); err != nil {
		return g, err
	}
	if _, missing := os.Stat(text); missing == nil {
		like := dataset.Like{LabelName: spec.LabelName, ClassNames: spec.ClassNames, Classes: spec.Net.Classes}
		if g.label, err = dataset.ContextLabels(text, columns, like); err != nil {
			return g, fmt.Errorf("--given: %w", ofFile(err))
		}
	}
	if label := cmd.Flags().Lookup("label"); g.label != nil && label != nil && label.Changed {
		return g, usagef("--label is given, and %s has the classes of its contexts in column %s; leave out one of them",
			text, choice.Quote(spec.LabelName))
	}
	z, err := r.Model.Contexts(g.x)
	if err != nil {
		return g, usagef("--given: %w", err)
	}
	if why := r.Model.FarContext(z); why != "" {
		g.warnings = append(g.warnings, why)
	}
	return g, nil
}

// readPoints reads what a flag says of these columns: text such as x1=0.3,x2=-1, or a file, of an array with
// the axes of g. Errors call it what.
func readPoints(flag, what, text string, columns []string, g dataset.Grid) (c flow.Batch, err error) {
	if _, missing := os.Stat(text); missing != nil && strings.Contains(text, "=") {
		if c, err = dataset.ParsePoint(what, text, columns); err != nil {
			return c, usagef("%s: %w", flag, err)
		}
	} else if c, err = dataset.ReadContexts(text, columns, g); err != nil {
		return c, fmt.Errorf("%s: %w", flag, ofFile(err))
	}
	return c, nil
}

// contexts reads --given; the zero value is that of held-out ones, and of a run that takes none.
func (f *sampleFlags) contexts(cmd *cobra.Command, r *run.Run) (g givens, err error) {
	if s := r.Model.Spec().Schema; s != nil {
		return f.shown(cmd, r, s)
	}
	takes := r.Model.Spec().ContextColumns != nil
	switch {
	case takes && f.given == heldOut:
		return g, nil
	case takes && !cmd.Flags().Changed("given"):
		return g, needsContext(r, ", or --given "+heldOut)
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
	g, err := contexts(cmd, r, f.given)
	if err != nil {
		return err
	}
	if columns == nil {
		return nil
	}
	c, warnings := g.x, g.warnings
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
	switch {
	case g.label == nil:
	case p.given.Label != nil:
		p.notes = append(p.notes, fmt.Sprintf("the classes are those of %s; the column %s of %s is not used", p.name,
			choice.Quote(r.Model.Spec().LabelName), f.given))
	case len(g.label) == 1: // one serves all
		p.given.Label = slices.Repeat(g.label, p.x.N)
	default:
		p.given.Label = g.label
	}
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
