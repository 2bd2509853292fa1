package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/internal/choice"
)

// Unknown is a token of a sequence that [TokenModel.Infill] fills in.
const Unknown = text.Gap

// Infill draws o.N sequences of tokens of which some are known, and the others, [Unknown], are drawn given these:
// known has one row for all, or one for each. Known tokens stay as they are. A sequence that is longer than those of
// the model is filled in window by window, each half of one further, so that what is drawn has a quarter of a window
// known or drawn on each side; of one that is shorter, what would come behind its end is drawn, and left out. A
// sequence depends on its seed, its number and what is known of it alone. The stats are of all windows.
func (m *TokenModel) Infill(ctx context.Context, known discrete.Tokens, o TokenSampling) (discrete.Tokens,
	discrete.Stats, error) {
	var stats discrete.Stats
	starts := windowStarts(known.L, m.spec.Net.Length)
	if err := m.canInfill(known, o, len(starts)); err != nil {
		return discrete.Tokens{}, stats, err
	}
	o.Sampler.Path = m.path
	out, l := discrete.NewTokens(o.N, known.L), m.spec.Net.Length
	for i := range o.N {
		copy(out.Row(i), known.Row(min(i, known.N-1)))
	}
	of := o.names()
	for w, start := range starts {
		until := start + 3*l/4
		if w == len(starts)-1 {
			until = known.L
		}
		if !hasUnknown(out, start, until) {
			continue
		}
		o.Sampler.Of = windowOf(of, w, len(starts))
		x := o.Sampler.Start(o.N, l)
		x.Shown = make([]bool, len(x.X))
		for i := range o.N {
			for j, v := range out.Row(i)[start:min(start+l, known.L)] {
				if v != Unknown {
					x.X[i*l+j], x.Shown[i*l+j] = v, true
				}
			}
		}
		s, err := m.solve(ctx, o, x, portion(o.Progress, w, len(starts)))
		if stats.NFE += s.NFE; err != nil {
			return out, stats, err
		}
		for i := range o.N {
			copy(out.Row(i)[start:until], x.Row(i))
		}
	}
	return out, stats, nil
}

// Windows is how many windows [TokenModel.Infill] fills in of a sequence of so many tokens, at most.
func (m *TokenModel) Windows(tokens int) int { return len(windowStarts(tokens, m.spec.Net.Length)) }

// names are the names of the sequences.
func (o TokenSampling) names() []discrete.Sequence {
	if o.Sampler.Of != nil {
		return o.Sampler.Of
	}
	of := make([]discrete.Sequence, o.N)
	for i := range of {
		of[i] = discrete.Sequence{Seed: o.Sampler.Seed, Number: o.Sampler.First + i}
	}
	return of
}

// windowOf names window w of n of each sequence, which has noise of its own.
func windowOf(of []discrete.Sequence, w, n int) []discrete.Sequence {
	out := make([]discrete.Sequence, len(of))
	for i, s := range of {
		out[i] = discrete.Sequence{Seed: s.Seed, Number: s.Number*n + w}
	}
	return out
}

// canInfill reports tokens that cannot be filled in.
func (m *TokenModel) canInfill(known discrete.Tokens, o TokenSampling, windows int) error {
	of, v := o.Sampler.Of, m.spec.Vocabulary
	switch {
	case o.N < 1:
		return fmt.Errorf("model: %d sequences to draw; want 1 at least", o.N)
	case known.N != 1 && known.N != o.N || len(known.X) != known.N*known.L:
		return fmt.Errorf("model: the known tokens of %d sequences are [%d, %d] with %d numbers; give a row for all, "+
			"or one for each", o.N, known.N, known.L, len(known.X))
	case v.Rows() && known.L != m.spec.Net.Length:
		return fmt.Errorf("model: rows of %d tokens; the model has rows of %d", known.L, m.spec.Net.Length)
	case of != nil && len(of) != o.N:
		return fmt.Errorf("model: Of names %d sequences of %d", len(of), o.N)
	case o.At != nil && windows > 1:
		return fmt.Errorf("model: At is for sequences of one window, and %d tokens are filled in in %d", known.L,
			windows)
	}
	levels := m.Levels()
	for k, t := range known.X {
		if v.Kind == text.Categories {
			levels = v.LevelsOf(k % known.L)
		}
		if t != Unknown && (t < 0 || int(t) >= levels) {
			return fmt.Errorf("model: token %d of sequence %d is %d; it must be from 0 to %d, or Unknown", k%known.L,
				k/known.L, t, levels-1)
		}
	}
	if err := m.canGuide(o, o.N); err != nil {
		return err
	}
	if !hasUnknown(known, 0, known.L) {
		return errors.New("model: all tokens are known; there is nothing to fill in")
	}
	return m.HasInfill()
}

