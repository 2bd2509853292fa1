// Package cluster is the door to MPI: the processes (ranks) that one job is, and the few
// things that they do together. Everything else in the program is written once, for any
// number of ranks, of which one is the usual number.
//
// MPI is behind the build tag mpi, which scripts/setup-mpi.sh builds with. Without the tag,
// and where no launcher (mpirun, srun) started the process, there is one rank.
//
// All ranks must make the same calls in the same order; a rank that does not come to a call
// leaves the others waiting there. One that fails must therefore call [Comm.Abort].
package cluster

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Comm is all ranks of a job. A nil Comm is one process by itself. Its methods are safe for
// concurrent use, but which call comes first must be the same on all ranks.
type Comm struct {
	rank, size int
	started    bool // MPI is there, to be ended

	mu    sync.Mutex // MPI is called by one thread at a time
	stats Stats
}

// Stats is what the calls of a Comm have cost so far on this rank.
type Stats struct {
	Sums    int     // calls of Sum and Begin
	Bytes   int64   // sent by them and by Spread
	Seconds float64 // in these calls, with the time spent waiting for ranks that came later
	Hidden  float64 // those of Seconds in which the caller of Begin computed
}

// ErrMPI is wrapped by the errors of MPI.
var ErrMPI = errors.New("cluster: MPI")

// ErrNoMPI is returned by Open where a launcher started several processes of a program that
// was built without MPI: each would take itself for the only one.
var ErrNoMPI = errors.New("cluster: this binary was built without MPI, and is one of several processes of a " +
	"launcher; run scripts/setup-mpi.sh, which builds a flowmatch-mpi with -tags mpi")

// Open returns the ranks of this process's job, the same at every call. A process that no
// launcher started is a job of one rank.
func Open() (*Comm, error) { return open() }

var open = sync.OnceValues(func() (*Comm, error) {
	if !launched() {
		return &Comm{size: 1}, nil
	}
	rank, size, err := start()
	if err != nil {
		return nil, err
	}
	return &Comm{rank: rank, size: size, started: WithMPI}, nil
})

// Size returns the number of ranks, at least 1.
func (c *Comm) Size() int {
	if c == nil {
		return 1
	}
	return c.size
}

// Rank returns the number of this rank, from 0 to Size - 1.
func (c *Comm) Rank() int {
	if c == nil {
		return 0
	}
	return c.rank
}

// Share returns the part of n things, from i (included) to j (excluded), that is this rank's:
// the parts of all ranks are disjoint and in their order, and differ by one thing at most.
func (c *Comm) Share(n int) (i, j int) { return c.ShareOf(c.Rank(), n) }

// ShareOf is Share of another rank.
func (c *Comm) ShareOf(rank, n int) (i, j int) {
	k := c.Size()
	return rank * n / k, (rank + 1) * n / k
}

// Stats returns what Sum has cost so far.
func (c *Comm) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// alone says whether there is nothing to do together.
func (c *Comm) alone() bool { return c.Size() == 1 }

// together makes a call of MPI.
func (c *Comm) together(what string, call func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.named(what, call())
}

// named is an error of MPI with the rank and the call that it is of.
func (c *Comm) named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: rank %d of %d: %s: %w", ErrMPI, c.rank, c.size, what, err)
}

// Sum replaces x on every rank by the sum over all ranks of their x, which must have the same
// length. Each number is summed in float64 in the order of the ranks, and rounded once: the
// bits are the same on all ranks, and those of the next time.
func Sum[T float32 | float64](c *Comm, x []T) error {
	if c.alone() || len(x) == 0 {
		return nil
	}
	return c.together("sum", func() error {
		from := time.Now()
		sent, err := sum(c.size, c.rank, x)
		c.stats.Sums++
		c.stats.Bytes += sent
		c.stats.Seconds += time.Since(from).Seconds()
		return err
	})
}

