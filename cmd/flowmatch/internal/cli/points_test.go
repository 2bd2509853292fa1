package cli

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folderRun is a conditional run of a folder of pictures of two classes.
func folderRun(t *testing.T) string {
	tmp := t.TempDir()
	for i := range 20 {
		dir := filepath.Join(tmp, []string{"cat", "dog"}[i%2])
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		img := image.NewRGBA(image.Rect(0, 0, 4, 4))
		img.Set(i%4, i/4%4, color.RGBA{uint8(10 * i), 200, 30, 255})
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return once(t, "pictures", "data: {path: "+tmp+"}\nconditional: true\nnet: {hidden: [8]}\n"+
		"train: {steps: 4, batch: 8}\neval: {solver: euler, steps: 4}\n")
}

// What sample writes goes back into logp, whatever the model was trained on, with its labels.
func TestSamplesGoBackInWhateverTheyAreWrittenAs(t *testing.T) {
	for name, dir := range map[string]string{"a table": numbered(t), "a law": classes(t), "pictures": folderRun(t)} {
		tmp := t.TempDir()
		array, text := filepath.Join(tmp, "s.npy"), filepath.Join(tmp, "s.csv")
		for _, file := range []string{array, text} {
			succeed(t, "sample", dir, "--n", "6", "--seed", "7", "--out", file, "-q")
		}
		code, _, stderr := invoke(t, "logp", dir, "--data", array, "-q")
		labels := filepath.Join(tmp, "s.label.npy")
		if want := "give --labels " + labels + ", which lies beside it"; code != exitUsage ||
			!strings.Contains(stderr, want) {
			t.Errorf("%s, without labels: exit code %d, %q; want 2 and %q", name, code, stderr, want)
		}
		a := succeedJSON(t, "logp", dir, "--data", array, "--labels", labels, "-q")
		b := succeedJSON(t, "logp", dir, "--data", text, "-q")
		if a["points"] != 6.0 || a["nll"] != b["nll"] || a["bpd"] != nil {
			t.Errorf("%s: NPY %v, CSV %v; want the same 6 points", name, a, b)
		}
	}
}

// Numbers of images span -1 to 1; other ranges are other things.
func TestNumbersOfImagesHaveTheirRange(t *testing.T) {
	dir := folderRun(t)
	for _, c := range []struct {
		value string
		code  int
		want  string
	}{{"0.5", 0, "those of images span -1 to 1: if 0 is black"}, {"-0.5", 0, ""},
		{"200", exitUsage, "whole numbers from 200 to 200, as the levels of pixels are"}} {
		file := writeText(t, "x.csv", strings.TrimSuffix(strings.Repeat(c.value+",", 48), ",")+"\n")
		code, stdout, stderr := invoke(t, "logp", dir, "--data", file, "--label", "cat", "-q")
		if code != c.code || !strings.Contains(stdout+stderr, c.want) ||
			c.want == "" && strings.Contains(stdout, "warning") {
			t.Errorf("%s: exit code %d, %q %q; want %d and %q", c.value, code, stdout, stderr, c.code, c.want)
		}
	}
}

// One row so far out that its solve fails loses no other.
func TestABadRowDoesNotLoseTheOthers(t *testing.T) {
	dir, out := trained(t), filepath.Join(t.TempDir(), "logp.csv")
	data := writeText(t, "x.csv", "c0,c1\n0.5,1\n\n1e300,2\n-1,0\n")
	args := []string{"logp", dir, "--data", data, "--solver", "dopri5", "--out", out, "-q"}
	code, stdout, stderr := invoke(t, args...)
	if want := "no log-density of 1 of 3 points, which the mean leaves out: line 4: value not"; code != exitFailure ||
		!strings.Contains(stderr, want) || !strings.Contains(stderr, data) || !strings.Contains(stdout, "2 points") {
		t.Errorf("exit code %d, %q, %q; want 1, the mean of 2 points and %q", code, stdout, stderr, want)
	}
	logp := strings.Fields(string(readFile(t, out)))
	if len(logp) != 4 || logp[1] == "NaN" || logp[2] != "NaN" || logp[3] == "NaN" {
		t.Errorf("log-densities %v, want NaN of the second alone", logp)
	}
	_, stdout, _ = invoke(t, append(args, "--json")...)
	if got := oneObject(t, stdout); fmt.Sprint(got["unscored"]) != "[1]" || got["points"] != 2.0 {
		t.Errorf("JSON %v, want that point 1 has none", got)
	}
}

// Columns of the data that are called as those that samples get are told apart.
func TestColumnsCalledAsThoseOfSamplesStay(t *testing.T) {
	var text strings.Builder
	text.WriteString("logp,label,logp_2\n")
	for i := range 60 {
		fmt.Fprintf(&text, "%d.5,%d.25,%d\n", i%7, i%5, i%3)
	}
	dir := once(t, "clash", "data: {path: "+writeText(t, "clash.csv", text.String())+", label: logp_2}\n"+
		"conditional: true\nnet: {hidden: [8]}\ntrain: {steps: 4, batch: 16}\neval: {solver: euler, steps: 4}\n")
	file := filepath.Join(t.TempDir(), "s.csv")
	got := succeedJSON(t, "sample", dir, "--n", "6", "--logp", "--out", file, "-q")
	if want := `the data have a column "logp": that of the logp of the samples is called "logp_3"`; fmt.Sprint(
		got["warnings"]) != "["+want+"]" {
		t.Errorf("warnings %v, want %q", got["warnings"], want)
	}
	if got := readTable(t, file).Columns; !slices.Equal(got, []string{"logp", "label", "logp_2", "logp_3"}) {
		t.Errorf("columns %q", got)
	}
	succeed(t, "logp", dir, "--data", file, "-q")
}
