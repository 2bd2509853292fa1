// Package child runs a program that says hello and then answers, in lines of JSON on its
// standard input and output, and keeps what it says on standard error for the case that it
// does not.
package child

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// grace is how long a program that is not wanted any more has to close its output.
const grace = time.Second

// Program is a running program. It is not safe for concurrent use.
type Program struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *json.Decoder
	stderr bytes.Buffer
}

// Group makes a command, which is one of [exec.CommandContext] and does not run yet, end with all that it has started
// when it is killed. Elsewhere than on Unix the command alone is.
func Group(cmd *exec.Cmd) { group(cmd) }

// Start runs a command, whose pipes it takes, and decodes its first line into hello. The
// error is a [Broken] where the program starts and does not say hello.
func Start(cmd *exec.Cmd, hello any) (*Program, error) {
	p := &Program{cmd: cmd}
	cmd.Stderr, cmd.WaitDelay = &p.stderr, grace
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	if err := p.Receive(hello); err != nil {
		return nil, err
	}
	return p, nil
}

// Send writes v to the program as a line. A program that does not take it is stopped, and
// the error is a [Broken].
func (p *Program) Send(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return p.broken(err)
	}
	return nil
}

// Receive decodes the next line of the program into v. A program that has none, or another,
// is stopped, and the error is a [Broken].
func (p *Program) Receive(v any) error {
	if err := p.out.Decode(v); err != nil {
		return p.broken(err)
	}
	return nil
}

// Ask sends q and receives the answer.
func (p *Program) Ask(q, answer any) error {
	if err := p.Send(q); err != nil {
		return err
	}
	return p.Receive(answer)
}

// Stop ends the program: its input ends, and a program that has not ended by itself after
// that time is killed. Nothing is wanted of it any more, so how it ends does not matter. A
// second call does nothing.
func (p *Program) Stop(after time.Duration) {
	_ = p.in.Close()
	if p.cmd.ProcessState == nil {
		kill := p.cmd.Process.Kill
		if p.cmd.Cancel != nil {
			kill = p.cmd.Cancel
		}
		defer time.AfterFunc(after, func() { _ = kill() }).Stop()
		_ = p.cmd.Wait()
	}
}

// Broken is the error of a program that does not keep to the conversation.
type Broken struct {
	Err   error            // of writing or reading
	Said  []string         // the lines on its standard error; none: it said nothing
	State *os.ProcessState // how it ended
}

// Error implements error.
func (b *Broken) Error() string {
	return fmt.Sprintf("does not answer as it should: %v (%v)", b.Err, b.State)
}

// Unwrap returns the error of writing or reading.
func (b *Broken) Unwrap() error { return b.Err }

func (p *Program) broken(err error) error {
	p.Stop(grace)
	b := &Broken{Err: err, State: p.cmd.ProcessState}
	if said := strings.TrimSpace(p.stderr.String()); said != "" {
		b.Said = strings.Split(said, "\n")
	}
	return b
}
