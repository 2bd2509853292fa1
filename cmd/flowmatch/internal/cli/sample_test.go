package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// kept are trained runs that many tests read, by the name of the test that made them.
var kept sync.Map

// once trains a run that several tests read, and returns its folder.
func once(t *testing.T, name, config string) string {
	t.Helper()
	trained(t) // which makes the folder that TestMain removes
	dir := filepath.Join(filepath.Dir(trained(t)), name)
	if _, done := kept.LoadOrStore(name, true); !done {
		succeed(t, "train", writeText(t, "run.yaml", config), "--out", dir, "-q")
	}
	return dir
}

// averages is a run that learnt average velocities.
func averages(t *testing.T) string {
	return once(t, "averages",
		strings.Replace(strings.Replace(tinyRun, "train: {", "train: {objective: meanflow, ", 1),
			"solver: euler, steps: 5, ", "", 1))
}

// classes is a conditional run that can be guided.
func classes(t *testing.T) string {
	return once(t, "classes",
		strings.Replace(strings.Replace(tinyRun, "train: {", "conditional: true\ntrain: {label_dropout: 0.2, ", 1),
			"checkerboard", "moons", 1))
}

// coordinates returns the points of a file, without the columns behind them.
func coordinates(t *testing.T, file string) []float64 {
	t.Helper()
	table := readTable(t, file)
	var out []float64
	for i := range table.X.N {
		out = append(out, table.X.Row(i)[:2]...)
	}
	return out
}

func TestStepsOfTheAverageVelocity(t *testing.T) {
	dir, file := averages(t), filepath.Join(t.TempDir(), "s.csv")
	var first []float64
	for _, c := range []struct {
		args, name string
		nfe        float64
	}{
		{"--solver average --steps 2", "average 2 steps", 2},
		{"--solver interval --steps 2", "average 2 steps", 2}, // the name that it had
		{"--steps 2", "average 2 steps", 2},
		{"", "average 1 steps", 1},
		{"--solver euler --steps 3", "euler 3 steps", 3},
	} {
		got := succeedJSON(t, strings.Fields("sample "+dir+" --n 6 -q --out "+file+" "+c.args)...)
		if got["solver"] != c.name || got["nfe"] != c.nfe {
			t.Errorf("%s: solver %v, NFE %v; want %s and %g", c.args, got["solver"], got["nfe"], c.name, c.nfe)
		}
		if x := coordinates(t, file); c.nfe == 2 && first == nil {
			first = x
		} else if c.nfe == 2 && !slices.Equal(x, first) {
			t.Errorf("%s: other samples than with --solver average", c.args)
		}
	}
	// A likelihood needs the ODE, which is solved by the default solver.
	logp := []string{"logp", dir, "--dataset", "checkerboard", "--n", "3", "-q"}
	if got := succeedJSON(t, logp...); got["solver"] != "dopri5 rtol=1e-05 atol=1e-05 control=point" {
		t.Errorf("the solver of a log-density is %v", got["solver"])
	}
	if got := succeedJSON(t, append(logp, "--control", "batch")...); got["solver"] != "dopri5 rtol=1e-05 atol=1e-05" {
		t.Errorf("the solver of a log-density is %v", got["solver"])
	}
	if got := succeedJSON(t, append(logp, "--steps", "4")...); got["solver"] != "dopri5 4 steps" {
		t.Errorf("the solver of a log-density is %v", got["solver"])
	}
}

