//go:build unix

package cli

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The first Ctrl-C ends within a second, on a machine that does nothing else, also what looks at
// no context: reading data, here from a pipe that nobody writes to, and the assignment of a large
// batch.
func TestCtrlCEndsWhatTakesLong(t *testing.T) {
	yaml, pipe := writeText(t, "run.yaml", tinyRun), filepath.Join(t.TempDir(), "pipe.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	// The program gives up after half a second (grace). Other tests share the cores meanwhile, and
	// a process with the costs of 30,000 points takes its time to go: so this asks for no more than
	// that nobody waits for the assignment, which takes minutes, or the pipe, which never ends.
	const patience = 5 * time.Second
	for _, c := range []struct {
		what, want string
		args       []string
	}{
		{"reading", "interrupted", []string{"--set", "data.name=", "--set", "data.path=" + pipe}},
		{"an assignment", "go on with: flowmatch train", []string{"--set", "coupling.name=ot", "--set",
			"train.batch=30000"}},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		cmd, stderr := child(t, append([]string{"train", yaml, "--out", dir, "-q"}, c.args...)...)
		waitFor(t, "the lock of the training", func() bool { return len(glob(t, dir, ".lock")) > 0 })
		time.Sleep(time.Second / 2) // for it to come to what takes long
		begin := time.Now()
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // its exit code is looked at below
		took := time.Since(begin)
		if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), c.want) ||
			took > patience {
			t.Errorf("%s: exit code %d after %v; standard error %q; want 130 and %q", c.what, code, took,
				stderr, c.want)
		}
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return names
}
