package dataset

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"flowmatch/data"
	"flowmatch/data/simulator"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
	"flowmatch/internal/memory"
	"flowmatch/ode"
)

// checkSimulator refuses what does not fit a simulator.
func (c Config) checkSimulator() error {
	switch {
	case c.Simulator == "":
		return fmt.Errorf("data: kind %s without simulator; set it to one of %s", data.KindSimulator,
			choice.List(simulator.Names()))
	case c.Name != "" || c.Path != "":
		return fmt.Errorf("data: simulator %s is set, and name or path as well; leave one out",
			choice.Quote(c.Simulator))
	case c.N == 0:
		return errors.New("data: n is not set; it is the number of simulations, of which val and test are parts")
	}
	_, err := simulator.ByName(c.Simulator)
	return inData(err)
}

// openSimulator makes simulations: parameters of the prior to learn, and what is simulated of
// them as contexts. Those that fail are left out, and noted.
func (c Config) openSimulator(seed uint64) (*data.Set, error) {
	sim, err := simulator.ByName(c.Simulator)
	if err != nil {
		return nil, inData(err)
	}
	s := &data.Set{
		Name: c.Simulator, Kind: data.KindSimulator, Dim: len(sim.Params), Shape: []int{len(sim.Params)},
		Columns: sim.Params, Context: len(sim.Data), ContextColumns: sim.Data,
	}
	if s.Bounds, err = c.boundsOf(sim); err != nil {
		return nil, err
	}
	text, err := json.Marshal(Config{Simulator: c.Simulator, N: c.N})
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	s.Fingerprint = digest.Of(text)
	each := float64(8 * (s.Dim + s.Context))
	if err := memory.Check(fmt.Sprintf("data.n %d", c.N), float64(c.N)*each); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	points, note, err := simulate(sim, c.N, seed)
	if err != nil {
		return nil, err
	}
	if note != "" {
		s.Notes = append(s.Notes, note)
	}
	train, val, test, err := data.Split(points.Len(), size(c.Val, defaultFileVal), size(c.Test, defaultFileTest), seed)
	if err != nil {
		return nil, fmt.Errorf("%w (simulator %s)", err, c.Simulator)
	}
	s.TrainSet, s.Val, s.Test = data.Subset(points, train), data.Subset(points, val), data.Subset(points, test)
	if how := cmp.Or(c.Standardize, StandardizeColumns); how != StandardizeNone {
		x, given, err := data.Rows(s.TrainSet, 0, s.TrainSet.Len(), nil)
		if err != nil {
			return nil, err
		}
		if s.Standardizer, err = fit(how, x, sim.Params); err != nil {
			return nil, err
		}
		if s.ContextStandardizer, note, err = fitVarying(given.Context, sim.Data); err != nil {
			return nil, err
		}
		if note != "" {
			s.Notes = append(s.Notes, note)
		}
		s.ContextStandardizer.Squash = c.SquashContext
		s.Standardizer.Apply(points.X)
		s.ContextStandardizer.Apply(points.Given.Context)
	}
	s.Train = data.Shuffle(s.TrainSet, seed)
	return s, nil
}

// boundsOf returns the box of a simulator's parameters, which must hold all of its prior; nil without one.
func (c Config) boundsOf(sim *simulator.Simulator) (data.Bounds, error) {
	b, err := c.box(sim.Params)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if b == nil {
		return nil, nil
	}
	for k, name := range sim.Params {
		lo, hi := math.Inf(-1), math.Inf(1)
		if box := sim.Prior.Box(); box != nil {
			lo, hi = box.Lo[k], box.Hi[k]
		}
		// Numbers as large as 1e300 stand for no bound in a run file.
		if b[k][0] > max(lo, -unbounded) || b[k][1] < min(hi, unbounded) {
			return nil, fmt.Errorf("data: data.bounds: %s is %v, and draws of the prior of %s are from %g to %g; want "+
				"all of them inside", choice.Quote(name), []float64(b[k]), c.Simulator, lo, hi)
		}
	}
	return b, nil
}

