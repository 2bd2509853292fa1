package experiment

import (
	"slices"
	"strings"
)

// boldRule is what a page says of the figures in bold.
const boldRule = "Bold: the lowest mean, and each that is above it by no more than its standard deviation over the " +
	"seeds. Nothing is bold where that holds for all, or where only one seed was measured."

// below says whether the mean of a is below that of b by more than the spread over the seeds:
// the larger of the two standard deviations. Of one seed no spread is known.
func (s summary) below(b summary) bool {
	return s.n > 1 && b.n > 1 && b.mean-s.mean > max(s.std, b.std)
}

// leaders returns the names of the least mean and of those above it by no more than its spread
// over the seeds; nil where that is all of them, or nothing is known of the spread. Figures that
// are not to be trusted do not compete.
func leaders(names []string, of func(name string) summary) (out []string) {
	var in []string
	var least summary
	for _, name := range names {
		s := of(name)
		if s.n == 0 || s.doubts > 0 {
			continue
		}
		if in = append(in, name); len(in) == 1 || s.mean < least.mean {
			least = s
		}
	}
	for _, name := range in {
		if of(name).mean-least.mean <= least.std {
			out = append(out, name)
		}
	}
	if least.n < 2 || len(out) == len(in) {
		return nil
	}
	return out
}

// list writes names as a sentence has them.
func list(names []string) string {
	comma, n := ", ", len(names)
	if slices.ContainsFunc(names, func(s string) bool { return strings.Contains(s, comma) }) {
		comma = "; "
	}
	switch n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], comma) + " and " + names[n-1]
	}
}
