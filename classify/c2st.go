package classify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/stat"
	"flowmatch/nn"
)

// C2STOptions says how two samples are told apart. The zero value is the protocol of sbibm
// (Lueckmann et al. 2021), with 0 for the seed that is 1 there.
type C2STOptions struct {
	// Seed is that of folds, first weights and batches: the random_state of scikit-learn.
	Seed uint64
	// Unscaled leaves the coordinates as they are, which otherwise are centred and divided
	// by the standard deviation of the reference. Figures with and without differ much.
	Unscaled bool
	// Hidden are the widths of the hidden layers; nil: two of 10 D.
	Hidden []int
	Folds  int // of the cross-validation; default 5
	Epochs int // at most; default 10000, which training hardly ever comes to
	// Progress, if not nil, is told which part of the work is done, in 0..1.
	Progress func(done float64)
}

// C2ST is how well two samples can be told apart by a classifier that did not see the points
// it is asked of. Where Accuracy is Chance they cannot be, and may be of one law; 1 is the
// worst. An accuracy a little below Chance is chance, too.
type C2ST struct {
	Accuracy float64 `json:"accuracy"` // mean over the folds
	// StdErr is the standard error of that mean, from the folds. It does not contain what
	// two other samples of the same laws would change.
	StdErr float64   `json:"std_err"`
	Folds  []float64 `json:"folds"` // the accuracy of each
	// Reference and Points are the sizes of the samples, and Chance the share of the larger
	// one, 0.5 for samples of one size: what guessing is right about.
	Reference int     `json:"reference"`
	Points    int     `json:"points"`
	Chance    float64 `json:"chance"`
}

// ErrSample is returned for samples that a classifier cannot be asked about.
var ErrSample = errors.New("samples do not fit")

// TwoSample is the classifier two-sample test (Friedman 2003; Lopez-Paz and Oquab 2017) of
// points x [M, D] against reference [N, D] in the variant of sbibm, whose figures are
// published: the cross-validated accuracy of a perceptron with two hidden layers of 10 D
// units and ReLU, of coordinates that are scaled by the reference, trained as scikit-learn's
// MLPClassifier is. A coordinate that is constant in the reference is only centred.
//
// It takes samples of any law; compare figures at one size only, for a classifier finds more
// with more points. The result is a function of the samples, the seed and the engine, and
// with scikit-learn's random_state for a seed nearly its own. The error is [ErrSample] for
// samples that do not fit, and that of ctx when it ends.
func TwoSample(ctx context.Context, eng *nn.Engine, reference, x flow.Batch, o C2STOptions) (C2ST, error) {
	o.Folds, o.Epochs = cmp.Or(o.Folds, 5), cmp.Or(o.Epochs, 10000)
	if err := o.check(reference, x); err != nil {
		return C2ST{}, err
	}
	all, second := together(reference, x)
	if !o.Unscaled {
		by := scaleOf(reference)
		for i := range all.N {
			by.apply(all.Row(i), all.Row(i))
		}
	}
	tr, err := newTrainer(eng, all.D, o.Hidden)
	if err != nil {
		return C2ST{}, err
	}
	return o.crossValidated(reference.N, x.N, func(of []int, k int) (float64, error) {
		return foldAccuracy(ctx, tr, all, second, of, k, o)
	})
}

// TwoSampleForest is [TwoSample] with a random forest of 100 trees, which takes coordinates of any scale,
// and NaN for what is missing: of rows of tables it finds more than a perceptron does. Of the
// options it needs no scale, widths or epochs.
func TwoSampleForest(ctx context.Context, reference, x flow.Batch, o C2STOptions) (C2ST, error) {
	o.Folds, o.Epochs = cmp.Or(o.Folds, 5), 1
	if reference.N < 1 || x.N < 1 {
		return C2ST{}, fmt.Errorf("classify: %d and %d points: %w: it needs a point at least", reference.N, x.N,
			ErrSample)
	}
	if err := o.checkSizes(reference, x); err != nil {
		return C2ST{}, err
	}
	all, second := together(reference, x)
	return o.crossValidated(reference.N, x.N, func(of []int, k int) (float64, error) {
		learnt, asked, kinds, want := fold(all, second, of, k)
		f, err := NewForest(ctx, learnt, kinds, ForestOptions{Classes: 2, Seed: o.Seed})
		if err != nil {
			return 0, err
		}
		got, err := f.Predict(ctx, asked)
		return shareEqual(got, want), err
	})
}

// crossValidated returns the test of samples of two sizes; accuracy is that of fold k of those of the points.
func (o C2STOptions) crossValidated(reference, points int, accuracy func(of []int, k int) (float64, error)) (C2ST,
	error) {
	n := reference + points
	of := newMersenne(o.Seed).folds(n, o.Folds)
	res := C2ST{Reference: reference, Points: points, Chance: float64(max(reference, points)) / float64(n)}
	for k := range o.Folds {
		right, err := accuracy(of, k)
		if err != nil {
			return C2ST{}, fmt.Errorf("classify: fold %d of %d: %w", k+1, o.Folds, err)
		}
		res.Folds = append(res.Folds, right)
		if o.Progress != nil {
			o.Progress(float64(k+1) / float64(o.Folds))
		}
	}
	res.Accuracy, res.StdErr = stat.MeanStdErr(res.Folds)
	return res, nil
}

