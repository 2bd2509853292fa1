package bench

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"flowmatch/nn"
)

// Case is one piece of work of a fixed size.
type Case struct {
	Name  string // of the case in every library's table: "train mlp64x3 B256"
	Group string // one of [Groups]
	Unit  string // of the work: step, solve or matching
	Most  int    // units timed together at most
	Quick bool   // small enough for every day

	// prepare makes the work: a function that does units of it and returns the
	// evaluations of the network in one of them (0: not counted).
	prepare func(eng *nn.Engine) (work, error)
	host    bool // does not use the engine
}

// work does some units of a case.
type work func(ctx context.Context, units int) (nfe int, err error)

// Options says how long to measure. The zero value is the usual measurement.
type Options struct {
	Repeats int           // least of how many; 0: 3
	Budget  time.Duration // of a case, roughly; 0: 10 s. One repeat is always done.
}

// Result is a time. Seconds is that of one unit, the least of Repeats.
type Result struct {
	Case    string  `json:"case"`
	Group   string  `json:"group"`
	Seconds float64 `json:"seconds"`
	Unit    string  `json:"unit"`
	NFE     int     `json:"nfe,omitempty"` // evaluations in one unit, of a solve
	Repeats int     `json:"repeats"`
	Units   int     `json:"units"` // units in a repeat
	Backend string  `json:"backend"`
	Threads int     `json:"threads"`
}

// Groups returns the groups of cases.
func Groups() []string { return []string{"train", "sample", "likelihood", "coupling"} }

// Cases returns the cases of a group, or of "all"; only the quick ones if so asked.
func Cases(group string, quick bool) ([]Case, error) {
	var out []Case
	known := group == "all"
	for _, g := range Groups() {
		known = known || g == group
	}
	if !known {
		return nil, fmt.Errorf("bench: unknown cases %q; it must be one of %s, all", group, strings.Join(Groups(), ", "))
	}
	for _, c := range cases() {
		if (group == "all" || c.Group == group) && (c.Quick || !quick) {
			out = append(out, c)
		}
	}
	return out, nil
}

// Threads returns the number of threads that the work may use.
func Threads() int { return runtime.GOMAXPROCS(0) }

// Run measures the case. A first unit, in which programs are compiled, is not
// timed; a second tells how many fit into the budget.
func (c Case) Run(ctx context.Context, eng *nn.Engine, o Options) (Result, error) {
	if o.Repeats == 0 {
		o.Repeats = 3
	}
	if o.Budget == 0 {
		o.Budget = 10 * time.Second
	}
	r := Result{Case: c.Name, Group: c.Group, Unit: c.Unit, Backend: "host", Threads: Threads()}
	if !c.host {
		r.Backend = eng.Name()
	}
	do, err := c.prepare(eng)
	if err != nil {
		return r, err
	}
	if _, err := do(ctx, 1); err != nil {
		return r, err
	}
	estimate, nfe, err := timed(ctx, do, 1)
	if err != nil {
		return r, err
	}
	r.NFE, r.Seconds, r.Repeats, r.Units = nfe, estimate, 1, 1
	r.Units = int(min(float64(c.Most), max(1, o.Budget.Seconds()/float64(o.Repeats)/estimate)))
	spent := estimate
	for k := 0; k < o.Repeats && (spent < o.Budget.Seconds() || k == 0 && r.Units > 1); k++ {
		seconds, _, err := timed(ctx, do, r.Units)
		if err != nil {
			return r, err
		}
		spent += seconds * float64(r.Units)
		if k == 0 && r.Units > 1 { // one unit alone is not worth comparing with many
			r.Seconds, r.Repeats = seconds, 0
		}
		r.Seconds = min(r.Seconds, seconds)
		r.Repeats++
	}
	return r, nil
}

// timed returns the seconds that one of the units took.
func timed(ctx context.Context, do work, units int) (seconds float64, nfe int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	nfe, err = do(ctx, units)
	return max(time.Since(start).Seconds(), 1e-9) / float64(units), nfe, err
}
