package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/flow"
	"flowmatch/internal/stat"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/ode"
)

// Likelihood is the negative log-likelihood of held-out points.
type Likelihood struct {
	Points     int     `json:"points"`
	NLL        float64 `json:"nll"`     // mean, nats, in data units
	StdErr     float64 `json:"std_err"` // of that mean
	Divergence string  `json:"divergence"`
	NFE        int     `json:"nfe"`
	// Chosen says that there were more points, and these fitted the budget; nil: all that were asked for.
	Chosen *Chosen `json:"chosen,omitempty"`
	// Optimum is the mean of -log p under the data's own density, where that is
	// known, and Gap what the model lacks.
	Optimum *float64 `json:"optimum,omitempty"`
	Gap     *float64 `json:"gap,omitempty"`
	BPD     *float64 `json:"bpd,omitempty"` // bits per dimension, of dequantised images, one sample each
	// Dequantizations are bits per dimension with more samples; see [BPD].
	Dequantizations []BPD `json:"dequantizations,omitempty"`
	// Mass is how much of the model is within its bounds, to which log-densities are limited; nil:
	// there are none. Points outside are not among Points.
	Mass *model.Mass `json:"mass,omitempty"`
	// Check says whether the mean is to be believed; nil where there is no mean.
	Check *Check `json:"check,omitempty"`
	// Doubts say why so few points tell nothing, whatever Check says; only a Report has them.
	Doubts []string `json:"doubts,omitempty"`
}

// ErrOutside is returned, with the log-densities, all -Inf, where no point is within the bounds of the model.
var ErrOutside = errors.New("eval: the points are out of the bounds of the model")

// UnscoredError is returned by [Subject.Likelihood] where some points have no log-density that
// is a number.
type UnscoredError struct {
	Points []int // their numbers, from 0
	Of     int   // how many points there were
	// Why is why the solve of the first failed; nil of points that flow to where the source
	// has no density, so that the mean of all is -Inf.
	Why error
	// Where, if not nil, says where a point is from; else it is its number, from 1.
	Where func(point int) string
}

// Error names the first of the points.
func (e *UnscoredError) Error() string {
	const most = 5
	where := e.Where
	if where == nil {
		where = func(i int) string { return fmt.Sprintf("point %d", i+1) }
	}
	var named []string
	for _, i := range e.Points[:min(most, len(e.Points))] {
		named = append(named, where(i))
	}
	if more := len(e.Points) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	if e.Why == nil {
		return fmt.Sprintf("eval: the mean log-density of %d points is -Inf: %d of them flow to where the source has "+
			"no density: %s", e.Of, len(e.Points), strings.Join(named, ", "))
	}
	return fmt.Sprintf("eval: no log-density of %d of %d points, which the mean leaves out: %s: %v",
		len(e.Points), e.Of, strings.Join(named, ", "), e.Why)
}

// Unwrap returns Why.
func (e *UnscoredError) Unwrap() error { return e.Why }