// check reports options and samples that cannot be used.
func (o C2STOptions) check(reference, x flow.Batch) error {
	for _, s := range []struct {
		which string
		of    flow.Batch
	}{{"reference", reference}, {"other", x}} {
		if err := checkSample(s.which, s.of); err != nil {
			return err
		}
	}
	return o.checkSizes(reference, x)
}

// checkSizes reports samples of sizes that cannot be told apart.
func (o C2STOptions) checkSizes(reference, x flow.Batch) error {
	switch n := reference.N + x.N; {
	case reference.D != x.D:
		return fmt.Errorf("classify: a reference of dimension %d and points of dimension %d: %w: they must be of one",
			reference.D, x.D, ErrSample)
	case o.Folds < 2 || o.Epochs < 1:
		return fmt.Errorf("classify: %d folds and %d epochs; it needs at least 2 folds and 1 epoch", o.Folds, o.Epochs)
	case n < 2*o.Folds:
		return fmt.Errorf("classify: %d and %d points in %d folds: %w: it needs at least %d together", reference.N, x.N,
			o.Folds, ErrSample, 2*o.Folds)
	}
	return nil
}

// checkSample reports a sample that is empty, or not of finite numbers.
func checkSample(which string, x flow.Batch) error {
	if x.N < 1 || x.D < 1 || len(x.X) != x.N*x.D {
		return fmt.Errorf("classify: the %s sample is of shape [%d, %d] with %d numbers: %w: it needs a point at least",
			which, x.N, x.D, len(x.X), ErrSample)
	}
	for k, v := range x.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("classify: coordinate %d of point %d of the %s sample is %g: %w: it must be finite",
				k%x.D, k/x.D, which, v, ErrSample)
		}
	}
	return nil
}

// together returns both samples as one, and 1 for each point of the second, else 0.
func together(a, b flow.Batch) (flow.Batch, []float64) {
	all, second := flow.NewBatch(a.N+b.N, a.D), make([]float64, a.N+b.N)
	copy(all.X[copy(all.X, a.X):], b.X)
	for i := a.N; i < all.N; i++ {
		second[i] = 1
	}
	return all, second
}

// scale centres coordinates and divides them.
type scale struct{ mean, std []float64 }

// scaleOf returns the scale of the means and standard deviations of x, which leaves the size
// of a coordinate that is constant there.
func scaleOf(x flow.Batch) (s scale) {
	column := make([]float64, x.N)
	for k := range x.D {
		for i := range column {
			column[i] = x.Row(i)[k]
		}
		mean, stdErr := stat.MeanStdErr(column)
		std := stdErr * math.Sqrt(float64(x.N))
		if !(std > 0) {
			std = 1
		}
		s.mean, s.std = append(s.mean, mean), append(s.std, std)
	}
	return s
}

// apply scales x into dst, which may be x.
func (s scale) apply(dst, x []float64) {
	for k, v := range x {
		dst[k] = (v - s.mean[k]) / s.std[k]
	}
}

// newTrainer returns the trainer of a perceptron for points of dimension dim, with hidden
// layers of these widths; nil: two of 10 dim.
func newTrainer(eng *nn.Engine, dim int, hidden []int) (*nn.DiscriminatorTrainer, error) {
	if hidden == nil {
		hidden = []int{10 * dim, 10 * dim}
	}
	d, err := nn.NewDiscriminator(eng, nn.DiscriminatorConfig{Dim: dim, Hidden: hidden, L2: sklearnL2}, 0)
	if err != nil {
		return nil, err
	}
	return d.NewTrainer(sklearnOptimizer())
}

// fold returns the points of other folds to learn from, and those of fold k to be asked about, with their
// kinds.
func fold(x flow.Batch, second []float64, of []int, k int) (learnt, asked flow.Batch, kinds, want []float64) {
	learnt.D, asked.D = x.D, x.D
	for i, fold := range of {
		to, kind := &learnt, &kinds
		if fold == k {
			to, kind = &asked, &want
		}
		to.N, to.X, *kind = to.N+1, append(to.X, x.Row(i)...), append(*kind, second[i])
	}
	return learnt, asked, kinds, want
}

// shareEqual returns the share of got that is equal to want.
func shareEqual(got, want []float64) float64 {
	right := 0
	for i, v := range got {
		if v == want[i] {
			right++
		}
	}
	return float64(right) / float64(len(want))
}

// foldAccuracy trains on the points of other folds and returns the share of those of fold k
// whose kind the classifier then knows.
func foldAccuracy(ctx context.Context, tr *nn.DiscriminatorTrainer, x flow.Batch, second []float64, of []int, k int,
	o C2STOptions) (float64, error) {
	learnt, asked, kinds, want := fold(x, second, of, k)
	if err := sklearnFit(ctx, tr, learnt, kinds, o.Epochs, newMersenne(o.Seed)); err != nil {
		return 0, err
	}
	net, err := tr.Raw()
	if err != nil {
		return 0, err
	}
	logits, err := net.Logits(asked)
	for i, z := range logits {
		logits[i] = 0
		if z > 0 {
			logits[i] = 1
		}
	}
	return shareEqual(logits, want), err
}
