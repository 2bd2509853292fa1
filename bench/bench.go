package bench

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"flowmatch/internal/choice"
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
	flops   float64 // in the products of a unit; 0: not given
	host    bool    // does not use the engine
	threads int     // that the case is about; 0: any number
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
	Rounds int           // of how many at most; 0: 15
	Budget time.Duration // of all rounds of a case, and of each variant of a peer; 0: 3 s. One round is always done.
	Peers  *Peers        // their rounds alternate with ours; nil: none
	// Alone runs a case in a process of its own, with that number of threads (0:
	// as many as here) and that budget. nil: no memory is measured, and cases about a number of
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
	FLOPS   float64  `json:"flops,omitempty"`  // of the matrix products, a second of the whole
	Peers   []Time   `json:"peers,omitempty"`  // in their own order
	Pairs   []Pair   `json:"pairs,omitempty"`  // over rounds, of each variant of a peer
	Ratio   float64  `json:"ratio,omitempty"`  // to the best peer, the median; below 1 this program is faster
	Target  float64  `json:"target,omitempty"` // that the ratio is to stay within
	Memory  []Memory `json:"memory,omitempty"` // of processes that do this case only
	Notes   []string `json:"notes,omitempty"`  // what could not be measured, and why
	Point   *Point   `json:"scaling,omitempty"`
}

// Time is that of one unit of a case, as one variant of a peer does it.
type Time struct {
	Variant string  `json:"way"` // "torch fused"
	Seconds float64 `json:"seconds"`
}

// Pair is the time of a unit in that of one variant of a peer, over rounds: both were measured one right
// after the other.
type Pair struct {
	Variant string    `json:"way"`
	Ratio   Quartiles `json:"ratio"`
	Rounds  int       `json:"rounds"`
}

// targets are the ratios to the best peer that cases are to stay within; 1 for
// those not named.
var targets = map[string]float64{
	"train mlp64x3 B256":                   0.35,
	"train mlp256x4 B1024":                 0.7,
	"train mlp512x5 B4096":                 0.85,
	"sample euler100 mlp64x3 n1000":        0.45,
	"sample dopri5 1e-5 mlp512x5 n1000":    0.85,
	"logp exact dopri5 1e-5 mlp64x3 n1000": 0.35,
	"train bf16 mlp512x5 B4096":            0.9,
	"train bf16 mlp4096x3 B1024":           0.9,
	"train bf16 unet32 28x28 B64":          0.9,
	"exact OT n256 d2":                     0.25,
	"exact OT n4096 d2":                    0.25,
}

// target is the ratio to the best peer that a case is to stay within.
func target(name string) float64 { return cmp.Or(targets[name], 1) }

// scalingShare is the share of the budget that a case of scaling gets: there are
// many, and they are compared over decades.
const scalingShare = 3

// Groups returns the groups of cases.
func Groups() []string {
	return []string{"train", "conv", "images", "transformers", "published", "bf16", "sample", "likelihood", "coupling",
		"scaling"}
}

// Cases returns the cases of a group, or of "all", only the quick ones if so
// asked; or the one case of that name.
func Cases(which string, quick bool) ([]Case, error) {
	var out []Case
	names := append(Groups(), "all")
	for _, c := range cases() {
		if c.Name == which {
			return []Case{c}, nil
		}
		names = append(names, c.Name)
		if (which == "all" || c.Group == which) && (c.Quick || !quick) {
			out = append(out, c)
		}
	}
	if err := choice.Check("group or case", which, names); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return out, nil
}

// threads returns the number of threads that the work may use.
func threads() int { return runtime.GOMAXPROCS(0) }

// Measure measures the cases. It goes through all of them a round at a time, so
// that the rounds of a case lie far apart and what disturbs the machine for a
// while spoils one of them only. report, unless nil, is called with what is about to
// be done. With an error come the results that there are.
func Measure(ctx context.Context, eng *nn.Engine, cases []Case, o Options,
	report func(doing string)) ([]Result, error) {
	if report == nil {
		report = func(string) {}
	}
	if o.Rounds == 0 {
		o.Rounds = 15
	}
	if o.Budget == 0 {
		o.Budget = 3 * time.Second
	}
	timers := make([]*timer, len(cases))
	for round := range o.Rounds {
		for k, c := range cases {
			report(fmt.Sprintf("round %d/%d  %s", round+1, o.Rounds, c.Name))
			if round == 0 {
				timers[k] = newTimer(c, o)
			}
			if err := timers[k].round(ctx, eng, o); err != nil {
				return measured(timers), fmt.Errorf("%s: %w", c.Name, err)
			}
		}
	}
	for _, t := range timers {
		if t.c.Group != "train" || o.Alone == nil {
			continue
		}
		report("memory  " + t.c.Name)
		if err := t.r.measureMemory(ctx, o); err != nil {
			return measured(timers), fmt.Errorf("%s: %w", t.c.Name, err)
		}
	}
	return measured(timers), nil
}

// measured returns the results of the timers that have done a round.
func measured(timers []*timer) (out []Result) {
	for _, t := range timers {
		if t == nil || t.r.Rounds == 0 {
			continue
		}
		t.r.FLOPS = t.c.flops / t.r.Seconds
		t.pair()
		out = append(out, t.r)
	}
	return out
}

// pair works out the ratios to the peers and to the best of them.
func (t *timer) pair() {
	t.r.Pairs = nil
	for _, p := range t.r.Peers {
		if ratios := t.ratios[p.Variant]; len(ratios) > 0 {
			t.r.Pairs = append(t.r.Pairs, Pair{p.Variant, quartilesOf(ratios), len(ratios)})
		}
	}
	if best, ok := t.r.best(); ok {
		t.r.Ratio, t.r.Target = t.r.Seconds/best.Seconds, target(t.r.Case)
		if q, ok := t.r.spread(); ok {
			t.r.Ratio = q.Median
		}
	}
}

