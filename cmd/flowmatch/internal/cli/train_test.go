package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/run"
	"flowmatch/train"
)

// sameTensors reports weights or moments that differ in a single bit between two runs.
func sameTensors(t *testing.T, dirA, dirB string) {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	var states [2]nn.State
	for i, dir := range []string{dirA, dirB} {
		c, err := model.Load(filepath.Join(dir, run.CheckpointFile), eng)
		if err != nil {
			t.Fatal(err)
		}
		states[i] = c.State
	}
	a, b := states[0], states[1]
	if a.Step != b.Step || len(a.Weights) == 0 {
		t.Errorf("%d weights after %d steps and after %d; want some, after as many", len(a.Weights), a.Step, b.Step)
	}
	for _, slab := range []struct {
		name string
		a, b []float32
	}{{"EMA", a.EMA, b.EMA}, {"weights", a.Weights, b.Weights},
		{"first moment", a.Moment1, b.Moment1}, {"second moment", a.Var2, b.Var2}} {
		if i := differ(slab.a, slab.b); i >= 0 {
			t.Errorf("the %s of the two runs differ from number %d of %d on", slab.name, i, len(slab.a))
		}
	}
}

// differ returns the first position whose bits differ, or -1.
func differ(a, b []float32) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

// stepOf returns the steps behind a checkpoint, which must be whole.
func stepOf(t *testing.T, dir string) int {
	t.Helper()
	r, err := run.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	return r.Step
}

func hasCheckpoint(dir string) func() bool {
	return func() bool {
		_, err := os.Stat(filepath.Join(dir, run.CheckpointFile))
		return err == nil
	}
}

func TestAnInterruptedRunGoesOnToTheSameBits(t *testing.T) {
	yaml := writeText(t, "run.yaml", tinyRun)
	dir, whole := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	const steps = 2000
	args := []string{"train", yaml, "--set", "train.steps=" + strconv.Itoa(steps), "--json", "-q", "--out"}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // saving every step makes the run slow enough to be met on its way
		for !hasCheckpoint(dir)() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	var stdout, stderr bytes.Buffer
	code := execute(ctx, append(args, dir, "--set", "train.checkpoint_every=1"), &stdout, &stderr)
	want := "continue with: flowmatch train " + yaml + " --out " + dir +
		" --set train.steps=2000 --set train.checkpoint_every=1 --resume"
	if code != exitFailure || !strings.Contains(stderr.String(), want) {
		t.Fatalf("exit code %d, standard error %q; want code 1 and %q", code, stderr.String(), want)
	}
	oneObject(t, stdout.String())
	at := stepOf(t, dir)
	if at < 1 || at >= steps {
		t.Fatalf("interrupted at step %d of %d; the test needs it in between", at, steps)
	}

	// Settings that do not change what is learnt may change on the way.
	got := succeedJSON(t, append(args, dir, "--resume", "--set", "train.checkpoint_every=1000")...)
	if got["resumed_from"] != float64(at) || got["step"] != float64(steps) {
		t.Errorf("resumed from %v to %v, want from %d to %d", got["resumed_from"], got["step"], at, steps)
	}
	succeed(t, append(args, whole)...)
	sameTensors(t, dir, whole)
	sameMetrics(t, dir, whole)
}

// sameMetrics compares the logs of two runs but for time and memory.
func sameMetrics(t *testing.T, dirA, dirB string) {
	t.Helper()
	var logs [2]string
	for i, dir := range []string{dirA, dirB} {
		events, err := run.ReadMetrics(filepath.Join(dir, run.MetricsFile))
		if err != nil {
			t.Fatal(err)
		}
		for k := range events {
			events[k].Seconds, events[k].Rate, events[k].PeakMiB = 0, 0, 0
		}
		b, err := json.Marshal(events)
		if err != nil {
			t.Fatal(err)
		}
		logs[i] = string(b)
	}
	if logs[0] != logs[1] {
		t.Errorf("the logs differ:\n%s\n%s", logs[0], logs[1])
	}
}

func TestResumeRefusesAnotherNetwork(t *testing.T) {
	yaml, dir := writeText(t, "run.yaml", tinyRun), filepath.Join(t.TempDir(), "run")
	succeed(t, "train", yaml, "--out", dir, "-q")
	code, _, stderr := invoke(t, "train", yaml, "--out", dir, "--resume", "--set", "net.hidden=[9]", "-q")
	if code != exitUsage || !strings.Contains(stderr, "resume with the settings it began with") ||
		!strings.Contains(stderr, "net.hidden") {
		t.Errorf("exit code %d, standard error %q; want a refusal that names the key, and code 2", code, stderr)
	}
}

func TestResumeReportsWhatHasChanged(t *testing.T) {
	yaml, dir := writeText(t, "run.yaml", tinyRun), filepath.Join(t.TempDir(), "run")
	if got := succeedJSON(t, "train", yaml, "--out", dir, "-q"); got["changes"] != nil {
		t.Errorf("changes %v of a new run", got["changes"])
	}
	code, stdout, stderr := invoke(t, "train", yaml, "--out", dir, "--resume", "--json", "--set", "train.steps=30",
		"--set", "eval.samples=50")
	if code != 0 || !strings.Contains(stderr, "train.steps: 20 -> 30\n") ||
		!strings.Contains(stderr, "eval.samples: 40 -> 50\n") {
		t.Errorf("exit code %d, standard error %q; want both changes", code, stderr)
	}
	changes := oneObject(t, stdout)["changes"].([]any)
	const note = "train.schedule cosine spreads the learning rate over all steps"
	if !strings.Contains(stderr, "warning: train.steps has changed: "+note) {
		t.Errorf("standard error %q; want a warning that the schedule changes", stderr)
	}
	for _, c := range changes {
		if text, ok := c.(map[string]any)["note"].(string); ok && strings.HasPrefix(text, note) {
			delete(c.(map[string]any), "note")
		}
	}
	want := map[string]any{"key": "train.steps", "was": "20", "is": "30"}
	if len(changes) != 2 || !reflect.DeepEqual(changes[1], want) {
		t.Errorf("changes %v; want two, and of the steps %v", changes, want)
	}
	code, _, stderr = invoke(t, "train", yaml, "--out", dir, "-q")
	if code != exitUsage || !strings.Contains(stderr, "give another --out, or --resume") {
		t.Errorf("a second run in the same folder: exit code %d, standard error %q", code, stderr)
	}
}

