package experiment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
)

// errNoClassifier is what comes of a classifier that cannot be had: nothing is wrong with the
// run that it would judge.
var errNoClassifier = errors.New("the classifier")

// ends says whether an error in a measure, or in a picture, is one that ends the grid: what is
// wrong is around it, such as a disk, and not in the run, so that it can be mended and the grid
// go on. Of a run that cannot be measured the error stands in its result, and the grid goes on.
func ends(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.As(err, new(*fs.PathError)) ||
		slices.ContainsFunc([]error{errLacking, errNoClassifier, ErrStale, memory.ErrTooLarge}, func(e error) bool {
			return errors.Is(err, e)
		}))
}

// lack records that a measure could not measure something.
func (r *Result) lack(measure string, err error) {
	if r.Missing == nil {
		r.Missing = map[string]string{}
	}
	r.Missing[measure] = strings.ReplaceAll(choice.Spoken(err), "\n", "; ")
}

// lacks returns what could not be measured of the run, and why, by measure.
func (r *Result) lacks() (lines []string) {
	for _, measure := range slices.Sorted(maps.Keys(r.Missing)) {
		lines = append(lines, measure+": "+r.Missing[measure])
	}
	return lines
}

// Missing returns a line for each run that failed, and for each measure that could not measure
// something of a run, with the reason. Trials have their own place on a page.
func Missing(results []Result) (lines []string) {
	for _, r := range results {
		if r.Trial {
			continue
		}
		which := fmt.Sprintf("%s on %s, seed %d, ", r.Method, r.Task, r.Seed)
		if r.Failed != "" {
			lines = append(lines, which+r.failure())
			continue
		}
		for _, lack := range r.lacks() {
			lines = append(lines, which+lack)
		}
	}
	return lines
}

// failure says, in one line, why a run has no figures.
func (r Result) failure() string {
	return "failed in training: " + strings.ReplaceAll(choice.Spoken(errors.New(r.Failed)), "\n", "; ")
}
