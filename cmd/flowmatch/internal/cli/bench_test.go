package cli

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/bench"
)

func TestBenchQuickTimesEveryQuickCase(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for two seconds")
	}
	got := succeedJSON(t, "bench", "coupling", "--quick", "-q")
	if results := got["results"].([]any); len(results) != 3 {
		t.Errorf("%d results, want the 3 small couplings: %v", len(results), results)
	}
}

func TestBenchReportsTheMemoryOfAChild(t *testing.T) {
	t.Setenv(childEnv, "1") // this test binary is the program that is run again
	got := succeedJSON(t, "bench", "train", "--quick", "--budget", "20ms", "-q")
	result := got["results"].([]any)[0].(map[string]any)
	memory := result["memory"].([]any)[0].(map[string]any)
	start, peak := memory["start"].(float64), memory["peak"].(float64)
	if memory["who"] != "flowmatch" || start < 1<<20 || peak <= start {
		t.Errorf("memory %v, want a peak above the start", memory)
	}
}

func TestBenchMeasuresACaseWithOtherThreadsInAChild(t *testing.T) {
	t.Setenv(childEnv, "1")
	report, err := benchFlags{}.elsewhere(t.Context(), "scaling threads=1 mlp64x3 B256", 1, 30e6)
	if err != nil || report.Threads != 1 || len(report.Results) != 1 || report.Results[0].Threads != 1 {
		t.Errorf("report %+v (%v), want one result with one thread", report, err)
	}
	if _, err := (benchFlags{}).elsewhere(t.Context(), "no such case", 0, 1); err == nil ||
		!strings.Contains(err.Error(), "no such case") {
		t.Errorf("error %v, want that of the child", err)
	}
}

func TestBenchWritesAPageWithItsPictures(t *testing.T) {
	page := filepath.Join(t.TempDir(), "speed.md")
	succeed(t, "bench", "scaling", "--quick", "--budget", "30ms", "-q", "--out", page)
	text, name := string(readFile(t, page)), "img/"+bench.NewReport("").Slug()+"-scaling-batch.png"
	if !strings.Contains(text, "]("+name+")") || !strings.Contains(text, "| 128 |") {
		t.Errorf("the page lacks the picture or the table of scaling:\n%s", text)
	}
	if _, err := png.Decode(bytes.NewReader(readFile(t, filepath.Join(filepath.Dir(page), name)))); err != nil {
		t.Error(err)
	}
	// A report of another machine stays, and has its section.
	other := filepath.Join(filepath.Dir(page), "speed", "abacus-1-cores-linux-arm64.json")
	report := `{"cpu": "Abacus", "cores": 1, "platform": "linux/arm64", "results": []}`
	if err := os.WriteFile(other, []byte(report), 0o666); err != nil {
		t.Fatal(err)
	}
	succeed(t, "bench", "scaling", "--quick", "--budget", "30ms", "-q", "--out", page)
	text = string(readFile(t, page))
	if !strings.Contains(text, "## Abacus, 1 core, linux/arm64") || strings.Count(text, "\n## ") != 3 {
		t.Errorf("the page lacks a section of one of two machines:\n%s", text)
	}
}

// stopAt cancels a context when a word is written.
type stopAt struct {
	word string
	stop context.CancelFunc
	bytes.Buffer
}

func (s *stopAt) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(s.word)) {
		s.stop()
	}
	return s.Buffer.Write(b)
}

func TestAnInterruptedBenchReportsWhatItMeasured(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	progress := &stopAt{word: "n256 d784", stop: cancel}
	page := filepath.Join(t.TempDir(), "page.md")
	var out bytes.Buffer
	code := execute(ctx, []string{"bench", "coupling", "--quick", "--json", "--out", page}, &out, progress)
	got := oneObject(t, out.String())
	if results := got["results"].([]any); code != exitFailure || len(results) != 1 || got["interrupted"] != true {
		t.Errorf("exit code %d, interrupted %v, %d results; want 1, true and 1", code, got["interrupted"], len(results))
	}
	if !strings.Contains(progress.String(), "interrupted: 1 of 3 cases measured") {
		t.Errorf("standard error %q, want how far it came", progress)
	}
	if _, err := os.Stat(page); !os.IsNotExist(err) {
		t.Errorf("a part was written as a page (%v)", err)
	}
}

// The page in the repository is made by the program of the figures beside it; a command in it must parse.
func TestThePageOfPerformanceIsTheOutputOfBench(t *testing.T) {
	page := filepath.Join("..", "..", "..", "..", "docs", "performance.md")
	all, err := bench.Reports(strings.TrimSuffix(page, ".md"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d reports (%v)", len(all), err)
	}
	var b strings.Builder
	if err := bench.Markdown(&b, all, pageCommand, pictures(page, all)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if string(readFile(t, page)) != b.String() {
		t.Errorf("%s is not what bench makes of the figures in its folder; -update writes it again", page)
	}
	lines := commandLines(b.String())
	if len(lines) != 1 {
		t.Fatalf("%d commands in the page, want one", len(lines))
	}
	if err := parse(lines[0]); err != nil {
		t.Errorf("flowmatch %s: %v", lines[0], err)
	}
}
