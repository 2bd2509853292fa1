package data

import (
	"fmt"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/manifold"
)

// Describe says what a set holds, a line each: its points and their columns or pixels, how many
// are for training, validation and the end, and its classes.
func (s *Set) Describe() []string {
	lines := []string{s.points(), s.parts()}
	if s.Stored != "" {
		what := "rows"
		if s.Kind == KindImages {
			what = "images"
			if s.Encoded != nil {
				what = "latents"
			}
		}
		lines = append(lines, what+" are read from disk as they are needed (data.memory), from "+s.Stored)
	}
	if s.ContextColumns != nil {
		lines = append(lines, fmt.Sprintf("given %d numbers of context%s: %s", s.Context, shaped(s.ContextShape),
			choice.List(s.ContextColumns)))
	}
	if s.Schema != nil {
		lines = append(lines, s.Schema.Lines()...)
	}
	if s.Classes > 0 {
		of := ""
		if s.LabelName != "" && s.Kind == KindTable {
			of = " of " + choice.Quote(s.LabelName)
		}
		what := "0 to " + fmt.Sprint(s.Classes-1)
		if s.ClassNames != nil {
			what = choice.List(s.ClassNames)
		}
		lines = append(lines, fmt.Sprintf("%d classes%s: %s", s.Classes, of, what))
	}
	return lines
}

// shaped says the shape of a context; empty where it has none.
func shaped(shape []int) string {
	if shape == nil {
		return ""
	}
	return fmt.Sprintf(" of shape %v", shape)
}

// points says what a point is.
func (s *Set) points() string {
	switch {
	case s.Kind == KindImages:
		if s.Encoded != nil {
			return fmt.Sprintf("%slatents of %s, of images of %s", s.count(), sides(s.Image()), sides(s.Encoded))
		}
		return fmt.Sprintf("%simages of %s", s.count(), sides(s.Image()))
	case s.Space != nil:
		return fmt.Sprintf("%s%s, in columns %s", s.count(), manifold.Points(s.Space.Manifold()),
			choice.List(s.Space.Columns))
	case s.Columns == nil:
		return fmt.Sprintf("%spoints of %d dimensions", s.count(), s.Dim)
	}
	from := ""
	if s.Header {
		from = ", named by the first line"
	}
	names := s.Columns
	if s.Schema != nil {
		names = s.Schema.Names()
	}
	return fmt.Sprintf("%srows of %d columns%s: %s", s.count(), len(names), from, choice.List(names))
}

// sides writes a shape as 32x32x4.
func sides(shape []int) string {
	var all []string
	for _, side := range shape {
		all = append(all, fmt.Sprint(side))
	}
	return strings.Join(all, "x")
}

// count is how many points there are, and a blank; empty where the law has no end of them.
func (s *Set) count() string {
	if s.TrainSet == nil {
		return ""
	}
	return fmt.Sprintf("%d ", s.TrainSet.Len()+s.Val.Len()+s.Test.Len())
}

// parts counts the points of each part.
func (s *Set) parts() string {
	train := "any number"
	if s.TrainSet != nil {
		train = fmt.Sprint(s.TrainSet.Len())
	}
	return fmt.Sprintf("%s to train on, %d to validate on, %d held out to evaluate", train, s.Val.Len(), s.Test.Len())
}
