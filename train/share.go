package train

import (
	"fmt"
	"math/rand/v2"

	"flowmatch/cluster"
	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
)

// A rank makes its share of the examples of a step, where these do not depend on each other, or only on
// those of their group (coupling.Groups). Points and noise, which are many numbers, are made for the share
// alone, or for the groups that it has rows of. Times, one number of each example, are drawn for all, and so
// is what a sequence of random numbers makes of all examples in turn: the share is that of the batch to the
// bit.

// inShare returns how many of the examples of a batch have targets made by the loss, and whether ranks
// need not make all of it. r must be one that prepared returned. It asks for types, as prepared does.
func inShare(r Regression, batch int) (rows int, ok bool) {
	switch o := r.(type) {
	case CFM:
		return 0, o.apart()
	case MeanFlow:
		return o.Averages.forMeanFlow().rows(batch), o.apart()
	case Shortcut:
		return o.Averages.forShortcut().rows(batch), o.apart()
	case exact:
		return 0, o.apart()
	case pairing:
		return 0, true
	}
	return 0, false
}

// apart says whether examples do not depend on others of the batch, but for those of their group.
func (o CFM) apart() bool { return (o.coupling() == nil || o.groups() > 0) && o.Show == nil }

// groups returns how many rows are coupled among themselves, by a coupling that draws nothing, for what is
// drawn depends on the groups before; 0: all rows are, or none.
func (o CFM) groups() int {
	c := o.coupling()
	if by, ok := c.(coupling.Contextual); ok {
		c = by.Coupling
	}
	g, ok := c.(coupling.Groups)
	if !ok || g.Rows < 1 {
		return 0
	}
	if ot, ok := g.Coupling.(coupling.OT); !ok || ot.LabelAware {
		return 0
	}
	return g.Rows
}

// whole returns a share with all of the groups that it has rows of, each of them once.
func whole(s nn.Share, rows int) nn.Share {
	made, kept := groupsOf(s.Made, rows, s.N), groupsOf(s.Kept, rows, s.N)
	if made[1] > kept[0] { // a group lies in both
		kept[0] = min(made[1], kept[1])
	}
	s.Made, s.Kept = made, kept
	return s
}

// groupsOf returns a span of n rows with all of the groups that it has rows of.
func groupsOf(span [2]int, rows, n int) [2]int {
	if span[0] == span[1] {
		return [2]int{}
	}
	return [2]int{span[0] / rows * rows, min((span[1]+rows-1)/rows*rows, n)}
}

// inGroups makes the points and the noise of a share by the groups that it has rows of.
func (o CFM) inGroups(m *model.Model, ex *nn.Examples, step uint64) error {
	all, of := ex, whole(ex.Of, o.groups())
	if of != ex.Of {
		all = newExamples(m, of.Len())
		all.Of = of
	}
	if err := fillPoints(o.Data, all.X1, all.Given, step, all.Of); err != nil {
		return fmt.Errorf("train: data of step %d: %w", step, err)
	}
	if err := o.pair(m, all, nil, step); err != nil || all == ex {
		return err
	}
	at := make(map[int]int, all.X1.N) // of the rows of the batch in all
	for k, row := range places(all) {
		at[row] = k
	}
	for k, row := range places(ex) {
		from := at[row]
		copy(ex.X0.Row(k), all.X0.Row(from))
		copy(ex.X1.Row(k), all.X1.Row(from))
		if ex.Given.Label != nil {
			ex.Given.Label[k] = all.Given.Label[from]
		}
		if ex.Given.Context.N > 0 {
			copy(ex.Given.Context.Row(k), all.Given.Context.Row(from))
		}
	}
	return nil
}

// Sharing says how ranks share the making of the examples of a batch.
type Sharing struct {
	Ranks, Batch int
	// Apart says that each rank makes its share alone; else each makes the whole batch, in which examples
	// depend on each other.
	Apart bool
	// Groups is how many rows are coupled among themselves; 0: there is no coupling, or one of the whole
	// batch.
	Groups int
}

// SharingOf returns how ranks share the examples of a training; nil of one process, and of an objective that
// is no Regression.
func SharingOf(m *model.Model, o Objective, ranks *cluster.Comm, batch int) *Sharing {
	r, ok := o.(Regression)
	if !ok || ranks.Size() == 1 {
		return nil
	}
	r, err := prepared(m, r)
	if err != nil {
		return nil // which the training reports
	}
	s := &Sharing{Ranks: ranks.Size(), Batch: batch}
	_, s.Apart = inShare(r, batch)
	switch o := r.(type) {
	case CFM:
		s.Groups = o.groups()
	case MeanFlow:
		s.Groups = o.groups()
	case Shortcut:
		s.Groups = o.groups()
	}
	return s
}

