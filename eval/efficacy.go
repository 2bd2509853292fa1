package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"flowmatch/classify"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Efficacy is what samples of a table are worth for learning: how well a random forest that was trained on samples
// predicts one column of held-out rows from the others, beside one that was trained on as many rows of the data.
type Efficacy struct {
	Target string `json:"target"` // the column
	// Classes is how many levels it has, which are told by the others; 0: it is of numbers.
	Classes  int `json:"classes,omitempty"`
	Training int `json:"training"` // rows of the data, and samples, that a forest has learnt from, at most
	HeldOut  int `json:"held_out"` // rows asked about
	// Data and Samples are the scores of the forest that was trained on either, and Guess that of the
	// class that is most frequent in the data.
	Data    Score    `json:"data"`
	Samples Score    `json:"samples"`
	Guess   *Score   `json:"guess,omitempty"`
	Doubts  []string `json:"doubts,omitempty"`
}

// Score says how good predictions are.
type Score struct {
	// Accuracy is the share of classes that are right, with its standard error, and F1 the mean over the classes
	// that occur of the harmonic mean of precision and recall (macro F1).
	Accuracy *float64 `json:"accuracy,omitempty"`
	StdErr   *float64 `json:"std_err,omitempty"`
	F1       *float64 `json:"f1,omitempty"`
	// R2 is, of numbers, 1 - Σ(y-ŷ)²/Σ(y-mean)²; nil: of classes, or all of the held-out rows have one number.
	R2 *float64 `json:"r2,omitempty"`
	// MAE is, of numbers, the mean of |y-ŷ|, in units of the column.
	MAE *float64 `json:"mae,omitempty"`
}

// Efficacy measures it with the column Subject.Target.
func (s Subject) Efficacy(ctx context.Context) (*Efficacy, error) {
	s, t, err := s.comparing(ctx, true)
	if err != nil {
		return nil, err
	}
	if t.training.X.N == 0 {
		return nil, fmt.Errorf("eval: %s has no rows to train on: each batch is drawn afresh", s.Set.Name)
	}
	return Tables{Samples: t.samples, Training: t.training, Held: t.held}.Efficacy(ctx, s.Target, s.Seed)
}

// Efficacy measures it with a column, by its name; empty: the last one. The forests are a function of the seed.
func (t Tables) Efficacy(ctx context.Context, target string, seed uint64) (*Efficacy, error) {
	columns := t.Held.Columns
	if len(columns) < 2 {
		return nil, errors.New("eval: efficacy: the rows have one column, and none to predict it from")
	}
	k := len(columns) - 1
	if target != "" {
		if err := choice.Check("column", target, t.Held.names()); err != nil {
			return nil, fmt.Errorf("eval: target: %w", err)
		}
		k = slices.Index(t.Held.names(), target)
	}
	n := min(t.Training.X.N, t.Samples.X.N)
	e := &Efficacy{Target: columns[k].Name, Classes: len(columns[k].Levels), Training: n}
	x, y := t.Held.apart(k)
	if e.HeldOut = x.N; x.N == 0 {
		return nil, fmt.Errorf("eval: %s is missing in all held-out rows", choice.Quote(e.Target))
	}
	for _, of := range []struct {
		rows Rows
		what string
		into *Score
	}{{t.Training.part(0, n), "rows to train on", &e.Data}, {t.Samples.part(0, n), "samples", &e.Samples}} {
		learnt, answers := of.rows.apart(k)
		if learnt.N == 0 {
			return nil, fmt.Errorf("eval: %s is missing in all %s", choice.Quote(e.Target), of.what)
		}
		f, err := classify.NewForest(ctx, learnt, answers, classify.ForestOptions{Classes: e.Classes, Seed: seed})
		if err != nil {
			return nil, err
		}
		told, err := f.Predict(ctx, x)
		if err != nil {
			return nil, err
		}
		if *of.into = scoreOf(told, y, e.Classes); of.into == &e.Data && e.Classes > 0 {
			guess := scoreOf(slices.Repeat([]float64{mostFrequent(answers)}, len(y)), y, e.Classes)
			e.Guess = &guess
		}
	}
	e.doubt()
	return e, nil
}

// doubt says why the scores are not to be trusted.
func (e *Efficacy) doubt() {
	e.Doubts = few(e.HeldOut, "held-out rows")
	useless := e.Classes == 0 && e.Data.R2 != nil && *e.Data.R2 < 0.05
	if e.Classes > 0 {
		useless = *e.Data.Accuracy < *e.Guess.Accuracy+2**e.Data.StdErr
	}
	if useless {
		e.Doubts = append(e.Doubts,
			"the data themselves do not tell the column much better than a guess: choose another target")
	}
}

