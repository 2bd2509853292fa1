package model

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
)

// ErrNoContext is returned when contexts are given to a model that takes none.
var ErrNoContext = errors.New("model: the model was trained without a context")

// Contexts returns contexts c [N, Dc], in the units of the data, in model units, as
// [SampleOptions] and [LikelihoodOptions] take them. c is not modified. The error is
// [ErrNoContext] of a model without, or says what does not fit.
func (m *Model) Contexts(c flow.Batch) (flow.Batch, error) {
	if err := m.made(); err != nil {
		return flow.Batch{}, err
	}
	dim := m.spec.Net.Context
	switch {
	case dim == 0:
		return flow.Batch{}, ErrNoContext
	case c.D != dim || len(c.X) != c.N*c.D:
		return flow.Batch{}, fmt.Errorf("model: contexts of shape [%d, %d] with %d numbers; the model takes %d for "+
			"each point", c.N, c.D, len(c.X), dim)
	}
	for i, v := range c.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return flow.Batch{}, fmt.Errorf("model: context %d: %s is %g; it must be a finite number", i/dim+1,
				m.contextName(i%dim), v)
		}
	}
	if err := m.checkMarks(c); err != nil {
		return flow.Batch{}, err
	}
	z := c.Clone()
	if s := m.spec.ContextStandardizer; s != nil {
		s.Apply(z)
	}
	return z, nil
}

// checkContext reports what does not fit the contexts of the network.
func (s Spec) checkContext() error {
	if n := len(s.ContextColumns); n != 0 && n != s.Net.Context {
		return fmt.Errorf("%w: %d context_columns for a network of %d numbers of context", ErrSpec, n, s.Net.Context)
	}
	if s.ContextShape != nil && volume(s.ContextShape) != s.Net.Context {
		return fmt.Errorf("%w: context_shape %v for a network of %d numbers of context", ErrSpec, s.ContextShape,
			s.Net.Context)
	}
	if s.ContextStandardizer == nil {
		return nil
	}
	if err := s.ContextStandardizer.Validate(); err != nil {
		return fmt.Errorf("%w: context_standardizer: %w", ErrSpec, err)
	}
	if n := len(s.ContextStandardizer.Mean); n != s.Net.Context {
		return fmt.Errorf("%w: a context_standardizer of %d numbers for contexts of %d", ErrSpec, n, s.Net.Context)
	}
	return nil
}

// volume is how many numbers an array of a shape has; 0 of a shape that is none.
func volume(shape []int) int {
	n := 1
	for _, axis := range shape {
		if axis < 1 || axis > math.MaxInt32/n {
			return 0
		}
		n *= axis
	}
	return n
}

// contextName names number k of a context.
func (m *Model) contextName(k int) string {
	if names := m.spec.ContextColumns; names != nil {
		return fmt.Sprintf("%q", names[k])
	}
	return fmt.Sprintf("number %d", k+1)
}

// checkMarks reports marks of the observations of a set that are neither 0 nor 1.
func (m *Model) checkMarks(c flow.Batch) error {
	r := m.spec.Net.Residual
	if r == nil || r.Embed.Kind != nn.EmbedSet {
		return nil
	}
	numbers := r.Embed.Shape[1]
	for i := range c.N {
		for k := numbers - 1; k < c.D; k += numbers {
			if mark := c.Row(i)[k]; mark != 0 && mark != 1 {
				return fmt.Errorf("model: context %d: the mark of observation %d is %g; it must be 1 where there is "+
					"an observation, and 0 where there is none", i+1, k/numbers+1, mark)
			}
		}
	}
	return nil
}

// observed says whether number k of a context is looked at: those of an observation of a set that is
// marked as none are not.
func (m *Model) observed(context []float64, k int) bool {
	r := m.spec.Net.Residual
	if r == nil || r.Embed.Kind != nn.EmbedSet {
		return true
	}
	numbers := r.Embed.Shape[1]
	return context[k-k%numbers+numbers-1] != 0
}