// spread is the quartiles of the ratio to the best peer, where it was measured in pairs.
func (r Result) spread() (Quartiles, bool) {
	best, _ := r.best()
	k := slices.IndexFunc(r.Pairs, func(p Pair) bool { return p.Variant == best.Variant })
	if k < 0 {
		return Quartiles{}, false
	}
	return r.Pairs[k].Ratio, true
}

// best returns the variant of the peers to which the median ratio is largest; without pairs, the fastest.
func (r Result) best() (Time, bool) {
	if len(r.Peers) == 0 {
		return Time{}, false
	}
	if len(r.Pairs) > 0 {
		best := slices.MaxFunc(r.Pairs, func(a, b Pair) int { return cmp.Compare(a.Ratio.Median, b.Ratio.Median) })
		k := slices.IndexFunc(r.Peers, func(t Time) bool { return t.Variant == best.Variant })
		return r.Peers[max(k, 0)], true
	}
	return slices.MinFunc(r.Peers, func(a, b Time) int {
		if a.Seconds < b.Seconds {
			return -1
		}
		return 1
	}), true
}

// timer measures a case, round by round.
type timer struct {
	c      Case
	budget time.Duration // of our own rounds together
	do     work          // nil before the first round
	spent  float64
	theirs time.Duration        // that rounds with peers have taken
	ratios map[string][]float64 // to variants of peers, of each round
	r      Result
}

func newTimer(c Case, o Options) *timer {
	if c.Point != nil {
		o.Budget /= scalingShare
	}
	return &timer{c: c, budget: o.Budget, ratios: map[string][]float64{}, r: Result{
		Case: c.Name, Group: c.Group, Unit: c.Unit, Backend: "host", Threads: threads(), Point: c.Point,
	}}
}

// round times a round of ours and of each peer.
func (t *timer) round(ctx context.Context, eng *nn.Engine, o Options) error {
	if t.c.threads > 0 && t.c.threads != threads() {
		return t.elsewhere(ctx, o)
	}
	if t.do == nil {
		if err := t.start(ctx, eng, o.Rounds); err != nil {
			return err
		}
	}
	others := o.Peers.of(t.c.Name)
	if t.done(len(others) > 0) {
		return ctx.Err()
	}
	if len(others) == 0 {
		_, err := t.ours(ctx, 1)
		return err
	}
	begin := time.Now()
	defer func() { t.theirs += time.Since(begin) }()
	for _, one := range others { // right before each of them
		seconds, err := t.ours(ctx, len(others))
		if err != nil {
			return err
		}
		for _, theirs := range one.round(ctx, &t.r, t.budget/time.Duration(o.Rounds)) {
			t.ratios[theirs.Variant] = append(t.ratios[theirs.Variant], seconds/theirs.Seconds)
		}
	}
	t.r.Rounds -= len(others) - 1 // which are one round
	return ctx.Err()
}

// Peers that take much longer than this program have fewer rounds: from enough on, no more than patience
// times the budget is spent with them.
const (
	enough   = 7
	patience = 8
)

// done says whether the budget of a case is spent.
func (t *timer) done(withPeers bool) bool {
	compared := !withPeers || len(t.ratios) > 0 // the estimate may have been a round
	return t.r.Rounds > 0 && compared && t.spent >= t.budget.Seconds() ||
		t.r.Rounds >= enough && t.theirs > patience*t.budget
}

// ours times this program; of a round it is one of so many times.
func (t *timer) ours(ctx context.Context, of int) (seconds float64, err error) {
	if seconds, _, err = timed(ctx, t.do, t.r.Units); err != nil {
		return 0, err
	}
	t.spent += seconds * float64(t.r.Units) / float64(of)
	if t.r.Rounds == 0 || seconds < t.r.Seconds {
		t.r.Seconds = seconds
	}
	t.r.Rounds++
	return seconds, nil
}

// start makes the work and does two units of it: one in which programs are
// compiled, which is not timed, and one that says how many fit into a round.
func (t *timer) start(ctx context.Context, eng *nn.Engine, rounds int) (err error) {
	if !t.c.host {
		t.r.Backend = eng.Name()
	}
	do, err := t.c.prepare(eng)
	if err != nil {
		return err
	}
	if _, err := do(ctx, 1); err != nil {
		return err
	}
	estimate, nfe, err := timed(ctx, do, 1)
	if err != nil {
		return err
	}
	t.do, t.spent = do, estimate
	t.r.NFE, t.r.Seconds = nfe, estimate
	t.r.Units = int(min(float64(t.c.Most), max(1, t.budget.Seconds()/float64(rounds)/estimate)))
	if t.r.Units == 1 { // else one alone is not worth comparing with a round
		t.r.Rounds = 1
	}
	return nil
}

// elsewhere measures, once, a case that wants another number of threads.
func (t *timer) elsewhere(ctx context.Context, o Options) error {
	switch {
	case t.r.Rounds > 0:
		return nil
	case o.Alone == nil:
		return fmt.Errorf("bench: this process has %d threads; set GOMAXPROCS=%d", threads(), t.c.threads)
	}
	report, err := o.Alone(ctx, t.c.Name, t.c.threads, o.Budget)
	if err != nil {
		return err
	}
	if len(report.Results) != 1 {
		return fmt.Errorf("bench: a process of its own gave %d results", len(report.Results))
	}
	t.r = report.Results[0]
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
