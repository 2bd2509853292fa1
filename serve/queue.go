package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"flowmatch/flow"
	"flowmatch/ode"
)

// solve is a solve that several jobs may share: points become results [N, D] and, where it has densities,
// log-densities [N]. A point's result must depend on the point alone. An [*ode.PointsError] is of some of the points.
type solve func(ctx context.Context, p points) (flow.Batch, []float64, int, error)

// points are those of a solve.
type points struct {
	x     flow.Batch // [N, D], which the solve may overwrite; of sequences of tokens without meaning
	given flow.Given
	of    []origin // where each comes from
}

// origin says which of all points of its job one is.
type origin struct {
	job    *job
	number int
}

// job is a request that waits for its points.
type job struct {
	ctx   context.Context
	key   any  // jobs with equal keys may share a solve
	whole bool // it shares none, and all of its points are solved for at once
	solve solve
	seed  uint64            // of what is drawn for its points in a solve, by their numbers
	known []int32           // of sequences of tokens that are filled in: those that are known
	most  int               // points that are solved for at a time; 0: as their dimension says
	from  func() flow.Batch // makes x, whose X is nil until then; nil: x is there
	x     flow.Batch        // of which the first next are under way or done; results take their place
	given flow.Given        // one for all or one a point
	logp  []float64
	nfe   int // evaluations of the network in its solves
	next  int
	left  int // points without a result
	err   error
	done  chan struct{} // closed when nothing is left, or with an error
}

// part is the points of a job that are solved for together, and where they are in the batch.
type part struct {
	job    *job
	lo, hi int
}

// queue has jobs done by a few workers, of which each solves for the points of as many jobs as fit
// together. Jobs take turns, so that a large one does not keep small ones waiting.
type queue struct {
	mu      sync.Mutex
	some    sync.Cond // there are jobs, or the queue is closed
	jobs    []*job    // those with points that are not under way, in turn
	closed  bool
	workers sync.WaitGroup

	solved func(jobs, points, nfe int) // after each solve
}

// newQueue returns a queue with so many workers.
func newQueue(workers int, solved func(jobs, points, nfe int)) *queue {
	q := &queue{solved: solved}
	q.some.L = &q.mu
	for range workers {
		q.workers.Go(q.work)
	}
	return q
}

// solvedNumbers is about how many numbers are solved for at a time: enough for products of matrices to
// be fast, and few enough for others not to wait long. leastRows is how many points they are at least.
const solvedNumbers, leastRows, mostRows = 1 << 17, 16, 4096

// rowsOf is how many points of a dimension are solved for at a time.
func rowsOf(dim int) int { return min(max(leastRows, solvedNumbers/max(1, dim)), mostRows) }

// do waits until the job is done, whose request has a place. Points whose solve failed are in the error.
func (q *queue) do(j *job) error {
	if err := context.Cause(j.ctx); err != nil {
		return err
	}
	if j.from != nil {
		j.x = j.from()
	}
	j.left, j.done = j.x.N, make(chan struct{})
	if j.whole {
		j.key = j
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return errBusy
	}
	q.jobs = append(q.jobs, j)
	q.mu.Unlock()
	q.some.Signal()
	select {
	case <-j.done:
		return j.err
	case <-j.ctx.Done():
		q.end(j, context.Cause(j.ctx))
		return j.err
	}
}

// close ends the workers once nothing waits; [sync.WaitGroup.Wait] of workers says when.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.some.Broadcast()
}

// end ends a job that has not, with an error.
func (q *queue) end(j *job, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-j.done:
	default:
		j.err, j.next = err, j.x.N
		close(j.done)
	}
}

func (q *queue) work() {
	for {
		parts := q.take()
		if parts == nil {
			return
		}
		q.solve(parts)
	}
}

