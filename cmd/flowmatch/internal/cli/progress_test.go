package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
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
