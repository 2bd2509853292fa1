package experiment

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"flowmatch/internal/memory"
)

// usage is what a program took.
type usage struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"` // of all cores
	Memory  int64   `json:"memory"`      // bytes at most, with what it has started; 0: not known
}

// allowance is what programs may take.
type allowance struct {
	seconds float64
	bytes   float64
}

// overLimit is the error of a program that would take more than it may. Its text stands in the place of figures.
type overLimit struct{ what string }

func (e overLimit) Error() string { return "it takes more than the grid allows: " + e.what }

// watchEvery is how often a program is looked at.
const watchEvery = 100 * time.Millisecond

// watch has do run a program, whose command is called started with once it runs, and returns what it took. What takes
// more than it may is stopped by its context, and the error is [overLimit].
func (a allowance) watch(ctx context.Context, do func(ctx context.Context, started func(*exec.Cmd)) error) (s usage,
	err error) {
	within, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var cmd *exec.Cmd
	var group sync.WaitGroup
	ended := make(chan struct{})
	start := time.Now()
	err = do(within, func(c *exec.Cmd) {
		cmd = c
		pid := c.Process.Pid
		group.Go(func() {
			tick := time.NewTicker(watchEvery)
			defer tick.Stop()
			for {
				now, peak := memory.Tree(pid)
				s.Memory = max(s.Memory, peak)
				if float64(now) > a.bytes {
					stop(overLimit{"> " + memory.Size(a.bytes)})
				}
				if time.Since(start).Seconds() > a.seconds {
					stop(overLimit{fmt.Sprintf("> %.3g min", a.seconds/60)})
				}
				select {
				case <-tick.C:
				case <-ended:
					return
				}
			}
		})
	})
	close(ended)
	group.Wait()
	s.Seconds = time.Since(start).Seconds()
	if cmd != nil && cmd.ProcessState != nil {
		s.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		s.Memory = max(s.Memory, memory.Ended(cmd.ProcessState))
	}
	var over overLimit
	if errors.As(context.Cause(within), &over) {
		err = over
	}
	return s, err
}

// plus adds what two programs took, one after the other.
func (s usage) plus(o usage) usage {
	return usage{s.Seconds + o.Seconds, s.CPU + o.CPU, max(s.Memory, o.Memory)}
}