// take waits for jobs, and returns parts of those that can share a solve with the first; nil: there will
// be no more.
func (q *queue) take() (parts []part) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		q.jobs = live(q.jobs)
		if len(q.jobs) > 0 {
			break
		}
		if q.closed {
			return nil
		}
		q.some.Wait()
	}
	first := q.jobs[0]
	var alike, others []*job
	for _, j := range q.jobs {
		if j.key == first.key {
			alike = append(alike, j)
		} else {
			others = append(others, j)
		}
	}
	room := cmp.Or(first.most, rowsOf(first.x.D))
	if first.whole {
		room = first.x.N
	}
	var rest []*job
	for k, j := range alike {
		share := room / (len(alike) - k) // of what is left, so that small jobs leave more for others
		n := min(max(1, share), j.x.N-j.next, room)
		if n > 0 {
			parts = append(parts, part{j, j.next, j.next + n})
			j.next, room = j.next+n, room-n
		}
		if j.next < j.x.N {
			rest = append(rest, j)
		}
	}
	q.jobs = append(others, rest...)
	if len(q.jobs) > 0 {
		q.some.Signal()
	}
	return parts
}

// live returns the jobs that have points left to solve for.
func live(jobs []*job) []*job {
	kept := jobs[:0]
	for _, j := range jobs {
		if j.next < j.x.N {
			kept = append(kept, j)
		}
	}
	return kept
}

// solve solves for parts of jobs together. It stops when no job wants its points any more.
func (q *queue) solve(parts []part) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wanted atomic.Int64
	wanted.Store(int64(len(parts)))
	n := 0
	for _, p := range parts {
		n += p.hi - p.lo
		stop := context.AfterFunc(p.job.ctx, func() {
			if wanted.Add(-1) == 0 {
				cancel()
			}
		})
		defer stop()
	}
	out, logp, nfe, err := together(ctx, parts, n)
	some, failed := errors.AsType[*ode.PointsError](err)
	if q.solved != nil {
		q.solved(len(parts), n, nfe)
	}
	at := 0
	for i, p := range parts {
		k := p.hi - p.lo
		why := err
		if failed {
			why = errorOf(some, at, at+k, p.lo)
		}
		if gone := context.Cause(p.job.ctx); gone != nil {
			why = gone // which may be why the solve has ended
		}
		switch {
		case why == nil:
			q.give(p, out.Slice(at, at+k), logp, at, nfe)
		case len(parts) > 1 && p.job.ctx.Err() == nil: // the fault of one is none of the others
			q.solve(parts[i : i+1])
		default:
			q.end(p.job, why)
		}
		at += k
	}
}

// together solves for the n points of parts.
func together(ctx context.Context, parts []part, n int) (out flow.Batch, logp []float64, nfe int, err error) {
	first := parts[0].job
	all := points{x: flow.Batch{N: n, D: first.x.D, X: make([]float64, 0, n*first.x.D)}, of: make([]origin, 0, n)}
	for _, p := range parts {
		all.x.X = append(all.x.X, p.job.x.Slice(p.lo, p.hi).X...)
		all.given = joined(all.given, p.job.given.Slice(p.lo, p.hi), p.hi-p.lo)
		for k := p.lo; k < p.hi; k++ {
			all.of = append(all.of, origin{p.job, k})
		}
	}
	return first.solve(ctx, all)
}

// errorOf is the error of the points lo to hi of a solve, whose first is point first of its job; nil:
// there is none.
func errorOf(e *ode.PointsError, lo, hi, first int) error {
	for k, i := range e.Points {
		if lo <= i && i < hi {
			return fmt.Errorf("point %d: %w", first+i-lo+1, e.Errs[k])
		}
	}
	return nil
}

// give puts results where the points were, and ends the job with its last.
func (q *queue) give(p part, out flow.Batch, logp []float64, at, nfe int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-p.job.done:
		return
	default:
	}
	j := p.job
	j.nfe += nfe
	copy(j.x.Slice(p.lo, p.hi).X, out.X)
	if logp != nil {
		copy(j.logp[p.lo:p.hi], logp[at:])
	}
	if j.left -= p.hi - p.lo; j.left == 0 {
		close(j.done)
	}
}

// joined returns what two sets of points are given, one entry for each point; n are those of b.
func joined(a, b flow.Given, n int) flow.Given {
	if len(b.Label) == 1 {
		b.Label = slices.Repeat(b.Label, n)
	}
	a.Label = append(a.Label, b.Label...)
	a.Context, a.Shown = below(a.Context, b.Context, n), below(a.Shown, b.Shown, n)
	return a
}

// below returns the rows of a and of b, of which a single one stands for n.
func below(a, b flow.Batch, n int) flow.Batch {
	if b.N == 1 {
		b = b.Rows(make([]int, n))
	}
	return flow.Batch{N: a.N + b.N, D: b.D, X: append(a.X, b.X...)}
}
