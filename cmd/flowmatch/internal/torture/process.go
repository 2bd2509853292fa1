package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ended is how a process ended.
type ended struct {
	code   int // -1: by a signal that it did not catch
	killed bool
	stderr string
	took   time.Duration
}

// longest is how long a command that was asked to end, or was given something bad, may take.
const longest = 10 * time.Second

// start runs the program to its end.
func (t *torturer) start(args ...string) (ended, error) { return t.disturb(0, nil, args...) }

// disturb runs the program, and sends it a signal after a while; nil: none.
func (t *torturer) disturb(after time.Duration, sig os.Signal, args ...string) (ended, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(t.bin, args...)
	cmd.Stderr, cmd.Dir = &stderr, t.dir
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return ended{}, err
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	var e ended
	var err error
	if sig == nil {
		err = <-over
	} else {
		select {
		case err = <-over:
		case <-time.After(after):
			e.killed = true
			if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return e, err
			}
			select {
			case err = <-over:
			case <-time.After(longest):
				cmd.Process.Kill()
				<-over
				return e, fmt.Errorf("it did not end within %v of %v", longest, sig)
			}
		}
	}
	e.took, e.stderr, e.code = time.Since(begin), stderr.String(), cmd.ProcessState.ExitCode()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return e, err
	}
	return e, traced(e.stderr)
}

// traced reports the trace of a panic.
func traced(stderr string) error {
	for _, sign := range []string{"panic:", "goroutine ", "fatal error:", "SIGSEGV"} {
		if at := strings.Index(stderr, sign); at >= 0 {
			return fmt.Errorf("it printed %.300q", stderr[at:])
		}
	}
	return nil
}

// signals are what a process is sent, most of them without a chance to say farewell.
// One that is ignored here, as nohup has it, is ignored by the program as well.
var signals = slices.DeleteFunc([]os.Signal{os.Kill, os.Kill, os.Kill, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP},
	func(s os.Signal) bool { return signal.Ignored(s) })

// meet runs a command again and again, sends it a signal at a random moment, until it has met
// so many on their way. done is called with what is there when it has ended by itself.
func (t *torturer) meet(r *report, times int, whole time.Duration, args []string, done func()) {
	met, command := 0, strings.Join(args, " ")
	for attempt := 0; met < times && attempt < 5*times; attempt++ {
		sig := signals[t.rng.IntN(len(signals))]
		share := t.rng.Float64()
		after := time.Duration(share * share * 1.1 * float64(whole)) // most of them early: one run is met often
		e, err := t.disturb(after, sig, args...)
		if err != nil {
			r.fault("%s, sent %v after %v: %v", command, sig, after, err)
		}
		number, _ := sig.(syscall.Signal)
		switch {
		case e.killed && (e.code == -1 || e.code == 128+int(number)):
			met++
		case e.code == 0:
			done()
		default:
			r.fault("%s, sent %v after %v: exit code %d: %.300s", command, sig, after, e.code, e.stderr)
		}
	}
	if e, err := t.start(args...); err != nil || e.code != 0 {
		r.fault("%s, after %d kills: exit code %d, %v: %.300s", command, met, e.code, err, e.stderr)
	}
	done()
	r.tried += met
}
