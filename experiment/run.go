package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"flowmatch/run"
)

// RunOptions is how a grid runs, and what it reports to. Nil hooks are not called.
type RunOptions struct {
	// Peers train the cells of methods with a peer. They are needed where
	// [UndonePeers] names one.
	Peers *Peers
	// Commands returns the command lines, program first, by which this program does a job, one after the other.
	// Cells of kind tables need it.
	Commands func(TableJob) ([][]string, error)
	// Cell is called when cell number k of n begins; done says that it has its
	// result already.
	Cell func(k, n int, c Cell, done bool)
	// Resumed, with the step that it goes on from, Step and Saved are those of
	// run.TrainOptions, of the cell in the making.
	Resumed func(step int)
	Step    func(step int, loss float64)
	Saved   func(step int)
	// Measuring is called when a cell is trained and a measure begins.
	Measuring func(c Cell, measure string)
	// Classifier is called when the training of a task's classifier begins; Step is then of
	// its steps.
	Classifier func(task string, steps int)
}

// Run trains and measures the cells that are not done, one after the other, and
// returns all results. A training that diverges has failed, which its result says, and the grid
// goes on. When ctx ends, the cell under way is saved, and the error
// is that of run.Train; a later call goes on from there.
func Run(ctx context.Context, g Grid, cells []Cell, o RunOptions) ([]Result, error) {
	var results []Result
	failed := map[string]bool{} // by folder
	for k, c := range cells {
		c, err := c.settled(g.Search, results)
		if errors.Is(err, errNoBest) {
			results = append(results, c.failed(err))
			failed[absolute(c.Dir)] = true
			continue
		}
		if err != nil {
			return results, err
		}
		if failed[c.Teacher] {
			results = append(results, c.failed(errors.New("its teacher has failed")))
			failed[absolute(c.Dir)] = true
			continue
		}
		plan, err := c.plan(g.Classifier)
		if err != nil {
			return results, err
		}
		r, err := c.load(plan)
		if err != nil {
			return results, err
		}
		if o.Cell != nil {
			o.Cell(k, len(cells), c, r != nil)
		}
		if r == nil {
			if r, err = c.make(ctx, g, plan, o); err != nil {
				return results, fmt.Errorf("task %s, method %s, seed %d: %w", c.Task, c.Method, c.Seed, err)
			}
		}
		failed[absolute(c.Dir)] = r.Failed != ""
		results = append(results, *r)
	}
	return results, nil
}

// failed is the result of a cell that cannot begin. It is not stored: another cell is to blame.
func (c Cell) failed(why error) Result {
	return Result{Task: c.Task, Method: c.Method, Seed: c.Seed, Trial: c.Trial, Failed: why.Error()}
}

// absolute is the path by which a cell names its teacher.
func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// make trains and measures a cell.
func (c Cell) make(ctx context.Context, g Grid, plan string, o RunOptions) (*Result, error) {
	if err := c.begin(plan); err != nil {
		return nil, err
	}
	r := &Result{
		Task: c.Task, Method: c.Method, Seed: c.Seed, Plan: plan, Version: run.Version(),
		Trial: c.Trial, Value: c.Value,
		Values: map[string]float64{}, Curves: map[string]Curve{},
	}
	do := c.makeRun
	switch {
	case c.Neural != nil:
		do = c.makeNeural
	case c.Tabular != nil:
		do = c.makeTabular
	case c.Tokens != nil:
		do = c.makeTokens
	case c.learnsPosterior():
		do = c.makePosterior
	}
	r.set("threads", float64(runtime.GOMAXPROCS(0)))
	if err := do(ctx, g, o, r); err != nil {
		if !hopeless(err) {
			return nil, err
		}
		r.Failed = err.Error()
	}
	return r, c.store(*r)
}

// makeRun trains and measures a cell that is a run.
func (c Cell) makeRun(ctx context.Context, g Grid, o RunOptions, r *Result) error {
	made, err := c.train(ctx, g, o, r)
	if err != nil {
		return err
	}
	if err := cost(made, r); err != nil {
		return err
	}
	t, err := c.ready(made, g, o)
	if err != nil {
		return err
	}
	if err := c.measure(ctx, t, o, r); err != nil {
		return err
	}
	if _, known := r.Values[g.by()]; c.Trial && !known && len(r.Missing) > 0 {
		r.Failed = strings.Join(r.lacks(), "; ")
	}
	return nil
}

// measure takes the measures of a trained cell. Each one that is done is kept in a file, so
// that a grid that was stopped between two goes on there.
func (c Cell) measure(ctx context.Context, t trained, o RunOptions, r *Result) error {
	done, err := c.resumeMeasures(r)
	if err != nil {
		return err
	}
	for _, name := range c.measures {
		if slices.Contains(done, name) {
			continue
		}
		m, err := measureByName(name)
		if err != nil {
			return err
		}
		if o.Measuring != nil {
			o.Measuring(c, name)
		}
		start := time.Now()
		if err := m.do(ctx, c, t, r); ends(ctx, err) {
			return fmt.Errorf("measure %s: %w", name, err)
		} else if err != nil {
			r.lack(name, err)
		}
		r.set("measure_seconds", r.Values["measure_seconds"]+time.Since(start).Seconds())
		done = append(done, name)
		if err := writeJSON(filepath.Join(c.Dir, measuredFile), measured{done, *r}); err != nil {
			return err
		}
	}
	return nil
}

// train trains a cell that is a run, here or by its peer.
func (c Cell) train(ctx context.Context, g Grid, o RunOptions, r *Result) (*run.Run, error) {
	if c.Peer != "" {
		return c.trainByPeer(ctx, g, o, r)
	}
	// Without FellBack: at another rate than its own a run would not be what the page says of it.
	how := run.TrainOptions{Resume: true, Step: o.Step, Saved: o.Saved}
	if o.Resumed != nil { // the plan is the same, so that no setting has changed
		how.Resumed = func(step int, _ []run.Change) { o.Resumed(step) }
	}
	return run.Train(ctx, c.Config, c.Dir, how)
}

// measured are the measures of a cell that are done, and the result so far.
type measured struct {
	Done   []string
	Result Result
}

// resumeMeasures takes up what this program had measured of a cell before it was stopped.
func (c Cell) resumeMeasures(r *Result) (done []string, err error) {
	var m measured
	ok, err := readJSON(filepath.Join(c.Dir, measuredFile), &m)
	if err != nil || !ok || m.Result.Plan != r.Plan || m.Result.Version != r.Version {
		return nil, err
	}
	maps.Copy(r.Values, m.Result.Values)
	maps.Copy(r.Curves, m.Result.Curves)
	r.Doubts, r.Missing, r.Over, r.Libraries = m.Result.Doubts, m.Result.Missing, m.Result.Over, m.Result.Libraries
	return m.Done, nil
}

// cost records what training took: seconds and steps, milliseconds and evaluations
// of the network a step, and the number of weights; and to what validation loss it came.
func cost(t *run.Run, r *Result) error {
	events, err := run.ReadMetrics(metricsFile(t.Dir))
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return nil
	}
	last := events[len(events)-1]
	r.set("steps", float64(last.Step))
	r.set("seconds", last.Seconds)
	r.set("ms_per_step", 1e3*last.Seconds/float64(last.Step))
	r.set("weights", float64(t.Model.Net().NumWeights()))
	if last.ValLoss != nil {
		r.set("val_loss", *last.ValLoss)
	}
	_, evaluations := spent(events, last.Step)
	r.set("evaluations_per_step", evaluations/float64(last.Step))
	return nil
}

func metricsFile(dir string) string { return filepath.Join(dir, run.MetricsFile) }
