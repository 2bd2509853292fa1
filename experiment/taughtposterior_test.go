package experiment

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/data/simulator"
	"flowmatch/data/table"
	"flowmatch/flow"
)

// learntGrid is a posterior that this program learns, and one that sbi does.
const learntGrid = `title: Learnt
seeds: [3]
base:
  data: {n: 64, test: 0, val: 0.25}
  net: {residual: {width: 8, blocks: 1}}
  train: {steps: 30, batch: 16, val_every: 30}
  eval: {solver: midpoint, steps: 4}
tasks: [{name: few}]
methods:
  - {name: ours, set: {data.simulator: two_moons}}
  - {name: theirs, peer: sbi, set: {data.simulator: two_moons}}
measure: [posterior, calibration]
tables: [{title: C2ST, value: c2st, error: c2st_se}, {title: Seconds, value: sample_seconds}]
`

// fakePosterior is a shell program in the place of sbi: it leaves SAMPLES where it should.
const fakePosterior = fakeHello + `
echo "$request" >>SAMPLES.log
to=${request#*\"out\":\"}
cp SAMPLES "${to%%\"*}"
echo '{"step": 12, "seconds": 1.5}'
echo '{"threads": 2, "sample_seconds": 0.25}'
`

// samplesOf writes ten times 40 samples: those of the references that are near, and others for
// those that are far.
func samplesOf(t *testing.T, dir string) string {
	t.Helper()
	x := flow.NewBatch(400, 2)
	for k := range 10 {
		o, err := simulator.ReadObservation(dir, "two_moons", 1)
		if err != nil {
			t.Fatal(err)
		}
		copy(x.Slice(40*k, 40*k+40).X, o.Posterior.X)
	}
	file := filepath.Join(t.TempDir(), "samples.npy")
	if err := table.WriteNPY(file, x); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSamplesOfAPeerAreComparedAsOurs(t *testing.T) {
	dir := benchmark(t)
	samples := samplesOf(t, dir)
	g, cells := planned(t, learntGrid, t.TempDir())
	if _, err := DataIn(dir, cells); err != nil {
		t.Fatal(err)
	}
	if err := Check(g, cells); err != nil {
		t.Fatal(err)
	}
	if names, err := UndonePeers(g, cells); err != nil || len(names) != 1 || names[0] != "sbi" {
		t.Fatalf("peers %v, %v; want sbi", names, err)
	}
	if _, err := Run(t.Context(), g, cells, RunOptions{}); !errors.Is(err, ErrPeers) {
		t.Errorf("without peers: %v", err)
	}
	peers := started(t, strings.ReplaceAll(fakePosterior, "SAMPLES", samples))
	results, err := Run(t.Context(), g, cells, RunOptions{Peers: peers})
	if err != nil {
		t.Fatal(err)
	}
	theirs := results[1]
	if v := theirs.Values; v["seconds"] != 1.5 || v["sample_seconds"] != 0.25 || v["threads"] != 2 ||
		!(v["c2st_1"] < 0.6) || !(v["c2st_10"] > 0.99) || v["c2st_se"] == 0 || theirs.Libraries["sbi"] != "0.27.0" {
		t.Errorf("%v of %v", v, theirs.Libraries)
	}
	request, err := os.ReadFile(samples + ".log")
	if err != nil || strings.Count(string(request), "\n") != 1 ||
		!strings.Contains(string(request), `"lo":[-1,-1],"hi":[1,1],"samples":40,`) {
		t.Errorf("it was asked for %s (%v)", request, err)
	}
	checkGiven(t, cells[1].Dir)

	// What the peer has learnt stays where comparing it has failed.
	if err := os.Remove(filepath.Join(cells[1].Dir, resultFile)); err != nil {
		t.Fatal(err)
	}
	if again, err := Run(t.Context(), g, cells, RunOptions{}); err != nil ||
		again[1].Values["c2st"] != theirs.Values["c2st"] {
		t.Errorf("compared again: %v, %v", again, err)
	}
}

// checkGiven checks that a peer was given the simulations of the seed.
func checkGiven(t *testing.T, dir string) {
	t.Helper()
	sim, err := simulator.ByName("two_moons")
	if err != nil {
		t.Fatal(err)
	}
	theta, x := flow.NewBatch(64, 2), flow.NewBatch(64, 2)
	if err := sim.Draw(theta, x, 3, 0); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]flow.Batch{thetaFile: theta, simulatedFile: x} {
		got, err := table.Read(filepath.Join(dir, file), table.Options{})
		if err != nil || got.X.N != 64 || distance(got.X, want) > 1e-6 {
			t.Errorf("%s is not what was simulated: %v", file, err)
		}
	}
	observed, err := table.Read(filepath.Join(dir, observationsFile), table.Options{})
	if err != nil || observed.X.N != 10 || observed.X.X[1] != 0.2 {
		t.Errorf("observations %v, %v", observed.X, err)
	}
}

