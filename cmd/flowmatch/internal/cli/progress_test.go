package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"flowmatch/run"
)

// Elsewhere than on a terminal a long solve is a line now and then, with its rate and
// the time left, and a short one nothing.
func TestALongSolveReportsItsProgress(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out}
	report := a.watch("samples", 200)
	report(0, 0)
	report(1, 8)
	if out.Len() > 0 {
		t.Errorf("a solve that is done at once reports %q", out.String())
	}

	report = a.watch("samples", 200)
	long := a.bar
	long.start, long.last = long.start.Add(-time.Minute), long.last.Add(-time.Minute) // a minute ago
	report(0.25, 4)
	report(0.5, 8) // too soon after the line before
	report(1, 16)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("reported %q, want a line and the last one", lines)
	}
	for k, want := range []string{`^samples 50/200  NFE 4  0\.8\d* points/s  3m\d*s left$`,
		`^samples 200/200  NFE 16  3\.\d+ points/s  0s left$`} {
		if !regexp.MustCompile(want).MatchString(lines[k]) {
			t.Errorf("line %q, want one like %s", lines[k], want)
		}
	}

	out.Reset()
	a.quiet = true
	report = a.watch("samples", 200)
	report(0.5, 8)
	if report(1, 16); out.Len() > 0 {
		t.Errorf("quiet reports %q", out.String())
	}
}

// The first step is done when the clock starts: of steps of 10 s the second tells so.
func TestTheTimeOfSlowSteps(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out}
	cfg := run.Config{}.Defaults()
	cfg.Train.Steps = 101
	hooks := a.trainHooks(t.Context(), cfg, false, &trainResult{}, "")
	hooks.Estimated(run.Estimate{Weights: 5e6, Batch: 8, Bytes: 2e9})
	step := hooks.Step
	step(1, 1)
	a.bar.start = a.bar.start.Add(-10 * time.Second)
	step(2, 1)
	want := `^5000000 weights, ([0-9.]+ [MG]B of memory so far, )?10 s a step: about 17 minutes for 100 steps\n$`
	told := strings.Join(strings.SplitAfter(out.String(), "\n")[1:], "")
	if !regexp.MustCompile(want).MatchString(told) {
		t.Errorf("%q, want %s", told, want)
	}
}

// What takes long is told as soon as it is known.
func TestALongTrainingSaysHowLongItTakes(t *testing.T) {
	for _, c := range []struct {
		ago  time.Duration
		step int
		want string
	}{
		{time.Second / 2, 110, "^$"},
		{2 * time.Second, 200, "^$"},
		{2 * time.Second, 110, `^([0-9.]+ [MG]B of memory so far, )?200 ms a step: about 3 minutes for 900 steps\n$`},
		{2 * time.Second, 100, `2 s a step: about 30 minutes for 900 steps`},
		{2 * time.Hour, 400, `about 6\.0 hours for 900 steps`},
	} {
		var out bytes.Buffer
		a := &app{stderr: &out}
		p := a.training(100, 1000)
		p.start = p.start.Add(-c.ago)
		p.step(c.step, 1)
		p.step(c.step, 1) // once is enough
		if !regexp.MustCompile(c.want).MatchString(out.String()) {
			t.Errorf("%v for %d steps: %q, want %s", c.ago, c.step-100, out.String(), c.want)
		}
		if a.quiet = true; out.Len() > 0 {
			out.Reset()
			p = a.training(100, 1000)
			p.start = p.start.Add(-c.ago)
			if p.step(c.step, 1); out.Len() > 0 {
				t.Errorf("quiet: %q", out.String())
			}
		}
	}
}
