package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/ode"
	"flowmatch/sde"
)

// recorded are the names of the values and the curves that something records, of a run that
// has them all. A # in a name stands for a number.
type recorded struct{ values, curves []string }

func (a recorded) with(b recorded) recorded {
	return recorded{slices.Concat(a.values, b.values), slices.Concat(a.curves, b.curves)}
}

// recordedOfRuns and recordedOfFits are what is recorded of every cell of a grid, whatever is
// measured.
var (
	recordedOfRuns = recorded{values: []string{
		"threads", "measure_seconds", "steps", "seconds", "ms_per_step", "weights", "evaluations_per_step",
		"val_loss",                    // where there are validation points; each objective has its own scale
		"nll_check", "nll_check_peer", // of peers
	}}
	recordedOfFits = recorded{
		values: []string{
			"threads", "rmse", "rmse_start", "steps", "seconds", "ms_per_step", "nfe_forward", "nfe_back", "vjps_back",
		},
		curves: []string{"rmse_by_step"},
	}
)

// recordedOfGradients is what the measure of that name records of a fit.
func recordedOfGradients() recorded {
	r := recorded{values: []string{"finite_difference"}}
	for _, name := range []string{"theta_error", "x0_error", "ms", "states", "evaluations"} {
		r.values, r.curves = append(r.values, name+"/#"), append(r.curves, name)
	}
	return r
}

func recordedOfSolvers() recorded {
	var r recorded
	for _, m := range []*ode.Tableau{ode.Euler, ode.Midpoint, ode.RK4, ode.Dopri5} {
		r.curves = append(r.curves, "error/"+m.Name, "w2/"+m.Name)
		for _, e := range solverErrors {
			r.values = append(r.values, fmt.Sprintf("nfe_for_%g/%s", e, m.Name))
		}
	}
	return r
}

func recordedOfFewSteps() recorded {
	r := recorded{values: []string{"w2_data", "sw2_data", "off_data"}}
	for _, steps := range fewCounts {
		for _, name := range []string{"w2", "sw2", "off"} {
			r.values = append(r.values, fmt.Sprintf("%s_%d", name, steps))
		}
	}
	return r
}

func recordedOfSamplers() recorded {
	r := recorded{values: []string{"w2_data"}}
	for _, name := range append([]string{ode.Euler.Name, ode.Heun2.Name}, sde.Names()...) {
		r.curves = append(r.curves, "w2/"+name)
		for _, nfe := range samplerNFE {
			r.values = append(r.values, fmt.Sprintf("w2_%d/%s", nfe, name))
		}
	}
	return r
}

func recordedOfStages() recorded {
	r := recorded{[]string{"nfe_last", "nfe_spread"}, []string{"nfe_by_step", "nll_by_step", "nll_by_second"}}
	for _, gap := range stageGaps {
		for _, name := range []string{"steps", "seconds", "evaluations"} {
			r.values = append(r.values, fmt.Sprintf("%s_to_gap_%g", name, gap))
		}
	}
	return r
}

func recordedOfFeatureSolvers() recorded {
	var r recorded
	for _, m := range featureMethods {
		r.curves = append(r.curves, "fid/"+m.Name)
		for _, nfe := range featureNFE {
			r.values = append(r.values, fmt.Sprintf("fid_%d/%s", nfe, m.Name))
		}
	}
	return r
}

// all is the table of measures of a kind of grid.
func (g Grid) all() []measure {
	switch g.Kind {
	case kindNeural:
		return neuralMeasures()
	case kindTables:
		return tabularMeasures()
	case kindTokens:
		return tokenMeasures()
	}
	return measures()
}

// recorded returns what the measures named record, beside what every cell has.
func (g Grid) recorded(measures ...string) recorded {
	out := recordedOfRuns
	switch g.Kind {
	case kindNeural:
		out = recordedOfFits
	case kindTables:
		out = recorded{values: []string{"threads", "measure_seconds"}}
	case kindTokens:
		out = recordedOfTokens
	}
	for _, m := range g.all() {
		if slices.Contains(measures, m.name) {
			out = out.with(m.recorded)
		}
	}
	return out
}

// vocabulary checks the names of values, or of curves, of a grid.
type vocabulary struct {
	g    Grid
	what string // value or curve
	of   func(recorded) []string
}

func (g Grid) values() vocabulary {
	return vocabulary{g, "value", func(r recorded) []string { return r.values }}
}

func (g Grid) curves() vocabulary {
	return vocabulary{g, "curve", func(r recorded) []string { return r.curves }}
}

// check reports a name that none of the measures given records; of none given, those of the
// grid.
func (f vocabulary) check(name string, measures ...string) error {
	if len(measures) == 0 {
		measures = slices.Concat(f.g.Measure, f.g.MeasureFirst)
	}
	there := f.of(f.g.recorded(measures...))
	if among(name, there) {
		return nil
	}
	for _, m := range f.g.all() {
		if among(name, f.of(m.recorded)) {
			return fmt.Errorf("nothing measures the %s %q; the measure %s does: add it", f.what, name, m.name)
		}
	}
	if len(there) == 0 {
		return fmt.Errorf("unknown %s %s; nothing that is measured has any", f.what, choice.Quote(name))
	}
	return choice.Check(f.what, name, there)
}

// among says whether a name is one of those recorded.
func among(name string, recorded []string) bool {
	return slices.ContainsFunc(recorded, func(pattern string) bool {
		before, after, numbered := strings.Cut(pattern, "#")
		if !numbered {
			return name == pattern
		}
		rest, begins := strings.CutPrefix(name, before)
		number, ends := strings.CutSuffix(rest, after)
		_, err := strconv.ParseFloat(number, 64)
		return begins && ends && err == nil
	})
}

// series reports a name of which no value NAME_N is recorded for any number N.
func (f vocabulary) series(name string) error {
	var there []string
	for _, v := range f.of(f.g.recorded(slices.Concat(f.g.Measure, f.g.MeasureFirst)...)) {
		at := strings.LastIndexByte(v, '_')
		if at < 0 {
			continue
		}
		if _, err := strconv.ParseFloat(v[at+1:], 64); err == nil || v[at+1:] == "#" {
			there = append(there, v[:at])
		}
	}
	if len(there) == 0 {
		return fmt.Errorf("unknown series %s; nothing that is measured has values by number", choice.Quote(name))
	}
	return choice.Check("series", name, slices.Compact(slices.Sorted(slices.Values(there))))
}
