package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Texts that take the YAML library gigabytes or minutes never come to it.
func TestTextsThatAreBombsAreNotParsed(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 20; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9))
	}
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	const deep, wide = "more than 100 sections in one another", "more than 5000 keys or 20000 commas"
	for _, c := range []struct{ name, text, want string }{
		{"brackets", "a: " + strings.Repeat("[", 400_000), "line 1: " + deep},
		{"braces", strings.Repeat("{a: ", 100_000), deep},
		{"dashes", "\n" + strings.Repeat("- ", 200_000), "line 2: " + deep},
		{"questions", strings.Repeat("? ", 100_000), deep},
		{"tags", "a: " + strings.Repeat("!!str ", 100_000), deep},
		{"anchors", strings.Repeat("&a ", 100_000), deep},
		{"indentation", many(300, "%[1]*[1]d:\n"), "or 100 sections in one another"},
		{"keys", many(80_000, "k%d: 1\n"), wide},
		{"keys in a line", strings.Repeat("a: ", 100_000), wide},
		{"commas", "a: [" + strings.Repeat(",", 400_000), wide},
		{"aliases of aliases", laughs, "values, with *a"},
		{"bytes", "a: " + strings.Repeat("x", 2_000_000), "the text has 2000003 bytes; at most 1048576 are read"},
		{"no comment after a bracket", "a: [#" + strings.Repeat("[", 200), deep},
		{"no comment in quotes", `a: "x # ", b: ` + strings.Repeat("[", 200), deep},
		{"quotes over lines", "a: \"x\n # \" , b: " + strings.Repeat("[", 200), deep},
		{"behind a comment", "# [[[\n" + strings.Repeat("[", 200), "line 2: " + deep},
		{"behind a return", "a: 1 # x\r" + strings.Repeat("[", 200), deep},
		{"signs in quotes", `"` + strings.Repeat(" #", 300_000), ""},
		{"an alias of itself", "a: &a [*a]", "there is no anchor &a before *a"},
	} {
		if err := Bounded([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	for name, text := range map[string]string{
		"keys": many(4000, "k%d: 1\n"), "numbers": "a: [" + strings.Repeat("1, ", 15_000) + "1]",
		"depth": "a: " + strings.Repeat("[", 90) + strings.Repeat("]", 90), "negative numbers": "a: [-1, - 2, -3]",
		"a rule": "# " + strings.Repeat("- ", 120) + "\na: 1", "brackets in a comment": "a: 1 # " +
			strings.Repeat("[", 120), "commas in a comment": "a: 1 #" + strings.Repeat(",", 30_000) + "\r\nb: 1",
		"an indented comment": "a:\n  b: 1\n   # " + strings.Repeat("? ", 120),
	} {
		if err := Bounded([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALargeFileIsReadInPart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 100*maxBytes)); err != nil {
		t.Fatal(err)
	}
	text, err := ReadFile(file)
	if err != nil || len(text) > 2*maxBytes || Bounded(text) == nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("there is none")
	}
	if _, err := ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "is a device; want a file") {
		t.Errorf("/dev/zero: %v", err)
	}
}

// Some editors put a mark in front of UTF-8, or save UTF-16.
func TestHowATextIsEncodedIsSeen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.yaml")
	for text, want := range map[string]string{
		"\ufeffseed: 1\n": "", "\xff\xfes\x00e\x00": "line 1: this is no text in UTF-8; save it as that",
		"s\x00e\x00": "line 1: this is no text in UTF-8",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(file)
		if err == nil {
			err = Bounded(got)
		}
		if want == "" && (err != nil || string(got) != "seed: 1\n") ||
			want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%q: %q, error %v; want %q", text, got, err, want)
		}
	}
}
