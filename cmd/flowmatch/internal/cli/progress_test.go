package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Elsewhere than on a terminal a long solve is a line now and then, with its rate and
// the time left, and a short one nothing.
func TestALongSolveTellsItsProgress(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out}
	tell := a.watch("samples", 200)
	tell(0, 0)
	tell(1, 8)
	if out.Len() > 0 {
		t.Errorf("a solve that is done at once tells %q", out.String())
	}

	tell = a.watch("samples", 200)
	long := a.bar
	long.start, long.last = long.start.Add(-time.Minute), long.last.Add(-time.Minute) // a minute ago
	tell(0.25, 4)
	tell(0.5, 8) // too soon after the line before
	tell(1, 16)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("told %q, want a line and the last one", lines)
	}
	for k, want := range []string{`^samples 50/200  NFE 4  0\.8\d* points/s  3m\d*s left$`, `^samples 200/200  NFE 16  3\.\d+ points/s  0s left$`} {
		if !regexp.MustCompile(want).MatchString(lines[k]) {
			t.Errorf("line %q, want one like %s", lines[k], want)
		}
	}

	out.Reset()
	a.quiet = true
	tell = a.watch("samples", 200)
	tell(0.5, 8)
	if tell(1, 16); out.Len() > 0 {
		t.Errorf("quiet tells %q", out.String())
	}
}