// A training whose validation was interrupted goes on with the line of that step.
func TestALineMayComeBeforeTheFirstStep(t *testing.T) {
	a := &app{stdout: io.Discard, stderr: io.Discard}
	a.trainHooks(t.Context(), run.Config{}, true, &trainResult{}, "").Event(train.Event{Step: 7})
}

// The summary says which weights the run is used with, and of which step.
func TestTheSummarySaysWhichWeightsAreUsed(t *testing.T) {
	yaml, dir := writeText(t, "run.yaml", tinyRun), filepath.Join(t.TempDir(), "run")
	last := succeed(t, "train", yaml, "--out", dir, "-q")
	if want := "the averaged weights of step 20: the last, validation loss "; !strings.Contains(last, want) {
		t.Errorf("%s\nwant %q", last, want)
	}
	stopping := []string{"train", yaml, "-q", "--out", filepath.Join(t.TempDir(), "run"), "--set", "train.steps=400",
		"--set", "train.val_every=5", "--set", "train.patience=1", "--set", "train.lr=0.5", "--json"}
	got := succeedJSON(t, stopping...)
	if got["model_best"] != true || got["model_step"] == got["step"] || got["model_val_loss"] == got["val_loss"] ||
		got["model_val_loss"] == nil {
		t.Errorf("got %v, want the step and the loss of the best validation", got)
	}
}

// A folder's own run.yaml goes on with what the run was trained with, in an earlier version, too.
func TestARunGoesOnWithItsOwnRunFile(t *testing.T) {
	yaml, dir := writeText(t, "run.yaml", tinyRun), filepath.Join(t.TempDir(), "run")
	succeed(t, "train", yaml, "--out", dir, "-q", "--set", "precondition=false")
	own := filepath.Join(dir, run.ConfigFile)
	text, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	earlier := strings.Replace(string(text), "precondition: false\n", "", 1)
	if err := os.WriteFile(own, []byte(earlier), 0o600); err != nil || len(earlier) == len(text) {
		t.Fatal(err)
	}
	got := succeedJSON(t, "train", own, "--out", dir, "--resume", "-q", "--set", "train.steps=30")
	if got["step"] != 30. || got["resumed_from"] != 20. {
		t.Errorf("got %v, want step 30, from 20", got)
	}
}

// child starts this test binary as the program itself.
func child(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, stderr
}

func TestCtrlCSavesAndStops(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent an interrupt on Windows")
	}
	yaml, dir := writeText(t, "run.yaml", tinyRun), filepath.Join(t.TempDir(), "run")
	for sig, exit := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129,
		syscall.SIGQUIT: 131} {
		if signal.Ignored(sig) {
			continue // as nohup has it, which a child inherits
		}
		cmd, stderr := child(t, "train", yaml, "--out", dir, "--resume", "--set", "train.steps=10000000", "--set",
			"train.checkpoint_every=1")
		before := modTime(dir)
		waitFor(t, "a checkpoint", func() bool { return modTime(dir).After(before) })
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // its exit code is looked at below
		if code := cmd.ProcessState.ExitCode(); code != exit || !strings.Contains(stderr.String(), "--resume") {
			t.Fatalf("after %v: exit code %d, want %d; standard error %q, want the command that resumes", sig, code,
				exit, stderr)
		}
		if at := stepOf(t, dir); at < 1 {
			t.Errorf("after %v: stopped at step %d; want at least 1", sig, at)
		}
	}
}

// modTime returns when the checkpoint was replaced last; zero: not yet.
func modTime(dir string) time.Time {
	info, err := os.Stat(filepath.Join(dir, run.CheckpointFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func TestAKilledRunLosesNothingThatWasSaved(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills a dozen processes")
	}
	const kills, seed = 12, 1
	rng := rand.New(rand.NewPCG(seed, seed))
	yaml := writeText(t, "run.yaml", tinyRun)
	dir, whole := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	args := []string{"train", yaml, "-q", "--resume", "--set", "train.schedule=constant", "--set",
		"train.log_every=1000000", "--set", "train.val_every=1000000"}
	at := 0
	for kill := range kills {
		cmd, stderr := child(t, append(args, "--out", dir, "--set", "train.steps=10000000", "--set",
			"train.checkpoint_every=1")...)
		before := modTime(dir)
		waitFor(t, "a checkpoint", func() bool { return modTime(dir).After(before) })
		time.Sleep(time.Duration(rng.IntN(20_000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() // it was killed: no news
		now := stepOf(t, dir)
		if now <= at {
			t.Fatalf("kill %d (seed %d): the checkpoint went from step %d to %d; standard error %q", kill, seed, at,
				now, stderr)
		}
		at = now
	}
	final := "train.steps=" + strconv.Itoa(at+5)
	succeed(t, append(args, "--out", dir, "--set", final)...)
	succeed(t, append(args, "--out", whole, "--set", final)...)
	sameTensors(t, dir, whole)
}
