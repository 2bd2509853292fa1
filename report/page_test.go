package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"flowmatch/eval"
	"flowmatch/run"
)

// evil are names that would be markup where they are not escaped.
const evil = `<script>alert(1)</script>`

// people writes a table of n rows, whose columns and levels have evil names, and values are missing.
func people(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "age,\"%s\",\"a\"\"onload=x\",day\n", evil)
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		age := fmt.Sprintf("%.1f", 40+10*rng.NormFloat64())
		if rng.IntN(6) == 0 {
			age = ""
		}
		level := []string{"<b>no", "yes"}[rng.IntN(2)]
		fmt.Fprintf(&b, "%s,%s,%d,2024-01-%02d\n", age, level, rng.IntN(5), 1+rng.IntN(30))
	}
	return written(t, "people.csv", b.String())
}

func written(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// trained trains for a few steps.
func trained(t *testing.T, cfg run.Config, err error) *run.Run {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r, err := run.Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), run.TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var quickly = []string{"train.steps=4", "net.hidden=[8]", "eval.solver=euler", "eval.steps=4"}

// page returns the page of a run, and what was measured.
func page(t *testing.T, r *run.Run) (string, eval.Report) {
	t.Helper()
	s, err := r.Subject(true)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.Report(t.Context())
	if err != nil && !errors.Is(err, eval.ErrNoPoints) {
		t.Log(err)
	}
	var b bytes.Buffer
	if err := (Page{Run: r, Report: rep}).Write(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String(), rep
}

// tag finds the tags of a page, and what is in them.
var tag = regexp.MustCompile(`<(/?)([a-zA-Z!][a-zA-Z0-9]*)([^<>]*)>`)

// void are elements without an end.
var void = map[string]bool{"!doctype": true, "meta": true, "img": true, "source": true}

// parses checks that elements of a page are closed in their order, that nothing is read from outside, and
// returns its pictures.
func parses(t *testing.T, text string) (pictures []string) {
	t.Helper()
	body := regexp.MustCompile(`(?s)<style>.*?</style>`).ReplaceAllString(text, "<style></style>")
	var open []string
	for _, m := range tag.FindAllStringSubmatch(body, -1) {
		name := strings.ToLower(m[2])
		switch {
		case void[name]:
		case m[1] == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("</%s> closes %v", name, open)
		default:
			open = open[:len(open)-1]
		}
		if name == "script" || name == "link" || name == "iframe" || name == "b" {
			t.Errorf("an element %s%s", name, m[3])
		}
		for _, a := range regexp.MustCompile(`\s(src|srcset|href)="([^"]*)"`).FindAllStringSubmatch(m[3], -1) {
			switch v := html.UnescapeString(a[2]); {
			case strings.HasPrefix(v, "data:image/png;base64,"):
				pictures = append(pictures, v)
			case a[1] != "href" || !strings.HasPrefix(v, "#") || !strings.Contains(text, `id="`+v[1:]+`"`):
				t.Errorf("%s refers to %.60s", name, v)
			}
		}
		if regexp.MustCompile(`\son[a-z]+=`).MatchString(m[3]) {
			t.Errorf("%s has an event: %s", name, m[3])
		}
	}
	if len(open) > 0 {
		t.Errorf("never closed: %v", open)
	}
	if strings.Contains(text, "http:") || strings.Contains(text, "https:") || strings.Contains(text, "@import") ||
		strings.Contains(text, "url(") {
		t.Error("the page names something outside")
	}
	for _, p := range pictures {
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p, "data:image/png;base64,"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(b)); err != nil {
			t.Errorf("a picture: %v", err)
		}
	}
	return pictures
}

func TestThePageOfATable(t *testing.T) {
	cfg, err := run.TableConfig(people(t, 120), append(quickly, "data.test=60"))
	text, rep := page(t, trained(t, cfg, err))
	// Of four columns, three matrices, the pairs of numbers and the loss, each light and dark.
	if got := len(parses(t, text)); got != 2*(4+3+1+1) {
		t.Errorf("%d pictures", got)
	}
	for _, want := range []string{html.EscapeString(evil), "a&#34;onload=x", "Figures", "closest record", "efficacy",
		"Missing values", "run.yaml", "validation loss", "60 held out", "4 steps"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(text, evil) || strings.Contains(text, "<b>no") {
		t.Error("a name is not escaped")
	}
	// The page has all that the lines have.
	for _, s := range Sections(rep) {
		for _, l := range s.Lines {
			if !strings.Contains(text, escaped(l.Value)) {
				t.Errorf("the page lacks %s: %s", l.Name, l.Value)
			}
		}
	}
}

// escaped escapes as pages do.
func escaped(v string) string { return strings.ReplaceAll(html.EscapeString(v), "+", "&#43;") }

func TestThePageOfTwoRows(t *testing.T) {
	cfg, err := run.TableConfig(written(t, "two.csv", "a,b\n1.5,x\n2.5,y\n"), quickly)
	text, _ := page(t, trained(t, cfg, err))
	if got := len(parses(t, text)); got == 0 {
		t.Error("no pictures")
	}
	for _, want := range []string{"2 rows are few", "0 held out", "marginals", "Samples less data"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestThePageOfPoints(t *testing.T) {
	cfg, err := run.ParseConfig([]byte("data: {name: moons, val: 20, test: 60}"), append(quickly, "eval.samples=40"))
	text, _ := page(t, trained(t, cfg, err))
	// Samples, density and loss.
	if got := len(parses(t, text)); got != 2*3 || !strings.Contains(text, "Density") {
		t.Errorf("%d pictures", got)
	}
}

func TestThePageOfImages(t *testing.T) {
	head := "\x00\x00\x08\x03\x00\x00\x00\x28\x00\x00\x00\x04\x00\x00\x00\x04"
	path := written(t, "t-images-idx3-ubyte", head+strings.Repeat("\x00\xf0\x10\x80", 4*40))
	text := fmt.Sprintf("data: {path: %s, val: 4, test: 12}\n", path) +
		"net: {unet: {channels: 4, mult: [1, 1], blocks: 1}}"
	cfg, err := run.ParseConfig([]byte(text), []string{"train.steps=2", "train.batch=4", "eval.solver=euler",
		"eval.steps=2", "eval.samples=4", "eval.test=2", "eval.divergence=hutchinson"})
	text, _ = page(t, trained(t, cfg, err))
	if got := len(parses(t, text)); got != 2*3 || !strings.Contains(text, "Held-out images") ||
		strings.Contains(text, "marginals") {
		t.Errorf("%d pictures", got)
	}
}

// What cannot be drawn or measured is said, and the rest is there.
func TestThePageSaysWhatFailed(t *testing.T) {
	cfg, err := run.ParseConfig([]byte("data: {name: moons, val: 20, test: 60}"), quickly)
	r := trained(t, cfg, err)
	if err := os.Remove(filepath.Join(r.Dir, run.MetricsFile)); err != nil {
		t.Fatal(err)
	}
	rep := eval.Report{Missing: map[string]string{eval.PartLikelihood: "no <reason>"}}
	var b bytes.Buffer
	if err := (Page{Run: r, Report: rep}).Write(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if got := len(parses(t, b.String())); got != 2*2 {
		t.Errorf("%d pictures", got)
	}
	for _, want := range []string{"likelihood not measured: no &lt;reason&gt;", "metrics.jsonl"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := (Page{Run: r, Report: rep}).Write(ended, &b); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
