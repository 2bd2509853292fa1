package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// madeUp is a report with one of everything.
func madeUp() Report {
	mib := func(n int64) int64 { return n << 20 }
	point := func(axis, line string, at int, seconds float64) Result {
		return Result{Case: axis, Group: "scaling", Unit: "step", Seconds: seconds, Point: &Point{axis, line, at}}
	}
	return Report{
		Flowmatch: "v1 abc", Go: "go1.26", Platform: "linux/amd64",
		CPU: "Slide Rule 3000", Cores: 2, Threads: 2, Load: 0.25,
		Backend: "go", Date: "2026-01-02", Seconds: 301, Versions: map[string]string{"torch": "2.1", "jax": "0.9"},
		Results: []Result{
			{
				Case: "train A", Group: "train", Unit: "step", Seconds: 0.5e-3, Backend: "go", Threads: 2, Rounds: 3,
				Peers: []Time{{"torch", 1e-3}, {"jax", 0.8e-3}}, Ratio: 0.625, Target: 1,
				Memory: []Memory{{"flowmatch", mib(20), mib(50)}, {"torch", mib(500), mib(600)}},
			},
			{
				Case: "train B", Group: "train", Unit: "step", Seconds: 0.25, Backend: "go", Threads: 2, Rounds: 1,
				Peers: []Time{{"torch", 0.125}}, Ratio: 2, Target: 1, Notes: []string{"with_jax.py: no"},
			},
			{
				Case: "sample A", Group: "sample", Unit: "solve", Seconds: 12.34e-3, NFE: 74,
				Backend: "go", Threads: 2, Rounds: 3,
			},
			point("batch", "narrow", 64, 1e-3), point("batch", "narrow", 256, 4e-3), point("batch", "wide", 256, 64e-3),
			point("threads", "narrow", 1, 2e-3), point("threads", "narrow", 2, 1e-3),
		},
	}
}

var update = flag.Bool("update", false, "write the golden files")

func TestThePageOfAReport(t *testing.T) {
	golden := filepath.Join("testdata", "page.md")
	var b bytes.Buffer
	command := "./flowmatch bench all --peers DIR/bin/python --out docs/performance.md"
	r := madeUp()
	r.Results[0].Case, r.PeakFLOPS, r.PeakAll = highlights[0].name, 1e11, 1.8e11
	r.Results[0].Ratio, r.Results[0].Pairs = 0.61, []Pair{{"torch", Quartiles{0.4, 0.5, 0.6}, 9},
		{"jax", Quartiles{0.58, 0.61, 0.7}, 9}}
	other := Report{CPU: "Abacus", Cores: 1, Threads: 1, Platform: "linux/arm64", Results: r.Results[2:3]}
	if err := Markdown(&b, []Report{r, other}, command,
		map[string]map[string]string{r.Slug(): {"batch": "img/b.png", "peers": "img/p.png"}}); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the page is\n%s\nwant that of %s (go test ./bench -update writes it again)", b.Bytes(), golden)
	}
}

// Of the variants of a library the fastest counts.
func TestOtherLibrariesAreMultiplesOfOurTime(t *testing.T) {
	r := Report{Results: []Result{
		{Case: "a", Seconds: 2, Peers: []Time{
			{"torch", 6}, {"jax", 1}, {"torch.compile fused", 5}, {"torch fused", 4}}},
		{Case: "b", Seconds: 1},
	}}
	got := r.Beside()
	if len(got) != 1 || got[0].Case != "a" || !slices.Equal(got[0].Of, []Multiple{{"torch", 2}, {"jax", 0.5}}) {
		t.Errorf("got %+v", got)
	}
}

func TestHighlightsAreCases(t *testing.T) {
	all, err := Cases("all", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range highlights {
		if !slices.ContainsFunc(all, func(c Case) bool { return c.Name == h.name }) {
			t.Errorf("there is no case %q", h.name)
		}
	}
}

func TestOnlyTheFastestIsBold(t *testing.T) {
	for _, c := range []struct {
		ours, theirs float64
		want         string
	}{
		{1, 2, "**1000** 2000"}, {2, 1, "2000 **1000**"}, {1, 1, "1000 1000"}, {0.99, 1, "990 1000"},
		{0.97, 1, "**970** 1000"},
	} {
		r := Result{Seconds: c.ours, Peers: []Time{{"torch", c.theirs}}}
		if got := bold(r, "flowmatch") + " " + bold(r, "torch"); got != c.want {
			t.Errorf("%g beside %g: got %s, want %s", c.ours, c.theirs, got, c.want)
		}
	}
	if got := bold(Result{Seconds: 1}, "flowmatch"); got != "1000" {
		t.Errorf("alone: got %s, want 1000", got)
	}
}

func TestTheTextOfAReport(t *testing.T) {
	const want = `case      time           NFE  best peer            ratio  backend  threads  rounds
train A   0.500 ms/step  -    jax        0.800 ms  0.62   go       2        3
train B   250 ms/step    -    torch      125 ms    2.00   go       2        1
sample A  12.3 ms/solve  74   -                    -      go       2        3

memory of  process    at its start  at most
train A    flowmatch  20 MiB        50 MiB
train A    torch      500 MiB       600 MiB

not measured  why
train B       with_jax.py: no
`
	r := madeUp()
	r.Results = r.Results[:3]
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	r.Text(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("the text is\n%s\nwant\n%s", b.String(), want)
	}
}

func TestAReportNamesTheMachine(t *testing.T) {
	if r := NewReport("v1"); r.Flowmatch != "v1" || r.CPU == "" || r.Cores < 1 || r.Threads < 1 || r.Memory.Start == 0 {
		t.Errorf("report %+v", r)
	}
}

func TestTimesHaveThreeDigits(t *testing.T) {
	for seconds, want := range map[float64]string{
		12.3456: "12346", 0.12345: "123", 0.0123456: "12.3", 1.23456e-3: "1.23", 1.23456e-4: "0.123",
	} {
		if got := milliseconds(seconds); got != want {
			t.Errorf("%g s is %s ms, want %s", seconds, got, want)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestAPageThatCannotBeWrittenIsAnError(t *testing.T) {
	if err := Markdown(full{}, []Report{madeUp()}, "", nil); err == nil {
		t.Error("no error")
	}
}

func TestReportsAreReadByTheirNames(t *testing.T) {
	dir := t.TempDir()
	if all, err := Reports(filepath.Join(dir, "none")); err != nil || len(all) != 0 {
		t.Errorf("no folder: %v (%v)", all, err)
	}
	r := madeUp()
	if r.Slug() != "slide-rule-3000-2-cores-linux-amd64" {
		t.Fatalf("slug %q", r.Slug())
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put(r.Slug()+".json", text)
	if all, err := Reports(dir); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], r) {
		t.Errorf("got %+v (%v)", all, err)
	}
	put("b.json", text)
	if _, err := Reports(dir); err == nil || !strings.Contains(err.Error(), r.Slug()+".json") {
		t.Errorf("a file with another name: error %v", err)
	}
	put("b.json", []byte("{"))
	if _, err := Reports(dir); err == nil || !strings.Contains(err.Error(), "b.json is no report") {
		t.Errorf("a damaged file: error %v", err)
	}
}