func TestAPeerOfPosteriorsThatCannotBeUsed(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"peer: sbi, set: {", "peer: sbi, set: {train.steps: 20, ", "it sets train.steps, and the peer sbi"},
		{"measure: [posterior, calibration]\ntables: [{title: C2ST, value: c2st, error: c2st_se}, " +
			"{title: Seconds, value: sample_seconds}]", "measure: [calibration]", "is for the measure posterior"},
		{"tables:", "search: {key: train.lr, values: [1e-3, 1e-2], by: nll, measure: [likelihood]}\ntables:",
			"list search.methods without it"},
		{"peer: sbi, set: {data.simulator: two_moons}", "peer: sbi, set: {data.name: moons, data.val: 10}",
			"set data.simulator"},
	} {
		g, err := Parse([]byte(strings.Replace(learntGrid, c.from, c.to, 1)))
		if err == nil {
			_, err = g.Plan(t.TempDir(), nil)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.to, err, c.want)
		}
	}
	dir := benchmark(t)
	for script, want := range map[string]string{
		fakeHello + "echo '{\"threads\": 1}'\n":                     "does not say what its training took",
		fakeHello + "echo 'no simulations' >&2; exit 3\n":           "sbi ends with exit status 3: no simulations",
		strings.ReplaceAll(fakePosterior, "SAMPLES", short(t, 390)): "too few; remove",
	} {
		g, cells := planned(t, learntGrid, t.TempDir())
		if _, err := DataIn(dir, cells); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), g, cells, RunOptions{Peers: started(t, script)}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// stubs are modules in the place of those that with_sbi.py imports: an epoch takes 0.3 seconds more the first
// time, and with two threads ten times as long as with one.
var stubs = map[string]string{
	"numpy.py":     "",
	"torch.py":     "threads = 2\ndef set_num_threads(n):\n    global threads\n    threads = n\n",
	"sbi/utils.py": "BoxUniform = None\n",
	"sbi/inference.py": `import time, torch
first = 0.3
class FMPE:
    def __init__(self, **how): pass
    def append_simulations(self, theta, x): return self
    def train(self, **how):
        global first
        time.sleep(first + 0.02 * (10 if torch.threads == 2 else 1))
        first = 0
`,
}

// What a library takes to load is no time of the number of threads that it is tried with first.
func TestSbiHasTheNumberOfThreadsThatIsFaster(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no Python")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sbi"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range stubs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	program := `import sys
sys.path[:0] = [sys.argv[1], "peers"]
import torch, with_sbi
print(with_sbi.fastest(2, None, [], []), torch.threads)`
	out, err := exec.CommandContext(t.Context(), python, "-B", "-c", program, dir).CombinedOutput()
	if err != nil || string(out) != "1 1\n" {
		t.Errorf("%s (%v); want one thread, which takes a tenth of the time of two", out, err)
	}
}

// short writes n samples.
func short(t *testing.T, n int) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "samples.npy")
	if err := table.WriteNPY(file, flow.NewBatch(n, 2)); err != nil {
		t.Fatal(err)
	}
	return file
}
