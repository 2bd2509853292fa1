package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"flowmatch/cluster"
	"flowmatch/internal/atomicfile"
)

// grace is how long a command may take to end by itself once it was asked to.
const grace = 500 * time.Millisecond

// signalled is why a context has ended: a signal.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return s.Signal.String() }

// interruptedBy returns the exit code of a command that ctx has ended: 128 and the number of
// the signal, as of a program that does not catch it.
func interruptedBy(ctx context.Context) int {
	var s signalled
	if errors.As(context.Cause(ctx), &s) {
		if number, ok := s.Signal.(syscall.Signal); ok {
			return 128 + int(number)
		}
	}
	return exitFailure
}

// leaving is what the program must do before it may leave.
type leaving struct {
	unsaved atomic.Bool            // there are steps of training that are not saved
	advice  atomic.Pointer[string] // how to go on with what is saved
}

// mayLeave says whether the process may end without a loss.
func (l *leaving) mayLeave() bool { return !l.unsaved.Load() }

// saved records that a state is on disk; once ctx has ended it is the last.
func (l *leaving) saved(ctx context.Context) {
	if ctx.Err() != nil {
		l.unsaved.Store(false)
	}
}

// Main runs the program with the arguments of the process and returns its exit code. The
// first signal asks the command to end: a training saves. What takes longer, such as
// reading data or a large assignment, has nothing to save, and is left as it is. The second
// signal kills. SIGQUIT (Ctrl-\) is one of these; with GOTRACEBACK in the environment it prints
// what the goroutines do, as of any Go program.
func Main() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // which nohup does
		signals = append(signals, syscall.SIGHUP)
	}
	if os.Getenv("GOTRACEBACK") == "" { // else who sent it wants to see what the goroutines do
		signals = append(signals, syscall.SIGQUIT)
	}
	came := make(chan os.Signal, 1)
	signal.Notify(came, signals...)
	go func() {
		s := <-came
		signal.Stop(came)
		cancel(signalled{s})
	}()
	a := &app{stdout: os.Stdout, stderr: os.Stderr, demo: demoConfig}
	ranks, err := cluster.Open()
	if err != nil {
		a.running = true // nothing is wrong with the command line
		return a.fail(ctx, a.root(), err)
	}
	a.join(ranks)
	return a.leaveRanks(ctx, a.supervise(ctx, os.Args[1:]))
}

// supervise runs the program, and leaves soon after ctx has ended.
func (a *app) supervise(ctx context.Context, args []string) int {
	const often = 20 * time.Millisecond
	ended := make(chan int, 1)
	go func() { ended <- a.execute(ctx, args) }()
	select {
	case code := <-ended:
		return code
	case <-ctx.Done():
	}
	look := time.NewTicker(often)
	defer look.Stop()
	until := time.Now().Add(grace)
	for {
		select {
		case code := <-ended:
			return code
		case now := <-look.C:
			if !a.leave.mayLeave() {
				until = now.Add(grace)
			}
			if now.After(until) {
				return a.abandon(ctx)
			}
		}
	}
}

// abandon says that the program leaves, beside a command that has not ended.
func (a *app) abandon(ctx context.Context) int {
	atomicfile.Abandon()
	code, text := interruptedBy(ctx), "interrupted"
	if a.follows() { // the launcher says which rank ended
		return code
	}
	if advice := a.leave.advice.Load(); advice != nil {
		text += "\n" + *advice
	}
	fmt.Fprintf(a.stderr, "\nflowmatch: %s\n", text)
	if a.json {
		_ = a.writeJSON(map[string]any{"error": text, "code": code}) // standard error has it already
	}
	return code
}
