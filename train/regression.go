package train

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"flowmatch/flow"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/nn"
)

// Regression is an objective that is a regression on examples: CFM and its kin, or one of
// your own. The examples are made ahead of the steps, on other cores, and their order, and
// hence every bit, is independent of the scheduling.
type Regression interface {
	Objective
	// Examples fills ex with the examples of a step: all fields but S, Loss and what is
	// given, which is there to be filled where the model takes it. It is a pure function of
	// the objective, the model's Spec and step, and safe for concurrent use. The examples are those of
	// the whole batch: of an objective of one's own ex.Of, a rank's share, is never set.
	Examples(m *model.Model, ex *nn.Examples, step uint64) error
}

// prepared returns a regression that makes the same examples faster, for what does not
// change from step to step is made once. It asks for types and not for an interface, which
// an objective that embeds one of these would have as well.
func prepared(m *model.Model, r Regression) (Regression, error) {
	switch o := r.(type) {
	case CFM:
		return o.timed(m)
	case *CFM:
		return o.timed(m)
	case MeanFlow:
		return o.timed(m)
	case *MeanFlow:
		return o.timed(m)
	case Shortcut:
		return o.timed(m)
	case *Shortcut:
		return o.timed(m)
	case FM:
		return o.exact(m)
	case *FM:
		return o.exact(m)
	case Reflow:
		return o.pairing(m)
	case *Reflow:
		return o.pairing(m)
	}
	return r, nil
}

// regress returns the steps of a regression, and what waits for its workers, which end
// with ctx.
func regress(ctx context.Context, t Training, r Regression) (take StepFunc, wait func(), err error) {
	if r, err = prepared(t.Model, r); err != nil {
		return nil, nil, err
	}
	feed := prefetch(ctx, r, t)
	return func(step int, lr float64) (nn.StepResult, error) {
		ex, err := feed.next(step)
		if err != nil {
			return nn.StepResult{}, err
		}
		defer feed.release(step, ex)
		return t.Trainer.Step(ex, lr)
	}, feed.working.Wait, nil
}

// meanLoss validates by the mean loss of fixed examples; nil for none.
func meanLoss(ex *nn.Examples) Validate {
	if ex == nil || ex.X1.N == 0 {
		return nil
	}
	return func(ctx context.Context, net *nn.Net) (float64, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		each, err := net.Loss(ex)
		if err != nil {
			return 0, err
		}
		return stat.Mean(each), nil
	}
}

// newExamples returns examples to be filled for a model.
func newExamples(m *model.Model, n int) *nn.Examples {
	net := m.Net().Config()
	ex := nn.NewExamples(n, net.Dim)
	ex.Given = flow.NewGiven(n, net.Classes > 0, net.Context)
	return ex
}

// feed makes the examples of the steps ahead on other cores. Worker w makes
// steps w, w+W, w+2W, ... of the run, so the order of the results, and hence
// every bit of the run, is independent of the scheduling.
type feed struct {
	ctx      context.Context
	from, to int
	workers  []feedWorker
	working  sync.WaitGroup
}

type feedWorker struct {
	ready chan made
	free  chan *nn.Examples
}

type made struct {
	step int
	ex   *nn.Examples
	err  error
}

// ahead is how many batches a worker may have waiting.
const ahead = 2

func prefetch(ctx context.Context, r Regression, t Training) *feed {
	f := &feed{ctx: ctx, from: t.From, to: t.To, workers: make([]feedWorker, runtime.GOMAXPROCS(0))}
	for w := range f.workers {
		fw := feedWorker{ready: make(chan made, ahead), free: make(chan *nn.Examples, ahead+1)}
		for range ahead + 1 {
			fw.free <- room(t, r)
		}
		f.workers[w] = fw
		f.working.Go(func() {
			defer close(fw.ready)
			for step := t.From + w; step < t.To; step += len(f.workers) {
				var ex *nn.Examples
				select {
				case ex = <-fw.free:
				case <-ctx.Done():
					return
				}
				if ctx.Err() != nil { // both may be ready
					return
				}
				err := r.Examples(t.Model, ex, uint64(step))
				select {
				case fw.ready <- made{step, ex, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		})
	}
	return f
}

func (f *feed) worker(step int) feedWorker {
	return f.workers[(step-f.from)%len(f.workers)]
}

// next returns the examples of a step, which are asked for in order.
func (f *feed) next(step int) (*nn.Examples, error) {
	if step < f.from || step >= f.to {
		return nil, fmt.Errorf("train: the examples of step %d are asked for in a training of the steps from %d up to "+
			"%d", step, f.from, f.to-1)
	}
	var m made
	var ok bool
	select {
	case m, ok = <-f.worker(step).ready:
	case <-f.ctx.Done(): // a batch may take long to be made
	}
	switch {
	case !ok && f.ctx.Err() != nil:
		return nil, fmt.Errorf("train: the examples of step %d: %w", step, context.Cause(f.ctx))
	case !ok:
		return nil, fmt.Errorf("train: the examples of step %d: an earlier step had none", step)
	case m.err == nil && m.step != step:
		return nil, fmt.Errorf("train: the examples of step %d are asked for where those of step %d come next", step,
			m.step)
	}
	return m.ex, m.err
}

// release gives the examples of a step back to be filled again.
func (f *feed) release(step int, ex *nn.Examples) { f.worker(step).free <- ex }