// unbounded is the bound that a run file has for none.
const unbounded = 1e300

// fitVarying fits a standardizer of columns, of which those that are constant, as what is
// simulated of a rare event may be, are centred alone: another value may still be observed. note
// names them.
func fitVarying(x flow.Batch, columns []string) (s *data.Standardizer, note string, err error) {
	var vary []int
	var names, constant []string
	for j := range x.D {
		if varies(x, j) {
			vary, names = append(vary, j), append(names, columns[j])
		} else {
			constant = append(constant, columns[j])
		}
	}
	first := x.Row(0)
	s = &data.Standardizer{Mean: slices.Clone(first), Std: slices.Repeat([]float64{1}, x.D), Lo: slices.Clone(first),
		Hi: slices.Clone(first)}
	if len(vary) > 0 {
		some := flow.NewBatch(x.N, len(vary))
		for i := range x.N {
			for k, j := range vary {
				some.Row(i)[k] = x.Row(i)[j]
			}
		}
		of, err := data.Fit(some, names)
		if err != nil {
			return nil, "", err
		}
		for k, j := range vary {
			s.Mean[j], s.Std[j], s.Lo[j], s.Hi[j] = of.Mean[k], of.Std[k], of.Lo[k], of.Hi[k]
		}
	}
	if constant != nil {
		note = fmt.Sprintf("%s of what is simulated to train on is constant, and tells nothing", choice.List(constant))
	}
	return s, note, nil
}

// varies says whether a column has two values.
func varies(x flow.Batch, j int) bool {
	for i := range x.N {
		if x.Row(i)[j] != x.Row(0)[j] {
			return true
		}
	}
	return false
}

// inARow is how many simulations one core makes in a row.
const inARow = 256

// simulate makes n simulations on all cores: number i is a function of the seed and i. note
// says how many have failed, which are left out.
func simulate(sim *simulator.Simulator, n int, seed uint64) (p data.Points, note string, err error) {
	p.X, p.Given = flow.NewBatch(n, len(sim.Params)), flow.NewGiven(n, false, len(sim.Data))
	blocks := (n + inARow - 1) / inARow
	failures := make([]error, blocks)
	next := make(chan int)
	var busy sync.WaitGroup
	for range min(blocks, runtime.GOMAXPROCS(0)) {
		busy.Go(func() {
			for b := range next {
				lo, hi := b*inARow, min(n, (b+1)*inARow)
				failures[b] = sim.Draw(p.X.Slice(lo, hi), p.Given.Context.Slice(lo, hi), seed, uint64(lo))
			}
		})
	}
	for b := range blocks {
		next <- b
	}
	close(next)
	busy.Wait()
	var failed ode.PointsError
	for b, err := range failures {
		var some *ode.PointsError
		switch {
		case errors.As(err, &some):
			failed.Append(*some, b*inARow)
		case err != nil:
			return p, "", inData(err)
		}
	}
	return without(p, failed)
}

// without leaves out the simulations that have failed.
func without(p data.Points, failed ode.PointsError) (data.Points, string, error) {
	n := len(failed.Points)
	if n == 0 {
		return p, "", nil
	}
	note := fmt.Sprintf("%d of %d simulations failed and are left out: the first is number %d, %v", n, p.Len(),
		failed.Points[0]+1, failed.Errs[0])
	if n == p.Len() {
		return p, "", fmt.Errorf("data: all simulations failed: %w", failed.Errs[0])
	}
	bad := map[int]bool{}
	for _, i := range failed.Points {
		bad[i] = true
	}
	keep := make([]int, 0, p.Len()-n)
	for i := range p.Len() {
		if !bad[i] {
			keep = append(keep, i)
		}
	}
	kept := data.Points{X: flow.NewBatch(len(keep), p.X.D), Given: flow.NewGiven(len(keep), false, p.Given.Context.D)}
	err := p.Read(kept.X, kept.Given, keep, nil)
	return kept, note, err
}

// inData marks an error of a simulator as one of the section.
func inData(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("data: %w", err)
}