// Likelihood evaluates points x [N, D] in data units; it also returns the log-density of
// each, in nats. given is as in [Subject.LogProb]. Where the solve of a point fails its
// log-density is NaN and the figures are those of the others; where points have no density at
// all (-Inf) there is no mean, and no Likelihood. The error then is an [UnscoredError]. Beside
// any other error there is what was known before it.
func (s Subject) Likelihood(ctx context.Context, x flow.Batch, given flow.Given) (*Likelihood, []float64, error) {
	s, err := s.checked()
	if err != nil {
		return nil, nil, err
	}
	logp, l, o, err := s.logProb(ctx, x, given, s.watch("log-densities", x.N))
	unscored := &UnscoredError{Of: x.N}
	if some := (*ode.PointsError)(nil); errors.As(err, &some) {
		unscored.Why = some.Errs[slices.Index(some.Points, slices.Min(some.Points))]
	} else if err != nil {
		return nil, nil, err
	}
	whole := slices.Clone(logp)
	l.Mass, err = s.Model.Normalize(ctx, x, logp, s.bounded(o))
	if some := (*ode.PointsError)(nil); errors.As(err, &some) {
		unscored.Why = cmp.Or(unscored.Why, some.Errs[0])
	} else if err != nil {
		return nil, nil, err
	}
	var scored, nowhere []int
	var values []float64
	bounds := s.Model.Spec().Bounds
	for i, v := range logp {
		switch {
		case math.IsNaN(v):
			unscored.Points = append(unscored.Points, i)
		case !bounds.Inside(x.Row(i)):
			whole[i] = math.NaN() // it is not in the mean, nor in the check of it
		case math.IsInf(v, 0):
			nowhere = append(nowhere, i)
		default:
			scored, values = append(scored, i), append(values, v)
		}
	}
	if nowhere != nil {
		return nil, logp, &UnscoredError{Of: x.N, Points: nowhere}
	}
	if scored == nil && unscored.Points == nil {
		return nil, logp, fmt.Errorf("%w (%s), so that their density is 0: all of %d", ErrOutside,
			s.Model.Spec().Bounds.Named(s.Model.Spec().Columns), x.N)
	}
	if scored == nil {
		return nil, logp, unscored
	}
	on := x
	if len(scored) < x.N {
		on = x.Rows(scored)
	}
	if err := s.measured(l, on, values); err != nil {
		return l, logp, err
	}
	if l.Check, err = s.trust(ctx, x, whole, values, o, l); err == nil && unscored.Points != nil {
		err = unscored
	}
	return l, logp, err
}

// measured fills in the figures of points x whose log-densities are logp.
func (s Subject) measured(l *Likelihood, x flow.Batch, logp []float64) error {
	l.Points = x.N
	l.NLL, l.StdErr = stat.MeanStdErr(logp)
	l.NLL = -l.NLL
	if bpd, err := s.Model.BitsPerDim(-l.NLL); err == nil && s.Set != nil && s.Set.Dequantized {
		l.BPD = &bpd
	}
	exact, err := s.DataLogProb(x)
	if err != nil || exact == nil {
		return err
	}
	optimum, _ := stat.MeanStdErr(exact)
	optimum = -optimum
	if gap := l.NLL - optimum; !math.IsInf(gap, 0) { // points off the support have no optimum
		l.Optimum, l.Gap = &optimum, &gap
	}
	return nil
}

// LogProb returns log p(x | given) of points x [N, D] in data units, in nats, and how it
// was evaluated; NLL and what follows from it are not filled in. Points that cannot be
// solved for have NaN, and the error is an [*ode.PointsError]. Contexts that given does
// not have are made of x by the model's Conditioner: the density is that of an image given
// what is known of it.
func (s Subject) LogProb(ctx context.Context, x flow.Batch, given flow.Given) ([]float64, *Likelihood, error) {
	s, err := s.checked()
	if err != nil {
		return nil, nil, err
	}
	logp, l, o, err := s.logProb(ctx, x, given, s.watch("log-densities", x.N))
	if logp != nil {
		var failed error
		l.Mass, failed = s.Model.Normalize(ctx, x, logp, s.bounded(o))
		if some := (*ode.PointsError)(nil); failed != nil && !errors.As(failed, &some) {
			return nil, nil, failed
		}
		err = cmp.Or(err, failed)
	}
	return logp, l, err
}

// bounded returns the options of a solve with the bounds of the model, which logProb leaves out.
func (s Subject) bounded(o model.LikelihoodOptions) model.LikelihoodOptions {
	o.Within, o.Progress = nil, nil
	if b := s.Model.Spec().Bounds; len(b) > 0 {
		o.Progress = s.watch("samples that tell the mass within the bounds", max(1, o.Given.Context.N))
	}
	return o
}

