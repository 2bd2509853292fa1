package schema

import (
	"slices"
	"strings"
)

// scales are levels whose order is known by their names, in small letters. Names in one place
// are the same.
var scales = [][]string{
	{"lowest", "very low", "low", "below average", "medium|mid|middle|moderate|average|normal", "above average", "high",
		"very high", "highest"},
	{"xxs", "xs", "s", "m", "l", "xl", "xxl", "xxxl"},
	{"tiny", "small", "medium", "large", "huge"},
	{"never", "rarely|seldom", "sometimes|occasionally", "often|frequently", "usually|mostly", "always"},
	{"strongly disagree", "disagree", "neutral|neither agree nor disagree", "agree", "strongly agree"},
	{"very bad|very poor", "bad|poor", "fair", "good", "very good", "excellent|premium", "ideal"},
	{"mild", "moderate", "severe"},
	{"first|1st", "second|2nd", "third|3rd", "fourth|4th", "fifth|5th", "sixth|6th", "seventh|7th", "eighth|8th",
		"ninth|9th", "tenth|10th"},
	{"jan|january", "feb|february", "mar|march", "apr|april", "may", "jun|june", "jul|july", "aug|august",
		"sep|sept|september", "oct|october", "nov|november", "dec|december"},
	{"mon|monday", "tue|tues|tuesday", "wed|wednesday", "thu|thur|thurs|thursday", "fri|friday", "sat|saturday",
		"sun|sunday"},
	// Of diamonds, by those who grade them.
	{"i3", "i2", "i1", "si3", "si2", "si1", "vs2", "vs1", "vvs2", "vvs1", "if", "fl"},
}

// scaleOf returns levels in the order of the scale that all of them are on; nil: there is none.
func scaleOf(levels []string) []string {
	for _, scale := range scales {
		place := map[string]int{}
		for i, names := range scale {
			for name := range strings.SplitSeq(names, "|") {
				place[name] = i
			}
		}
		taken := map[int]bool{}
		on := !slices.ContainsFunc(levels, func(l string) bool {
			at, ok := place[strings.ToLower(l)]
			twice := taken[at]
			taken[at] = true
			return !ok || twice
		})
		if on && len(levels) > 2 {
			sorted := slices.Clone(levels)
			slices.SortFunc(sorted, func(a, b string) int {
				return place[strings.ToLower(a)] - place[strings.ToLower(b)]
			})
			return sorted
		}
	}
	return nil
}