// ContextKnown returns the contexts [N, Dc], in model units, that show of images x [N, D], in data units, the
// values that are known, [N·D]: of a pixel all channels or none. A model without a Spec.Condition of
// inpainting has no such contexts, which is an error.
func (m *Model) ContextKnown(x flow.Batch, known []bool) (flow.Batch, error) {
	if err := m.made(); err != nil {
		return flow.Batch{}, err
	}
	if m.condition == nil {
		return flow.Batch{}, ErrNoContext
	}
	if err := m.fits("images", x); err != nil {
		return flow.Batch{}, err
	}
	if len(known) != len(x.X) {
		return flow.Batch{}, fmt.Errorf("model: %d truth values for %d values of images", len(known), len(x.X))
	}
	channels := 1
	if shape := m.spec.Image(); len(shape) == 3 {
		channels = shape[2]
	}
	pixels := make([]bool, 0, len(known)/channels)
	for p := range len(known) / channels {
		of := known[p*channels : (p+1)*channels]
		if slices.Contains(of, !of[0]) {
			return flow.Batch{}, fmt.Errorf("model: of pixel %d some channels are known and some are not",
				p%(m.Dim()/channels)+1)
		}
		pixels = append(pixels, of[0])
	}
	context := flow.NewBatch(x.N, m.condition.Dim())
	return context, m.condition.Reveal(context, m.toModelUnits(x), pixels)
}

// farContext is from how many standard deviations of the training contexts on a model knows
// nothing of a context that is also outside of all of them: of a normal law two in a million are as far, of
// others, such as the pixels of a small bright thing, many.
const farContext = 5.0

// outside is by how many standard deviations a number must be outside of the range of the training contexts,
// so that rounding does not put it there.
const outside = 1e-6

// FarContext returns why the contexts z [N, Dc], in model units, are not such as the model was
// trained on, naming the farthest; empty: nothing speaks against them, or their standard
// deviations are not known.
func (m *Model) FarContext(z flow.Batch) string {
	if m.made() != nil || m.spec.ContextStandardizer == nil || z.D != m.spec.Net.Context {
		return ""
	}
	s := m.spec.ContextStandardizer
	far, worst, worstBy := 0, 0, 0.0
	for i := range z.N {
		is := false
		for k, v := range z.Row(i) {
			if s.Squash {
				v = data.Stretch(v)
			}
			if by := math.Abs(v); m.isFar(k, v) && m.observed(z.Row(i), k) {
				if is = true; by > worstBy {
					worst, worstBy = i*z.D+k, by
				}
			}
		}
		if is {
			far++
		}
	}
	if far == 0 {
		return ""
	}
	k, seen := worst%z.D, ""
	if s.Lo != nil {
		seen = fmt.Sprintf(" (they have %.4g to %.4g)", s.Lo[k], s.Hi[k])
	}
	x := flow.Batch{N: 1, D: z.D, X: slices.Clone(z.Row(worst / z.D))}
	s.Invert(x)
	return fmt.Sprintf("%d of %d contexts are far from those of the training, and the model knows nothing of them: "+
		"in context %d %s is %.4g, %.3g standard deviations from the mean %.4g%s", far, z.N, worst/z.D+1,
		m.contextName(k), x.X[k], worstBy, s.Mean[k], seen)
}

// isFar says whether number k of a context, so many standard deviations from its mean, is far from the mean
// and from all that the model was trained on.
func (m *Model) isFar(k int, v float64) bool {
	if math.Abs(v) <= farContext {
		return false
	}
	s := m.spec.ContextStandardizer
	if s.Lo == nil {
		return true
	}
	below, above := (s.Lo[k]-s.Mean[k])/s.Std[k]-v, v-(s.Hi[k]-s.Mean[k])/s.Std[k]
	return max(below, above) > outside
}