// logProb also returns the options of the solve.
func (s Subject) logProb(ctx context.Context, x flow.Batch, given flow.Given,
	report model.Progress) ([]float64, *Likelihood, model.LikelihoodOptions, error) {
	o, err := s.likelihoodOptions(x, given)
	if err != nil {
		return nil, nil, o, err
	}
	o.Progress, o.Within = report, &model.Within{} // everywhere
	logp, st, err := s.Model.LogProb(ctx, x, o)
	l := &Likelihood{Points: x.N, Divergence: o.Divergence.String(), NFE: st.NFE}
	var some *ode.PointsError
	switch {
	case errors.As(err, &some):
		err = fmt.Errorf("eval: %d of %d points cannot be solved for: %w", len(some.Points), x.N, err)
	case err != nil:
		return nil, nil, o, err
	}
	return logp, l, o, err
}

// likelihoodOptions returns how log-densities of points x are evaluated, with all that
// these are given.
func (s Subject) likelihoodOptions(x flow.Batch, given flow.Given) (o model.LikelihoodOptions, err error) {
	if err := s.Model.HasDensity(); err != nil {
		return o, err
	}
	switch {
	case x.N < 1:
		return o, fmt.Errorf("%w: log-densities of 0 points", ErrNoPoints)
	case x.D != s.Model.Dim():
		return o, fmt.Errorf("eval: points of dimension %d given to a model of dimension %d", x.D, s.Model.Dim())
	}
	if o.Solver, err = s.Settings.DensitySolver(); err != nil {
		return o, err
	}
	if o.Divergence, err = s.Settings.DivergenceFor(x.D, s.Seed); err != nil {
		return o, err
	}
	if given.Context.N == 0 {
		if given.Context, err = s.Model.ContextOf(x, s.Seed); err != nil {
			return o, err
		}
	}
	o.Given = given
	return o, nil
}

// BPD is the bound of bits per dimension of integer images, by the protocol of the
// paper (arXiv 2210.02747, appendix E.1): −log₂ 1/K Σ_k p(x + u_k) with uniform noise u
// of one level, a mean over the images. It falls as K grows, so figures are comparable
// at one K only.
type BPD struct {
	K      int     `json:"k"` // dequantisation samples of an image
	BPD    float64 `json:"bpd"`
	StdErr float64 `json:"std_err"` // over the images
}

// reportedK are the K that a report gives, where it has so many samples.
var reportedK = []int{1, 5, 20, 50}

// bitsPerDim evaluates the test images with Settings.Dequantizations samples of noise;
// first are the log-densities with the first of them, in nats and data units. With an
// error it returns the figures of the K that it came to.
func (s Subject) bitsPerDim(ctx context.Context, first []float64) ([]BPD, error) {
	most := s.Settings.Dequantizations
	logSum := slices.Clone(first) // log Σ_k p so far
	reported := slices.DeleteFunc(slices.Clone(reportedK), func(k int) bool { return k >= most })
	reported = append(reported, most)
	progress := s.watch("log-densities of dequantised images", len(first)*(most-1))
	var out []BPD
	spent := 0
	for k := 1; ; k++ {
		if slices.Contains(reported, k) {
			out = append(out, s.bpdOf(logSum, k))
		}
		if k == most {
			return out, nil
		}
		x, given, err := s.dequantized(len(first), uint64(k))
		if err != nil {
			return out, err
		}
		logp, cost, _, err := s.logProb(ctx, x, given, func(done float64, nfe int) {
			if progress != nil {
				progress((float64(k-1)+done)/float64(most-1), spent+nfe)
			}
		})
		if err != nil {
			return out, fmt.Errorf("sample of dequantisation %d of %d: %w", k+1, most, err)
		}
		spent += cost.NFE
		for i, l := range logp {
			top := max(l, logSum[i])
			logSum[i] = top + math.Log(math.Exp(l-top)+math.Exp(logSum[i]-top))
		}
	}
}

// bpdOf turns log Σ_k p of each image into bits per dimension.
func (s Subject) bpdOf(logSum []float64, k int) BPD {
	bits := make([]float64, len(logSum))
	for i, l := range logSum {
		bits[i] = likelihood.BitsPerDim(l-math.Log(float64(k)), s.Model.Dim(), s.Model.Spec().BinWidth)
	}
	mean, se := stat.MeanStdErr(bits)
	return BPD{K: k, BPD: mean, StdErr: se}
}
