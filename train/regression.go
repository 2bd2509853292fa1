package train

import (
	"context"
	"runtime"

	"flowmatch/flow"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/nn"
)

// Regression is an objective that is a regression on examples: CFM and its kin, or one
// of your own, whose Steps is [Regress].
type Regression interface {
	// Examples fills ex with the examples of a step: all fields but S, Loss and what is
	// given, which is there to be filled where the model takes it. It is a pure function of
	// the objective, the model's Spec and step, and safe for concurrent use.
	Examples(m *model.Model, ex *nn.Examples, step uint64) error
}

// Regress returns the steps of a regression. Their examples are made ahead of them, on
// other cores, and their order, and hence every bit, is independent of the scheduling.
func Regress(ctx context.Context, t Training, r Regression) (StepFunc, error) {
	feed := prefetch(ctx, r, t)
	return func(step int, lr float64) (nn.StepResult, error) {
		ex, err := feed.next(step)
		if err != nil {
			return nn.StepResult{}, err
		}
		defer feed.release(step, ex)
		return t.Trainer.Step(ex, lr)
	}, nil
}

// MeanLoss validates by the mean loss of fixed examples; nil for none.
func MeanLoss(ex *nn.Examples) Validate {
	if ex == nil || ex.X1.N == 0 {
		return nil
	}
	return func(net *nn.Net) (float64, error) {
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

func prefetch(ctx context.Context, r Regression, t Training) *feed {
	f := &feed{from: t.From, workers: make([]feedWorker, runtime.GOMAXPROCS(0))}
	for w := range f.workers {
		fw := feedWorker{ready: make(chan made, ahead), free: make(chan *nn.Examples, ahead+1)}
		for range ahead + 1 {
			fw.free <- newExamples(t.Model, t.Batch)
		}
		f.workers[w] = fw
		go func() {
			defer close(fw.ready)
			for step := t.From + w; step < t.To; step += len(f.workers) {
				var ex *nn.Examples
				select {
				case ex = <-fw.free:
				case <-ctx.Done():
					return
				}
				err := r.Examples(t.Model, ex, uint64(step))
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
