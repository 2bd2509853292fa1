package eval

import (
	"context"
	"errors"
	"fmt"
	"math"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// columns are those of the rows of the subject: what the model is given comes first, then what it learns,
// and the class at the end.
func (s Subject) columns() (columns []Column) {
	spec := s.Model.Spec()
	for k := range s.fewContexts() {
		columns = append(columns, Column{Name: nameOf(spec.ContextColumns, k, "context ")})
	}
	if spec.Schema != nil {
		columns = append(columns, columnsOf(spec.Schema)...)
	} else {
		for k := range s.Model.Dim() {
			columns = append(columns, Column{Name: nameOf(spec.Columns, k, "x")})
		}
	}
	if n := spec.Net.Classes; n > 0 {
		name := spec.LabelName
		if name == "" {
			name = "label"
		}
		columns = append(columns, Column{Name: name, Levels: data.NameClasses(spec.ClassNames, n)})
	}
	return columns
}

// mostContexts is up to how many numbers of a context are columns: those of images and series are not.
const mostContexts = 32

// fewContexts returns how many numbers of what the model is given are columns.
func (s Subject) fewContexts() int {
	if n := s.Model.Spec().Net.Context; n <= mostContexts {
		return n
	}
	return 0
}

// nameOf returns the name of column k.
func nameOf(names []string, k int, otherwise string) string {
	if names != nil {
		return names[k]
	}
	return fmt.Sprint(otherwise, k+1)
}

// rowsOf returns points x in data units, and what they are given, as rows.
func (s Subject) rowsOf(x flow.Batch, given flow.Given) Rows {
	r := Rows{Columns: s.columns()}
	if std := s.Model.Spec().ContextStandardizer; std != nil && given.Context.N > 0 {
		given.Context = given.Context.Clone()
		std.Invert(given.Context)
	}
	learnt := x
	if sch := s.Model.Spec().Schema; sch != nil {
		learnt = flow.NewBatch(x.N, len(sch.Learnt()))
		sch.Rows(learnt, x)
	}
	r.X = flow.NewBatch(x.N, len(r.Columns))
	for i := range x.N {
		row := r.X.Row(i)
		if given.Context.N > 0 && s.fewContexts() > 0 {
			row = row[copy(row, given.Context.Row(i)):]
		}
		row = row[copy(row, learnt.Row(i)):]
		if given.Label != nil {
			if row[0] = float64(given.Label[i]); given.Label[i] < 0 { // of no class
				row[0] = math.NaN()
			}
		}
	}
	return r
}

// tables are what the parts of tables compare.
type tables struct {
	data     Rows // of all parts of the data, in a random order
	samples  Rows // as many, given what these rows are given
	fresh    Rows // samples given what held-out rows are given, where that has numbers, else samples
	held     Rows // held-out rows; there may be none
	training Rows // those that the model learnt; there may be none
	nfe      int  // of the samples
}

// Of the rows that were trained on so many are looked at, or fewer where they have many columns: of each sample
// the closest is sought among them, and this product is a few seconds.
const mostTraining, mostCompared = 50000, 1 << 31

// hasTable says whether the parts of tables are measured unasked.
func (s Subject) hasTable() bool {
	return (s.Set.Kind == data.KindTable || s.Set.Kind == data.KindUCI) && s.isPoints() == nil &&
		s.Model.Spec().Space == nil // whose coordinates are no columns
}

// hasForest says whether the test by a forest is made unasked.
func (s Subject) hasForest() bool {
	least := c2stLeast
	if s.Model.Net().Config().Context > 0 {
		least *= 2
	}
	return s.hasTable() && s.Set.Test != nil && s.Set.Test.Len() >= least
}

// hasEfficacy says whether a column is predicted unasked: there must be another. A target asks for it.
func (s Subject) hasEfficacy() bool { return s.Target != "" || s.hasTable() && len(s.columns()) > 1 }

// RowNames returns the names of the columns that rows of the subject have, of which [Subject.Efficacy] predicts
// one.
func (s Subject) RowNames() []string { return Rows{Columns: s.columns()}.names() }

// comparing returns the subject as parts of tables need it, and what they compare; held says that it must
// have held-out points.
func (s Subject) comparing(ctx context.Context, held bool) (Subject, *tables, error) {
	s, err := s.checked()
	if err == nil && held {
		_, err = s.held()
	}
	if err != nil {
		return s, nil, err
	}
	t, err := s.tables(ctx)
	return s, t, err
}

// tables returns what the parts of tables compare: up to Settings.Samples rows of the data, as many samples, and
// held-out rows. A report draws them once.
func (s Subject) tables(ctx context.Context) (*tables, error) {
	if s.drawn != nil && s.drawn.samples.X.N > 0 {
		return s.drawn, nil
	}
	if s.Model.Spec().Image() != nil || s.Set.Image() != nil {
		return nil, errors.New("eval: this part is of tables, and these are images; compare images by features")
	}
	if space := s.Model.Spec().Space; space != nil {
		return nil, fmt.Errorf("eval: this part is of tables whose columns stand alone, and these are points of %s",
			space)
	}
	t := s.drawn
	if t == nil {
		t = new(tables)
	}
	n := s.Settings.Samples
	var own, given flow.Given
	var err error
	if t.held, given, err = s.someRows(n, s.Set.Test); err != nil {
		return nil, err
	}
	compared := mostCompared / (2 * n * len(s.columns()))
	if t.training, _, err = s.someRows(min(mostTraining, max(n, compared)), s.Set.TrainSet); err != nil {
		return nil, err
	}
	if t.data, own, err = s.someRows(n, s.Set.TrainSet, s.Set.Val, s.Set.Test); err != nil {
		return nil, err
	}
	if n = t.data.X.N; n == 0 {
		return nil, fmt.Errorf("eval: %s has no rows to compare samples with", s.Set.Name)
	}
	if t.fresh, t.nfe, err = s.drawnRows(ctx, n, own); err != nil {
		return nil, err
	}
	t.samples = t.fresh
	// The context of a row that was trained on would make a sample near to it.
	if h := t.held.X.N; h > 0 && s.Model.Net().Config().Context > 0 {
		if t.fresh, _, err = s.drawnRows(ctx, h, given); err != nil {
			t.samples = Rows{}
			return nil, err
		}
	}
	return t, nil
}

// drawnRows returns n samples as rows, and what they took.
func (s Subject) drawnRows(ctx context.Context, n int, given flow.Given) (Rows, int, error) {
	sampler, err := s.Settings.Sampler()
	if err != nil {
		return Rows{}, 0, err
	}
	drawn, err := s.draw(ctx, sampler, n, given)
	if err != nil {
		return Rows{}, 0, fmt.Errorf("samples: %w", err)
	}
	return s.rowsOf(drawn.X, given), drawn.Stats.NFE, nil
}

// someRows returns up to n rows of some parts of the data, drawn at random, in a random order, and what the
// model takes of what they are given.
func (s Subject) someRows(n int, parts ...data.Finite) (Rows, flow.Given, error) {
	total := 0
	for _, p := range parts {
		if p != nil {
			total += p.Len()
		}
	}
	chosen := s.Seed
	if s.PartSeed != nil {
		chosen = *s.PartSeed
	}
	order := seed.Rand(chosen, "eval/rows", uint64(len(parts))).Perm(total)[:min(n, total)]
	spec := s.Model.Spec()
	x := flow.NewBatch(len(order), s.Model.Dim())
	given := flow.NewGiven(len(order), spec.Net.Classes > 0, spec.Net.Context)
	lo := 0
	for _, p := range parts {
		if p == nil || p.Len() == 0 {
			continue
		}
		hi := lo + p.Len()
		var places, numbers []int
		for at, i := range order {
			if lo <= i && i < hi {
				places, numbers = append(places, at), append(numbers, i-lo)
			}
		}
		rng := seed.Rand(s.Seed, "eval/rows", uint64(lo))
		part, own, err := data.Rows(data.Subset(p, numbers), 0, len(numbers), rng)
		if err == nil {
			s.Set.Original(part)
			own, err = s.taken(part, own)
		}
		if err != nil {
			return Rows{}, given, fmt.Errorf("eval: rows of %s: %w", s.Set.Name, err)
		}
		for k, at := range places {
			copy(x.Row(at), part.Row(k))
			if given.Label != nil {
				given.Label[at] = own.Label[k]
			}
			if given.Context.N > 0 {
				copy(given.Context.Row(at), own.Context.Row(k))
			}
		}
		lo = hi
	}
	return s.rowsOf(x, given), given, nil
}