// Guidance of scale 0 is the field without labels, of scale 1 the field with them.
func TestGuidanceOfEverySampler(t *testing.T) {
	dir, tmp := classes(t), t.TempDir()
	for _, solver := range []string{"euler --steps 4", "ddim --steps 4", "ddpm --steps 4",
		"heun_sde --steps 4 --diffusion sigma"} {
		draw := func(args ...string) ([]float64, map[string]any) {
			file := filepath.Join(tmp, "s.csv")
			line := "sample " + dir + " --n 8 --seed 2 -q --out " + file + " --solver " + solver
			got := succeedJSON(t, append(strings.Fields(line), args...)...)
			return coordinates(t, file), got
		}
		with, none := draw("--label", "1")
		one, _ := draw("--label", "1", "--guidance", "1")
		zero, report := draw("--label", "1", "--guidance", "0")
		other, _ := draw("--label", "0", "--guidance", "0")
		two, twice := draw("--label", "1", "--guidance", "2")
		if !slices.Equal(with, one) || slices.Equal(with, two) || slices.Equal(with, zero) || !near(zero, other, 1e-6) {
			t.Errorf("%s: guidance 1 must change nothing, guidance 0 leave the label out, and guidance 2 change the "+
				"samples:\nnone %v\none %v\nzero %v\nzero of another label %v\ntwo %v", solver, with, one,
				zero, other, two)
		}
		if report["guidance"] != 0.0 || none["guidance"] != nil || twice["nfe"].(float64) != 2*none["nfe"].(float64) {
			t.Errorf("%s: reports are %v, %v and %v; want the scale 0, none, and twice the evaluations", solver,
				report, none, twice)
		}
	}
}

// An evaluation without guidance is one of the network.
func TestGuidanceOfAnInterval(t *testing.T) {
	dir, out := classes(t), filepath.Join(t.TempDir(), "s.csv")
	for flags, nfe := range map[string]float64{
		"--solver euler --steps 10 --guidance 2 --guidance-interval 0.25,0.55": 13, // at 0.3, 0.4 and 0.5
		"--solver ddim --steps 10 --guidance 2 --guidance-interval 0,1":        20,
		"--solver euler --steps 2 --guidance 2 --guidance-rescale 0.7":         4,
	} {
		line := "sample " + dir + " --n 3 -q --out " + out + " " + flags
		got := succeedJSON(t, strings.Fields(line)...)
		if got["nfe"] != nfe || got["guidance"] != 2.0 {
			t.Errorf("%s: %v evaluations, want %v", flags, got["nfe"], nfe)
		}
	}
}

func TestSamplesOnATimeGrid(t *testing.T) {
	dir, tmp := trained(t), t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(tmp, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	draw := func(flags string) ([]float64, any) {
		out := filepath.Join(tmp, "s.csv")
		line := "sample " + dir + " --n 3 -q --out " + out + " " + flags
		got := succeedJSON(t, strings.Fields(line)...)
		return coordinates(t, out), got["solver"]
	}
	even, _ := draw("--solver euler --steps 4")
	times, solver := draw("--solver euler --time-grid " + file("t.csv", "0\n0.25\n0.5\n0.75\n1\n"))
	levels, _ := draw("--solver euler --time-grid " + file("sigma.csv", "sigma\n1\n0.75\n0.5\n0.25\n"))
	if !slices.Equal(even, times) || !slices.Equal(even, levels) || solver != "euler 4 steps times=0,0.25,0.5,0.75,1" {
		t.Errorf("even steps %v, times %v, levels %v by %v", even, times, levels, solver)
	}
	shifted, _ := draw("--solver euler --steps 4 --shift 3")
	same, _ := draw("--solver euler --time-grid " + file("shifted.csv", "1\n0.9\n0.75\n0.5\n0\n"))
	if !near(shifted, same, 1e-6) || near(shifted, even, 1e-6) {
		t.Errorf("shifted %v, by its levels %v", shifted, same)
	}
	_, noisy := draw("--solver ddpm --steps 5 --spacing exponential")
	if noisy != "ddpm, 5 steps exponential" {
		t.Error(noisy)
	}
	for flags, want := range map[string]string{
		"--solver dopri5 --shift 2":                                           "chooses its steps by the tolerances",
		"--solver euler --steps 1 --shift 2":                                  "one step goes from noise to data",
		"--solver euler --shift -1":                                           "--shift is -1",
		"--solver euler --spacing even":                                       "unknown spacing",
		"--solver euler --time-grid " + file("bad.csv", "0\n0.5\n"):           "rise from 0 to 1",
		"--solver euler --time-grid " + file("two.csv", "0,1\n1,0\n"):         "2 columns",
		"--solver euler --time-grid " + filepath.Join(tmp, "none.csv"):        "no such file",
		"--solver euler --shift 2 --time-grid " + filepath.Join(tmp, "t.csv"): "shift is set beside times",
	} {
		line := "sample " + dir + " --n 1 --out " + filepath.Join(tmp, "s.csv") + " " + flags
		if code, _, text := invoke(t, strings.Fields(line)...); code != 2 || !strings.Contains(text, want) {
			t.Errorf("%s: exit code %d, %s; want 2 and %q", flags, code, text, want)
		}
	}
}

// near says whether numbers are the same within a tolerance.
func near(a, b []float64, tol float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(a[i]-b[i]) > tol {
			return false
		}
	}
	return true
}

