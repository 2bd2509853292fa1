package choice

import (
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