// Begin is a Sum that goes on while the caller computes, in a thread of its own. x must be left alone until
// wait has returned, which is to be called once, before any other call of c. The bits are those of Sum.
func Begin[T float32 | float64](c *Comm, x []T) (wait func() error) {
	if c.alone() || len(x) == 0 {
		return func() error { return nil }
	}
	c.mu.Lock()
	begun := time.Now()
	end := beginSum(c.size, c.rank, x)
	return func() error {
		defer c.mu.Unlock()
		computed := time.Since(begun).Seconds()
		sent, took, err := end()
		c.stats.Sums++
		c.stats.Bytes += sent
		c.stats.Seconds += took
		c.stats.Hidden += min(computed, took)
		return c.named("sum", err)
	}
}

// Broadcast replaces x on every rank by that of the rank from, of the same length.
func Broadcast[T byte | float32 | float64](c *Comm, x []T, from int) error {
	if c.alone() || len(x) == 0 {
		return nil
	}
	return c.together("broadcast", func() error { return broadcast(bytesOf(x), from) })
}

// Spread gives all ranks what each of them has: rank r has x from ends[r-1], or 0, to before ends[r].
func Spread[T byte | float32 | float64](c *Comm, x []T, ends []int) error {
	if c.alone() {
		return nil
	}
	return c.together("spread", func() error {
		begun := time.Now()
		defer func() { c.stats.Seconds += time.Since(begun).Seconds() }()
		from := 0
		for rank, end := range ends {
			part := bytesOf(x[from:end])
			if from = end; len(part) == 0 {
				continue
			}
			if err := broadcast(part, rank); err != nil {
				return err
			}
			if rank == c.rank {
				c.stats.Bytes += int64((c.size - 1) * len(part))
			}
		}
		return nil
	})
}

// BroadcastBytes returns the x of the rank from, of any length, on every rank.
func (c *Comm) BroadcastBytes(x []byte, from int) ([]byte, error) {
	n := []float64{float64(len(x))}
	if err := Broadcast(c, n, from); err != nil {
		return nil, err
	}
	if c.Rank() != from {
		x = make([]byte, int(n[0]))
	}
	return x, Broadcast(c, x, from)
}

// Gather returns the x of all ranks, of any lengths, in their order.
func (c *Comm) Gather(x []byte) ([][]byte, error) {
	all := make([][]byte, c.Size())
	for r := range all {
		var err error
		if all[r], err = c.BroadcastBytes(x, r); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Gathered returns one number of each rank, in their order.
func (c *Comm) Gathered(x float64) ([]float64, error) {
	all := make([]float64, c.Size())
	all[c.Rank()] = x
	if c.alone() {
		return all, nil
	}
	return all, c.together("gather", func() error { return gather(all, c.rank) })
}

// Agree waits for all ranks, and reports whether one of them failed: the error of this rank,
// else an error that names the first rank that has one, with its words.
func (c *Comm) Agree(err error) error {
	if c.alone() {
		return err
	}
	var text []byte
	if err != nil {
		text = []byte(err.Error())
	}
	failed, sent := c.failed(err)
	if sent != nil || failed < 0 {
		return errors.Join(err, sent)
	}
	if text, sent = c.BroadcastBytes(text, failed); sent != nil || err != nil {
		return errors.Join(err, sent)
	}
	return &RankError{Rank: failed, Text: string(text)}
}

// failed returns the first rank that has an error; -1: none.
func (c *Comm) failed(err error) (rank int, sent error) {
	mark := 0.
	if err != nil {
		mark = 1
	}
	all, sent := c.Gathered(mark)
	for r, m := range all {
		if m != 0 {
			return r, sent
		}
	}
	return -1, sent
}

// RankError is the error of another rank.
type RankError struct {
	Rank int
	Text string
}

// Error names the rank.
func (e *RankError) Error() string { return fmt.Sprintf("cluster: rank %d failed: %s", e.Rank, e.Text) }

// Barrier waits for all ranks.
func (c *Comm) Barrier() error {
	_, err := c.Gathered(0)
	return err
}

// Close ends the ranks' work together; every rank must come to it. One that does not, and
// ends, is an error of the job.
func (c *Comm) Close() error {
	if c == nil || !c.started {
		return nil
	}
	return c.together("finalize", finalize)
}

// Abort ends the processes of all ranks, this one too, with an exit code. Of one process it
// does nothing.
func (c *Comm) Abort(code int) {
	if !c.alone() {
		abort(code) // without the lock: another call may wait for ranks that never come
	}
}