// apart returns the rows in which column k is there: the other columns as coordinates of a forest, one a level, and
// the values of that column.
func (r Rows) apart(k int) (flow.Batch, []float64) {
	var there []int
	var y []float64
	for i := range r.X.N {
		if v := r.X.Row(i)[k]; !math.IsNaN(v) {
			there, y = append(there, i), append(y, v)
		}
	}
	others := Rows{Columns: slices.Delete(slices.Clone(r.Columns), k, k+1), X: flow.NewBatch(len(there), r.X.D-1)}
	for at, i := range there {
		copy(others.X.Row(at), slices.Delete(slices.Clone(r.X.Row(i)), k, k+1))
	}
	return others.coordinates(), y
}

// coordinates returns rows as a forest takes them: a number as it is, NaN where it is missing, and of levels without an
// order a coordinate for each, which is 1 of its own and 0 otherwise, or where there are two one for both.
func (r Rows) coordinates() flow.Batch {
	width := make([]int, len(r.Columns))
	all := 0
	for k, c := range r.Columns {
		if width[k] = 1; !c.Ordered && len(c.Levels) > 2 {
			width[k] = len(c.Levels)
		}
		all += width[k]
	}
	x := flow.NewBatch(r.X.N, all)
	for i := range x.N {
		to := x.Row(i)
		for k, v := range r.X.Row(i) {
			if width[k] == 1 {
				to[0] = v
			} else if !math.IsNaN(v) {
				to[int(v)] = 1
			}
			to = to[width[k]:]
		}
	}
	return x
}

func mostFrequent(classes []float64) float64 {
	count := map[float64]int{}
	best := classes[0]
	for _, c := range classes {
		if count[c]++; count[c] > count[best] {
			best = c
		}
	}
	return best
}

// scoreOf returns the score of what was told of y; classes 0: they are numbers.
func scoreOf(told, y []float64, classes int) (s Score) {
	if classes == 0 {
		mean, square, total, absolute := 0.0, 0.0, 0.0, 0.0
		for _, v := range y {
			mean += v / float64(len(y))
		}
		for i, v := range y {
			square, total = square+(v-told[i])*(v-told[i]), total+(v-mean)*(v-mean)
			absolute += math.Abs(v-told[i]) / float64(len(y))
		}
		s.R2, s.MAE = numberOf(1-square/total), &absolute
		return s
	}
	right, f1, occur := 0.0, 0.0, 0.0
	both, ofTold, ofY := make([]float64, classes), make([]float64, classes), make([]float64, classes)
	for i, v := range y {
		ofTold[int(told[i])]++
		ofY[int(v)]++
		if told[i] == v {
			right++
			both[int(v)]++
		}
	}
	for c := range both {
		if n := ofTold[c] + ofY[c]; n > 0 {
			f1 += 2 * both[c] / n
			occur++
		}
	}
	n := float64(len(y))
	right, f1 = right/n, f1/occur
	stdErr := math.Sqrt(right * (1 - right) / n)
	s.Accuracy, s.StdErr, s.F1 = &right, &stdErr, &f1
	return s
}

// reportEfficacy measures it.
func (s Subject) reportEfficacy(ctx context.Context, rep *Report) (err error) {
	rep.Efficacy, err = s.Efficacy(ctx)
	return err
}

// Forest is how well a random forest tells samples of a table from held-out rows.
type Forest struct {
	C2ST
}

// Forest says how well a random forest tells samples of a table from held-out rows, both as the file has them: what
// a perceptron is asked about in [C2ST] is what the model learns, which has noise for levels and grids. As in [C2ST],
// samples have the contexts of other rows.
func (s Subject) Forest(ctx context.Context) (*Forest, error) {
	s, t, err := s.comparing(ctx, false)
	if err != nil {
		return nil, err
	}
	held, n := t.held, min(t.held.X.N, t.fresh.X.N)
	samples := t.fresh.part(0, n)
	if s.Model.Net().Config().Context > 0 { // sample i has the context of row i
		held, samples = t.held.part(0, n/2), t.fresh.part(n/2, n)
	}
	o := classify.C2STOptions{Seed: s.Seed}
	if progress := s.watch("rows told apart from samples", held.X.N); progress != nil {
		o.Progress = func(done float64) { progress(done, t.nfe) }
	}
	f, err := Tables{Samples: samples, Held: held}.Forest(ctx, o)
	if err != nil {
		return nil, err
	}
	f.NFE = t.nfe
	return f, nil
}

// Forest says how well a random forest tells samples from as many held-out rows.
func (t Tables) Forest(ctx context.Context, o classify.C2STOptions) (*Forest, error) {
	n := min(t.Held.X.N, t.Samples.X.N)
	r, err := classify.TwoSampleForest(ctx, t.Held.part(0, n).coordinates(), t.Samples.part(0, n).coordinates(), o)
	if err != nil {
		return nil, err
	}
	return &Forest{C2ST{C2ST: r, Doubts: few(n, "held-out rows")}}, nil
}

// reportForest makes the test.
func (s Subject) reportForest(ctx context.Context, rep *Report) (err error) {
	rep.Forest, err = s.Forest(ctx)
	return err
}
