package train

import (
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
)

// A rank makes its share of the examples of a step, where these do not depend on each other. Points and
// noise, which are many numbers, are made for the share alone. Times, one number of each example, are
// drawn for all, and so is what a sequence of random numbers makes of all examples in turn: the share
// is that of the batch to the bit.

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

// apart says whether examples do not depend on each other.
func (o CFM) apart() bool { return o.coupling() == nil && o.Show == nil }

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
