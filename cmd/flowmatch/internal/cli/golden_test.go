package cli

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// update writes the golden files, and docs/reference, as they are now.
var update = flag.Bool("update", false, "write the golden files and docs/reference")

// golden compares text with a file, which -update writes.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./cmd/flowmatch/... -update", err)
	}
	if string(want) == text {
		return
	}
	got, was := strings.Split(text, "\n"), strings.Split(string(want), "\n")
	line := 0
	for line < min(len(got), len(was))-1 && got[line] == was[line] {
		line++
	}
	t.Errorf("%s is stale from line %d on; if this is meant: go test ./cmd/flowmatch/... -update\ngot  %s\nfile %s",
		file, line+1, got[line], was[line])
}

// goldenJSON compares the keys of an object, and the types of what they hold, with a file.
func goldenJSON(t *testing.T, name string, object map[string]any) {
	t.Helper()
	text, err := json.MarshalIndent(normalised(object), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "json", name+".json"), string(text)+"\n")
}

// normalised returns v with every value replaced by the zero of its type, and a list of
// objects by one that has the keys of all.
func normalised(v any) any {
	switch v := v.(type) {
	case float64:
		return 0
	case string:
		return ""
	case bool:
		return false
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = normalised(value)
		}
		return out
	case []any:
		all := map[string]any{}
		for _, item := range v {
			object, ok := normalised(item).(map[string]any)
			if !ok {
				return []any{}
			}
			for key, value := range object {
				all[key] = value
			}
		}
		return []any{all}
	}
	return nil
}

func TestTheKeysOfResultsStay(t *testing.T) {
	dir, tmp := trained(t), t.TempDir()
	yaml := writeText(t, "run.yaml", tinyRun)
	for _, c := range []struct{ name, args string }{
		{"version", "version"},
		{"doctor", "doctor"},
		{"data-list", "data list"},
		{"config", "config path.name"},
		{"train", "train " + yaml + " --out " + tmp + "/run --set train.steps=3"},
		{"train-resume", "train " + yaml + " --out " + tmp + "/run --resume --set train.steps=4"},
		{"sample", "sample " + dir + " --steps 10 --n 3 --out " + tmp + "/s.csv"},
		{"sample-logp", "sample " + dir + " --steps 10 --n 3 --logp --out " + tmp + "/s.npy"},
		{"sample-guidance", "sample " + classes(t) + " --n 3 --guidance 2 --out " + tmp + "/s.csv"},
		{"logp", "logp " + dir + " --dataset checkerboard --n 5 --out " + tmp + "/l.csv"},
		{"eval", "eval " + dir},
		{"plot", "plot " + dir + " --kind loss --out " + tmp + "/l.png"},
		{"export", "export " + dir + " --out " + tmp + "/f.onnx --check 2"},
	} {
		got := succeedJSON(t, append(strings.Fields(c.args), "-q")...)
		goldenJSON(t, c.name, got)
	}
	got := succeedJSON(t, "bench", "train mlp64x3 B256", "--budget", "10ms", "-q")
	goldenJSON(t, "bench", got)
	_, stdout, _ := invoke(t, "sample", "nowhere", "--n", "1", "--out", "x.csv", "--json")
	goldenJSON(t, "error", oneObject(t, stdout))
}

func TestTheReferenceIsUpToDate(t *testing.T) {
	folder := filepath.Join(root, "docs", "reference")
	for _, p := range Reference() {
		golden(t, filepath.Join(folder, p.Name), p.Text)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != len(Reference()) {
		t.Errorf("%s holds %v (%v); want the %d pages that this program writes", folder, files, err, len(Reference()))
	}
}

// The page of commands holds the help of every command, as it is written in a terminal.
func TestThePageOfCommandsHasEveryHelp(t *testing.T) {
	page := commandsPage()
	for _, c := range commands() {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if out := succeed(t, args...); out == "" || !strings.Contains(page, strings.TrimRight(out, "\n")) {
			t.Errorf("the page lacks the help of %s", c.CommandPath())
		}
	}
}