// String says it in a sentence.
func (s Sharing) String() string {
	switch {
	case !s.Apart:
		return fmt.Sprintf("each of %d ranks makes all %d examples of a step, which depend on each other, and takes "+
			"its share", s.Ranks, s.Batch)
	case s.Groups > 0 && s.Batch%s.Ranks == 0 && s.Batch/s.Ranks%s.Groups == 0:
		return fmt.Sprintf("each of %d ranks makes its %d of %d examples of a step, coupled within the rank in groups "+
			"of %d", s.Ranks, s.Batch/s.Ranks, s.Batch, s.Groups)
	case s.Groups > 0:
		return fmt.Sprintf("each of %d ranks makes its share of %d examples of a step, and the rest of the groups of "+
			"%d that are coupled and lie in several shares", s.Ranks, s.Batch, s.Groups)
	}
	return fmt.Sprintf("each of %d ranks makes its share of %d examples of a step", s.Ranks, s.Batch)
}

// room returns examples for a batch of a training, or for this rank's share of it.
func room(t Training, r Regression) *nn.Examples {
	rows, ok := inShare(r, t.Batch)
	if !ok || t.Ranks.Size() == 1 {
		return newExamples(t.Model, t.Batch)
	}
	share := nn.ShareOf(t.Ranks, t.Batch, rows)
	if share.Len() == 0 { // what of no example is given to a network is an error
		return newExamples(t.Model, t.Batch)
	}
	ex := newExamples(t.Model, share.Len())
	ex.Of = share
	return ex
}

// of returns the share that examples are; of a whole batch all of it.
func of(ex *nn.Examples) nn.Share {
	if ex.Of.N > 0 {
		return ex.Of
	}
	n := ex.X1.N
	return nn.Share{N: n, Kept: [2]int{0, n}}
}

// places returns the places of examples in their batch.
func places(ex *nn.Examples) []int {
	s := of(ex)
	rows := make([]int, 0, s.Len())
	for _, span := range s.Spans() {
		for i := span[0]; i < span[1]; i++ {
			rows = append(rows, i)
		}
	}
	return rows
}

// fillPoints fills the points of a batch, or of a share of it.
func fillPoints(s data.Stream, x1 flow.Batch, given flow.Given, step uint64, of nn.Share) error {
	if of.N == 0 {
		return s.Fill(x1, given, step)
	}
	return data.FillPart(s, x1, given, step, of.N, of.Spans())
}

// noise fills x, one row for each of the examples, with draws of N(0, 1).
func noise(ex *nn.Examples, x []float64, key, step uint64) error {
	d := ex.X1.D
	for _, span := range of(ex).Spans() {
		n := d * (span[1] - span[0])
		if err := nn.NormalFrom(x[:n], key, step, uint64(d*span[0])); err != nil {
			return err
		}
		x = x[n:]
	}
	return nil
}

// sample fills x_0 with draws of a source.
func sample(ex *nn.Examples, source flow.Source, rng *rand.Rand) {
	if ex.Of.N == 0 {
		source.Sample(ex.X0, rng)
		return
	}
	all := flow.NewBatch(ex.Of.N, ex.X0.D)
	source.Sample(all, rng)
	for k, i := range places(ex) {
		copy(ex.X0.Row(k), all.Row(i))
	}
}

// wholly has the times and weights of all examples of a batch drawn, and keeps those of ex.
func wholly(ex *nn.Examples, draw func(all *nn.Examples)) {
	if ex.Of.N == 0 {
		draw(ex)
		return
	}
	n := ex.Of.N
	all := &nn.Examples{T: make([]float64, n), Weight: make([]float64, n)}
	if ex.S != nil {
		all.S = make([]float64, n)
	}
	draw(all)
	for k, i := range places(ex) {
		ex.T[k], ex.Weight[k] = all.T[i], all.Weight[i]
		if ex.S != nil {
			ex.S[k] = all.S[i]
		}
	}
}

// rowsMade returns how many of the examples have targets that the loss makes, of rows in the whole batch.
func rowsMade(ex *nn.Examples, rows int) int {
	if ex.Of.N == 0 {
		return rows
	}
	return ex.Of.MadeLen()
}
