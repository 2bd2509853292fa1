package choice

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	names := []string{"condot", "vp", "ve", "cosine"}
	for _, c := range []struct {
		name, want string // "": no error
	}{
		{"condot", ""},
		{"ve", ""},
		{"condto", `unknown schedule "condto"; did you mean "condot"? it must be one of condot, vp, ve, cosine`},
		{"cosin", `unknown schedule "cosin"; did you mean "cosine"? it must be one of condot, vp, ve, cosine`},
		{"vq", `unknown schedule "vq"; did you mean "vp"? it must be one of condot, vp, ve, cosine`},
		{"", `unknown schedule ""; it must be one of condot, vp, ve, cosine`},
		{"straight", `unknown schedule "straight"; it must be one of condot, vp, ve, cosine`},
		{strings.Repeat("x", 100000), `unknown schedule "` + strings.Repeat("x", 77) +
			`..."; it must be one of condot, vp, ve, cosine`},
	} {
		err := Check("schedule", c.name, names)
		if got := text(err); got != c.want {
			t.Errorf("%.20q: got %.200q, want %.200q", c.name, got, c.want)
		}
	}
}

func TestErrorsQuoteTheBeginningOfALongText(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `""`,
		strings.Repeat("a", 80): `"` + strings.Repeat("a", 80) + `"`,
		strings.Repeat("a", 81): `"` + strings.Repeat("a", 77) + `..."`,
		strings.Repeat("é", 81): `"` + strings.Repeat("é", 77) + `..."`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		name  string
		names []string
		want  string
	}{
		{"epochs", nil, ""},
		{"stepss", []string{"seed", "steps", "step"}, "steps"},
		{"bach", []string{"batch", "back"}, "batch"}, // both one edit away: the first
		{"σ_mn", []string{"sigma_max", "σ_min"}, "σ_min"},
		{"abcd", []string{"wxyz"}, ""},
	} {
		if got := Nearest(c.name, c.names); got != c.want {
			t.Errorf("Nearest(%q, %v) = %q, want %q", c.name, c.names, got, c.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestErrorsAreSpokenWithoutPackages(t *testing.T) {
	for text, want := range map[string]string{
		"atomicfile: z.png is not written: run: a picture of points": "z.png is not written: a picture of points",
		"eval: likelihood not measured: likelihood: points 0 to 99: ode: it is stiff\neval: samples not measured: " +
			"metrics: MMD of 1": "likelihood not measured: points 0 to 99: it is stiff\nsamples not measured: MMD of 1",
		"experiment: nn: diverged; run: no":       "diverged; no",
		"run.yaml: line 8: train: lr is -1":       "run.yaml: line 8: train: lr is -1",
		"line 8: eval: steps is 0":                "line 8: eval: steps is 0",
		"the rerun: 3 of them, model:x, my model": "the rerun: 3 of them, model:x, my model",
	} {
		if got := Spoken(errors.New(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Whatever an error quotes, and whoever words it, its text is short.
func TestErrorsQuoteLittle(t *testing.T) {
	name, words := strings.Repeat("a", 1<<20), strings.Repeat("a b ", 1<<18)
	_, statName := os.Stat(name)
	_, statWords := os.Stat(words)
	_, number := strconv.Atoi(words)
	for what, err := range map[string]error{
		"a path":                 statName,
		"a path with spaces":     fmt.Errorf("%s: data: %w", words, statWords),
		"a path among others":    errors.Join(errors.New("first"), fmt.Errorf("data: %w", statName)),
		"a link":                 os.Symlink(words, name),
		"a renamed file":         os.Rename(name, words),
		"a number":               number,
		"a word":                 fmt.Errorf("%s is no table", name),
		"quotes within quotes":   fmt.Errorf("unknown %q; want 1", `"`+words+`\"`),
		"a path of quoted words": fmt.Errorf("--out %q: %w", words, statWords),
	} {
		got := Spoken(err)
		if n := strings.Count(got, "a"); n > 3*80+40 || len(got) > 500 || !strings.Contains(got, "...") {
			t.Errorf("%s: %d characters: %.100s", what, len(got), got)
		}
	}
	usual := "open " + strings.Repeat("folder/", 30) + "my file.csv: no such file or directory"
	if got := Spoken(errors.New(usual)); got != usual {
		t.Errorf("got %s, want it whole", got)
	}
}
