package train

import (
	"context"
	"runtime"

	"flowmatch/nn"
)

// exampler is an objective that is a regression: it makes the examples of a step.
type exampler interface {
	// Examples fills ex with the examples of a step. It is a pure function of
	// the objective and step, and safe for concurrent use.
	Examples(ex *nn.Examples, step uint64) error
}

// regress takes steps of regression on examples that are made ahead of them.
func regress(ctx context.Context, o exampler, tr *nn.Trainer, cfg Config, from int) StepFunc {
	feed := prefetch(ctx, o, cfg.Batch, tr.Dim(), from, cfg.Steps)
	return func(step int, lr float64) (nn.StepResult, error) {
		ex, err := feed.next(step)
		if err != nil {
			return nn.StepResult{}, err
		}
		defer feed.release(step, ex)
		return tr.Step(ex, lr)
	}
}

// MeanLoss validates by the mean loss of fixed examples; see [CFM.Validation].
func MeanLoss(ex *nn.Examples) Validate {
	return func(net *nn.Net) (float64, error) {
		each, err := net.Loss(ex)
		if err != nil {
			return 0, err
		}
		sum := 0.0
		for _, v := range each {
			sum += v
		}
		return sum / float64(len(each)), nil
	}
}

// feed makes the examples of the steps ahead on other cores. Worker w makes
// steps w, w+W, w+2W, ... of the run, so the order of the results, and hence
// every bit of the run, is independent of the scheduling.
type feed struct {
	from    int
	workers []feedWorker
}

type feedWorker struct {
	ready chan made
	free  chan *nn.Examples
}

type made struct {
	ex  *nn.Examples
	err error
}

// ahead is how many batches a worker may have waiting.
const ahead = 2

func prefetch(ctx context.Context, o exampler, batch, dim, from, to int) *feed {
	f := &feed{from: from, workers: make([]feedWorker, runtime.GOMAXPROCS(0))}
	for w := range f.workers {
		fw := feedWorker{ready: make(chan made, ahead), free: make(chan *nn.Examples, ahead+1)}
		for range ahead + 1 {
			fw.free <- nn.NewExamples(batch, dim)
		}
		f.workers[w] = fw
		go func() {
			defer close(fw.ready)
			for step := from + w; step < to; step += len(f.workers) {
				var ex *nn.Examples
				select {
				case ex = <-fw.free:
				case <-ctx.Done():
					return
				}
				err := o.Examples(ex, uint64(step))
				select {
				case fw.ready <- made{ex, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
	}
	return f
}

func (f *feed) worker(step int) feedWorker {
	return f.workers[(step-f.from)%len(f.workers)]
}

func (f *feed) next(step int) (*nn.Examples, error) {
	m, ok := <-f.worker(step).ready
	if !ok {
		return nil, context.Canceled
	}
	return m.ex, m.err
}

// release gives the examples of a step back to be filled again.
func (f *feed) release(step int, ex *nn.Examples) { f.worker(step).free <- ex }
