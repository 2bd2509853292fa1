package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// childEnv makes this test binary the program itself, so that it can be killed.
const childEnv = "FLOWMATCH_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(Main())
	}
	// The key of these tests is none of the user's.
	home, err := os.MkdirTemp("", "flowmatch-cli")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"XDG_CONFIG_HOME", "AppData"} {
		os.Setenv(name, home)
	}
	code := m.Run()
	os.RemoveAll(home)
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// tinyRun is a run that takes a fraction of a second.
const tinyRun = `
seed: 3
data: {name: checkerboard, val: 50, test: 60}
net: {hidden: [8]}
train: {steps: 20, batch: 16, log_every: 5, val_every: 10, checkpoint_every: 10}
eval: {solver: euler, steps: 5, samples: 40, test: 40}
`

// invoke runs the program in this process.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = execute(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

// succeed runs the program, which must succeed, and returns its output.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := invoke(t, args...)
	if code != 0 {
		t.Fatalf("flowmatch %s: exit code %d, want 0; standard error:\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// succeedJSON also decodes the output, which must be one JSON object.
func succeedJSON(t *testing.T, args ...string) map[string]any {
	t.Helper()
	return oneObject(t, succeed(t, append(args, "--json")...))
}

func oneObject(t *testing.T, stdout string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(stdout))
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("standard output is not a JSON object: %v\n%s", err, stdout)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Fatalf("standard output holds more than one JSON object:\n%s", stdout)
	}
	return v
}

func writeText(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// shared is a trained run that many tests read; tests that write use their own.
var shared struct {
	sync.Once
	dir string
}

func trained(t *testing.T) string {
	t.Helper()
	shared.Do(func() {
		dir, err := os.MkdirTemp("", "flowmatch-test")
		if err != nil {
			t.Fatal(err)
		}
		shared.dir = dir
		succeed(t, "train", writeText(t, "run.yaml", tinyRun), "--out", filepath.Join(dir, "run"), "-q")
	})
	return filepath.Join(shared.dir, "run")
}

// waitFor waits until a condition holds; it gives up after a time that no
// machine needs.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %s, which did not come", what)
		case <-time.After(time.Millisecond):
		}
	}
}
