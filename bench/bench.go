package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"flowmatch/nn"
)

// Case is one piece of work of a fixed size.
type Case struct {
	Name  string // of the case in every library's table: "train mlp64x3 B256"
	Group string // one of [Groups]
	Unit  string // of the work: step, pass, solve or matching
	Most  int    // units timed together at most
	Quick bool   // small enough for every day
	Point *Point // of a case of the group scaling; else nil

	// prepare makes the work: a function that does units of it and returns the
	// evaluations of the network in one of them (0: not counted).
	prepare func(eng *nn.Engine) (work, error)
	host    bool // does not use the engine
	threads int  // that the case is about; 0: any number
}

// Point is the place of a case in the picture of how cost grows: on the line of
// that name over an axis.
type Point struct {
	Axis string `json:"axis"` // batch, width, dimension or threads
	Line string `json:"line"`
	At   int    `json:"at"`
}

// work does some units of a case.
type work func(ctx context.Context, units int) (nfe int, err error)

// Options says how long to measure, and beside what. The zero value is the usual
// measurement of this program alone.
type Options struct {
	Rounds int           // least of how many; 0: 3
	Budget time.Duration // of all rounds of a case, and of each way of a peer; 0: 3 s. One round is always done.
	Peers  *Peers        // their rounds alternate with ours; nil: none
	// Alone runs a case in a process of its own, with that number of threads (0:
	// as many as here) and that budget. nil: no memory is told, and cases about a number of
	// threads that is not that of this process cannot be run.
	Alone func(ctx context.Context, name string, threads int, budget time.Duration) (Report, error)
}

// Result is a time. Seconds is that of one unit: the mean of a round, the least
// of the rounds.
type Result struct {
	Case    string   `json:"case"`
	Group   string   `json:"group"`
	Seconds float64  `json:"seconds"`
	Unit    string   `json:"unit"`
	NFE     int      `json:"nfe,omitempty"` // evaluations in one unit, of a solve
	Rounds  int      `json:"rounds"`
	Units   int      `json:"units"` // units in a round
	Backend string   `json:"backend"`
	Threads int      `json:"threads"`
	Peers   []Time   `json:"peers,omitempty"`  // in their own order
	Ratio   float64  `json:"ratio,omitempty"`  // to the best peer; below 1 this program is faster
	Target  float64  `json:"target,omitempty"` // that the ratio is to stay within
	Memory  []Memory `json:"memory,omitempty"` // of processes that do this case only
	Notes   []string `json:"notes,omitempty"`  // what could not be measured, and why
	Point   *Point   `json:"scaling,omitempty"`
}

// Time is that of one unit in one way of doing a case.
type Time struct {
	Way     string  `json:"way"` // "torch fused"
	Seconds float64 `json:"seconds"`
}

// Target is the ratio to the best peer that every case is to stay within.
const Target = 1.0

// scalingShare is the share of the budget that a case of scaling gets: there are
// many, and they are compared over decades.
const scalingShare = 3

// Groups returns the groups of cases.
func Groups() []string {
	return []string{"train", "conv", "sample", "likelihood", "coupling", "scaling"}
}

// Cases returns the cases of a group, or of "all", only the quick ones if so
// asked; or the one case of that name.
func Cases(which string, quick bool) ([]Case, error) {
	var out []Case
	known := which == "all" || slices.Contains(Groups(), which)
	for _, c := range cases() {
		if c.Name == which {
			return []Case{c}, nil
		}
		if (which == "all" || c.Group == which) && (c.Quick || !quick) {
			out = append(out, c)
		}
	}
	if !known {
		return nil, fmt.Errorf("bench: unknown cases %q; it must be one of %s, all, or the name of a case", which, strings.Join(Groups(), ", "))
	}
	return out, nil
}

// Threads returns the number of threads that the work may use.
func Threads() int { return runtime.GOMAXPROCS(0) }

// Run measures the case, in turns with the peers that know it. A first unit, in
// which programs are compiled, is not timed; a second tells how many fit into a
// round.
func (c Case) Run(ctx context.Context, eng *nn.Engine, o Options) (Result, error) {
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	if o.Budget == 0 {
		o.Budget = 3 * time.Second
	}
	if c.threads > 0 && c.threads != Threads() {
		return c.elsewhere(ctx, o)
	}
	if c.Point != nil {
		o.Budget /= scalingShare
	}
	r := Result{Case: c.Name, Group: c.Group, Unit: c.Unit, Backend: "host", Threads: Threads(), Point: c.Point}
	if !c.host {
		r.Backend = eng.Name()
	}
	do, err := c.prepare(eng)
	if err != nil {
		return r, err
	}
	t := &timer{do: do, most: c.Most, budget: o.Budget, rounds: o.Rounds, r: &r}
	if err := t.start(ctx); err != nil {
		return r, err
	}
	for range o.Rounds {
		if err := t.round(ctx); err != nil {
			return r, err
		}
		if o.Peers != nil {
			o.Peers.round(ctx, &r, o.Budget/time.Duration(o.Rounds))
		}
	}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	if best, ok := r.Best(); ok {
		r.Ratio, r.Target = r.Seconds/best.Seconds, Target
	}
	if c.Group == "train" && o.Alone != nil {
		return r, r.measureMemory(ctx, o)
	}
	return r, nil
}

// Best returns the fastest way of the peers.
func (r Result) Best() (Time, bool) {
	if len(r.Peers) == 0 {
		return Time{}, false
	}
	return slices.MinFunc(r.Peers, func(a, b Time) int {
		if a.Seconds < b.Seconds {
			return -1
		}
		return 1
	}), true
}

// elsewhere measures a case that wants another number of threads.
func (c Case) elsewhere(ctx context.Context, o Options) (Result, error) {
	if o.Alone == nil {
		return Result{}, fmt.Errorf("bench: %q is about %d threads, and this process has %d; set GOMAXPROCS=%d", c.Name, c.threads, Threads(), c.threads)
	}
	report, err := o.Alone(ctx, c.Name, c.threads, o.Budget)
	if err != nil {
		return Result{}, err
	}
	if len(report.Results) != 1 {
		return Result{}, fmt.Errorf("bench: %q in a process of its own gave %d results", c.Name, len(report.Results))
	}
	return report.Results[0], nil
}

// timer times our own side of a case.
type timer struct {
	do           work
	most, rounds int
	budget       time.Duration
	spent        float64
	r            *Result
}

// start does the unit that is not timed, and the one that tells the size of a round.
func (t *timer) start(ctx context.Context) error {
	if _, err := t.do(ctx, 1); err != nil {
		return err
	}
	estimate, nfe, err := timed(ctx, t.do, 1)
	if err != nil {
		return err
	}
	t.spent = estimate
	t.r.NFE, t.r.Seconds, t.r.Rounds = nfe, estimate, 1
	t.r.Units = int(min(float64(t.most), max(1, t.budget.Seconds()/float64(t.rounds)/estimate)))
	if t.r.Units > 1 { // one unit alone is not worth comparing with many
		t.r.Rounds = 0
	}
	return nil
}

// round times a round, unless the budget is spent.
func (t *timer) round(ctx context.Context) error {
	if t.r.Rounds > 0 && t.spent >= t.budget.Seconds() {
		return nil
	}
	seconds, _, err := timed(ctx, t.do, t.r.Units)
	if err != nil {
		return err
	}
	t.spent += seconds * float64(t.r.Units)
	if t.r.Rounds == 0 || seconds < t.r.Seconds {
		t.r.Seconds = seconds
	}
	t.r.Rounds++
	return nil
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