// What a model knows of its data is in its checkpoint.
func TestARunWhoseDataAreGoneIsOfUse(t *testing.T) {
	var text strings.Builder
	text.WriteString("height,weight,kind\n")
	for i := range 60 {
		text.WriteString([]string{"1.5,2,0\n", "1,2.5,1\n", "3,1,0\n", "2,2,1\n"}[i%4])
	}
	csv := writeText(t, "animals.csv", text.String())
	yaml := filepath.Join(filepath.Dir(csv), "run.yaml")
	config := "data: {path: animals.csv, label: kind}\nconditional: true\nnet: {hidden: [8]}\n" +
		"train: {steps: 5, batch: 8, label_dropout: 0.1}\neval: {solver: euler, steps: 3, samples: 5}\n"
	if err := os.WriteFile(yaml, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	dir, tmp := filepath.Join(t.TempDir(), "run"), t.TempDir()
	succeed(t, "train", yaml, "--out", dir, "-q")
	points := writeText(t, "points.csv", "kind,weight,height\n1,2,1\n0,1,3\n")
	before := succeed(t, "logp", dir, "--data", points, "--out", filepath.Join(tmp, "before.csv"), "-q")
	if err := os.Remove(csv); err != nil {
		t.Fatal(err)
	}

	succeed(t, "logp", dir, "--data", points, "--out", filepath.Join(tmp, "after.csv"), "-q")
	if a, b := string(readFile(t, filepath.Join(tmp, "before.csv"))), string(readFile(t,
		filepath.Join(tmp, "after.csv"))); a != b {
		t.Errorf("log-densities with the data\n%s%s\nand without\n%s", before, a, b)
	}
	for _, args := range []string{
		"sample " + dir + " --n 4 --logp --out " + tmp + "/s.csv",
		"sample " + dir + " --n 4 --label 1 --guidance 2 --out " + tmp + "/s.npy",
		"sample " + dir + " --n 4 --solver ddim --steps 3 --out " + tmp + "/d.csv",
		"logp " + dir + " --data " + points + " --label 0",
		"logp " + dir + " --dataset moons --n 4",
		"export " + dir + " --out " + tmp + "/f.onnx --check 2",
		"plot " + dir + " --kind loss --out " + tmp + "/loss.png",
	} {
		if code, _, stderr := invoke(t, append(strings.Fields(args), "-q")...); code != 0 || stderr != "" {
			t.Errorf("flowmatch %s: exit code %d, standard error %q", args, code, stderr)
		}
	}
	if got := readTable(t, filepath.Join(tmp, "s.csv")).Columns; strings.Join(got, " ") != "height weight kind logp" {
		t.Errorf("columns %v", got)
	}
	// Pictures that show data say that they cannot, once, and show the rest.
	for kind, withData := range map[string]bool{"samples": true, "density": true, "field": true,
		"trajectories": false} {
		code, _, stderr := invoke(t, "plot", dir, "--kind", kind, "--out", filepath.Join(tmp, kind+".png"), "-q")
		said := strings.Count(stderr, "the picture shows the model alone") == 1 &&
			strings.Contains(stderr, "animals.csv")
		if code != 0 || said != withData {
			t.Errorf("plot --kind %s: exit code %d, standard error %q; want 0 and (%v) word of the data", kind, code,
				stderr, withData)
		}
	}
	code, _, stderr := invoke(t, "sample", dir, "--n", "4", "--out", filepath.Join(tmp, "s.png"), "-q")
	if code != 0 || !strings.Contains(stderr, "the picture shows the model alone") {
		t.Errorf("sample --out s.png: exit code %d, standard error %q", code, stderr)
	}
	code, _, stderr = invoke(t, "eval", dir, "-q")
	if code != exitFailure || !strings.Contains(stderr, "animals.csv") {
		t.Errorf("eval: exit code %d, standard error %q; want a failure that names the file", code, stderr)
	}
}

// The pixels of images are needed for held-out ones only.
func TestARunOfImagesWhoseDataAreGone(t *testing.T) {
	const n, side = 20, 4
	tmp := t.TempDir()
	images := writeIDX(t, filepath.Join(tmp, "t-images-idx3-ubyte"), make([]byte, n*side*side), n, side, side)
	yaml := filepath.Join(tmp, "run.yaml")
	config := "data: {path: t-images-idx3-ubyte}\nnet: {hidden: [8]}\n" +
		"train: {steps: 3, batch: 8}\neval: {solver: euler, steps: 2}\n"
	if err := os.WriteFile(yaml, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(tmp, "run")
	succeed(t, "train", yaml, "--out", dir, "-q")
	other := writeIDX(t, filepath.Join(tmp, "other-idx3-ubyte"), make([]byte, 3*side*side), 3, side, side)
	if err := os.Remove(images); err != nil {
		t.Fatal(err)
	}
	if got := succeedJSON(t, "logp", dir, "--data", other, "-q"); got["points"] != 3.0 || got["bpd"] == nil {
		t.Errorf("log-densities %v; want 3, and bits per dimension", got)
	}
	for _, args := range []string{
		"sample " + dir + " --n 2 --out " + tmp + "/s.npy",
		"sample " + dir + " --grid 2 --out " + tmp + "/s.png",
		"sample " + dir + " --n 2 --condition " + other + " --mask left --out " + tmp + "/m.png",
		"plot " + dir + " --kind samples --n 4 --out " + tmp + "/p.png",
		"export " + dir + " --out " + tmp + "/f.onnx",
	} {
		if code, _, stderr := invoke(t, append(strings.Fields(args), "-q")...); code != 0 || stderr != "" {
			t.Errorf("flowmatch %s: exit code %d, standard error %q", args, code, stderr)
		}
	}
	code, _, stderr := invoke(t, "sample", dir, "--n", "2", "--condition", "test", "--mask", "left", "--out",
		filepath.Join(tmp, "h.png"), "-q")
	if code != exitFailure || !strings.Contains(stderr, "t-images-idx3-ubyte") {
		t.Errorf("held-out images that are gone: exit code %d, standard error %q", code, stderr)
	}
}

// Samples go back in, whatever the file looks like that the run was trained on.
func TestSamplesOfAnyTableGoBackIn(t *testing.T) {
	for name, c := range map[string]struct{ text, settings string }{
		"semicolons": {"a;b\n", `delimiter: ";"`},
		"no header":  {"", "header: false"},
		"commas":     {"a,b\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			sign := ","
			if strings.Contains(c.text, ";") {
				sign = ";"
			}
			text := c.text
			for i := range 40 {
				text += fmt.Sprintf("%d.5%s%d.25\n", i%7, sign, i*i%11)
			}
			table, run := filepath.Join(dir, "t.csv"), filepath.Join(dir, "run")
			if err := os.WriteFile(table, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			file := writeText(t, "run.yaml", fmt.Sprintf("data: {path: %q, %s}\nnet: {hidden: [4]}\n"+
				"train: {steps: 3, batch: 8}\neval: {solver: euler, steps: 4}\n", table, c.settings))
			succeed(t, "train", file, "--out", run, "-q")
			samples := filepath.Join(dir, "s.csv")
			succeed(t, "sample", run, "--n", "5", "--out", samples, "-q")
			if got := succeedJSON(t, "logp", run, "--data", samples, "-q"); got["points"] != 5.0 {
				t.Errorf("%v points, want 5", got["points"])
			}
			if got := succeedJSON(t, "logp", run, "--data", table, "-q"); got["points"] != 40.0 {
				t.Errorf("%v points of the table, want 40", got["points"])
			}
		})
	}
}