// HasInfill returns [ErrNoInfill] where the model cannot fill in, and says what would be right.
func (m *TokenModel) HasInfill() error {
	if m.spec.Net.Mask || m.spec.Net.Shown {
		return nil
	}
	return fmt.Errorf("%w: with the source %s it must learn to fill in; train it with train.shown above 0, or with "+
		"path.source mask", ErrNoInfill, m.spec.Path.Noise())
}

// ErrNoInfill is of a model of tokens that was not told in training which tokens are known.
var ErrNoInfill = errors.New("model: the network was not told in training which tokens are known")

// hasUnknown says whether a token from lo to hi of some sequence is unknown.
func hasUnknown(x discrete.Tokens, lo, hi int) bool {
	for i := range x.N {
		if slices.Contains(x.Row(i)[lo:min(hi, x.L)], Unknown) {
			return true
		}
	}
	return false
}

// DefaultMark is what marks a token to fill in where nothing else is said.
const DefaultMark = "▁"

// ErrMark is of a mark of [TokenModel.Marked] that cannot be one, and of a text in which it does not stand.
var ErrMark = errors.New("model: mark of tokens to fill in")

// Marked returns the tokens of a text in which each mark stands for one [Unknown], and so many of them behind its end.
// Of a model of rows it is one row, in which a cell is the mark, or of a table of categories empty, and nothing comes
// behind. The error is [ErrMark], or that of a text which the vocabulary has not.
func (m *TokenModel) Marked(content, mark string, extend int) ([]int32, error) {
	v := m.spec.Vocabulary
	if v.Rows() {
		return m.markedRow(content, mark, extend)
	}
	_, err := v.Encode(mark)
	switch {
	case mark == "" || strings.ContainsAny(mark, "\r\n"):
		return nil, fmt.Errorf("%w: %s is empty, or has the end of a line; take another", ErrMark, choice.Quote(mark))
	case err == nil && v.Kind == text.Chars:
		return nil, fmt.Errorf("%w: %s may stand in the text itself; take another, of characters that were not learnt",
			ErrMark, choice.Quote(mark))
	}
	parts := strings.Split(content, mark)
	if len(parts) == 1 && extend < 1 {
		return nil, fmt.Errorf("%w: the text has no %s; put one for each token to fill in, take another mark, or "+
			"extend the text", ErrMark, mark)
	}
	if _, err := v.Encode(strings.Join(parts, "")); err != nil { // which names the line
		return nil, err
	}
	var out []int32
	for i, part := range parts {
		if i > 0 {
			out = append(out, Unknown)
		}
		ids, err := v.Encode(part)
		if err != nil {
			return nil, err
		}
		out = append(out, ids...)
	}
	for range extend {
		out = append(out, Unknown)
	}
	return out, nil
}

// markedRow is Marked of a row.
func (m *TokenModel) markedRow(content, mark string, extend int) ([]int32, error) {
	v := m.spec.Vocabulary
	isLevel := v.Kind == text.Categories && slices.ContainsFunc(v.Columns, func(c text.Column) bool {
		return slices.Contains(c.Levels, mark)
	})
	if v.Kind == text.Integers {
		ids, err := v.Encode(mark)
		isLevel = err == nil && len(ids) > 0
	}
	switch {
	case extend > 0:
		return nil, fmt.Errorf("%w: a row has %d tokens, and %d are to come behind it; do not extend it", ErrMark,
			m.spec.Net.Length, extend)
	case mark == "" || isLevel:
		return nil, fmt.Errorf("%w: %s is empty, or may stand in the row itself; take another", ErrMark,
			choice.Quote(mark))
	}
	out, err := v.EncodeGaps(content, mark)
	switch {
	case err != nil:
		return nil, err
	case len(out) != m.spec.Net.Length:
		return nil, fmt.Errorf("text: there are %d tokens; a row of the model has %d", len(out), m.spec.Net.Length)
	case !slices.Contains(out, Unknown):
		return nil, fmt.Errorf("%w: the row has no %s; put one for each token to fill in, or take another mark",
			ErrMark, mark)
	}
	return out, nil
}

// windowStarts are where windows of l tokens begin of n, each half a window behind the last.
func windowStarts(n, l int) []int {
	starts := []int{0}
	for at := 0; at+l < n; {
		at = min(at+max(1, l/2), n-l)
		starts = append(starts, at)
	}
	return starts
}

// portion is the progress of part k of n.
func portion(p Progress, k, n int) Progress {
	if p == nil {
		return nil
	}
	return func(done float64, nfe int) { p((float64(k)+done)/float64(n), nfe) }
}
