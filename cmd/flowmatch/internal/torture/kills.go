package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// runFile is of a training of a second or so, which saves and draws on its way.
const runFile = `seed: 3
data: {name: moons, val: 100, test: 200}
net: {hidden: [32, 32]}
train:
  {steps: 600, batch: 64, log_every: 10, val_every: 40, checkpoint_every: 15, snapshot_every: 60, sample_every: 200}
eval: {samples: 200, test: 100}
`

// trainings are the ways that a training is killed in.
var trainings = []struct {
	name string
	set  []string
}{
	{"plain", nil},
	{"early stopping", []string{"train.patience=3", "train.lr=0.1"}},
	{"optimal transport", []string{"coupling.name=ot"}},
	{"diverging at first", []string{"train.lr=9", "train.schedule=constant", "train.val_every=0",
		"train.optimizer.name=adamw"}},
	{"likelihood", []string{"train.objective=ml", "train.steps=40", "train.checkpoint_every=3",
		"train.snapshot_every=0", "train.sample_every=0", "train.val_every=15"}},
}

// trainArgs returns the command of a training.
func trainArgs(file, dir string, set []string) []string {
	args := []string{"train", file, "--out", dir, "--resume", "--quiet"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	return args
}

// writeText writes a file of the torture, and returns its name.
func (t *torturer) writeText(r *report, name, text string) string {
	file := filepath.Join(t.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.fault("%v", err)
	}
	return file
}

// killTraining kills trainings, and compares what they come to with what they come to
// undisturbed, bit for bit.
func killTraining(t *torturer, r *report) {
	r.what = "kills of train"
	file, compared := t.writeText(r, "run.yaml", runFile), 0
	for i, c := range trainings {
		want, got := filepath.Join(t.dir, fmt.Sprint("whole", i)), filepath.Join(t.dir, fmt.Sprint("killed", i))
		e, err := t.start(trainArgs(file, want, c.set)...)
		if err != nil || e.code != 0 {
			r.fault("%s: undisturbed: exit code %d, %v: %.300s", c.name, e.code, err, e.stderr)
			continue
		}
		t.meet(r, t.often(8, 40), e.took, trainArgs(file, got, c.set), func() {
			compared++
			for _, d := range differences(want, got) {
				r.fault("%s: %s", c.name, d)
			}
			os.RemoveAll(got)
		})
	}
	r.note("%d runs compared, of %d kinds", compared, len(trainings))
}

// killSampling kills the drawing of samples into a file, which is whole or not there.
func killSampling(t *torturer, r *report) {
	r.what = "kills of sample"
	dir, out := filepath.Join(t.dir, "sampled"), filepath.Join(t.dir, "samples", "s.csv")
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		r.fault("%v", err)
		return
	}
	file := t.writeText(r, "run.yaml", runFile)
	args := []string{"sample", dir, "--n", "30000", "--out", out, "--quiet"}
	if e, err := t.start(trainArgs(file, dir, []string{"train.steps=50"})...); err != nil || e.code != 0 {
		r.fault("exit code %d, %v: %.300s", e.code, err, e.stderr)
		return
	}
	e, err := t.start(args...)
	want, readErr := os.ReadFile(out)
	if err != nil || readErr != nil || e.code != 0 {
		r.fault("exit code %d, %v, %v: %.300s", e.code, err, readErr, e.stderr)
		return
	}
	os.Remove(out)
	for range t.often(20, 60) {
		t.meet(r, 1, e.took, args, func() {
			if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
				r.fault("the samples are not those of an undisturbed command: %d bytes, not %d (%v)", len(got),
					len(want), err)
			}
			if names := namesIn(filepath.Dir(out)); len(names) != 1 {
				r.fault("left beside the samples: %v", names)
			}
			os.Remove(out)
		})
	}
}

// gridFile is an experiment whose figures include every snapshot of its runs.
const gridFile = `title: Killed
question: Is anything lost?
seeds: [1]
base:
  data: {name: moons, val: 50, test: 100}
  net: {hidden: [16]}
  train: {steps: 200, batch: 32, log_every: 20, val_every: 50, checkpoint_every: 10, snapshot_every: 40}
  eval: {solver: dopri5, rtol: 1e-2, atol: 1e-2, samples: 100, test: 50}
tasks:
  - {name: moons, set: {data.name: moons}}
methods:
  - {name: FM, set: {path.name: condot}}
  - {name: VP, set: {path.name: vp}}
measure: [samples, likelihood, stages]
tables:
  - {title: Distances, value: w2, less: true}
`

// killExperiment kills an experiment, and compares its figures.
func killExperiment(t *torturer, r *report) {
	r.what = "kills of experiment"
	file := t.writeText(r, "grid.yaml", gridFile)
	args := func(name string) []string {
		return []string{"experiment", file, "--out", filepath.Join(t.dir, name), "--docs",
			filepath.Join(t.dir, name+"-docs"), "--quiet"}
	}
	e, err := t.start(args("grid")...)
	if err != nil || e.code != 0 {
		r.fault("undisturbed: exit code %d, %v: %.300s", e.code, err, e.stderr)
		return
	}
	whole, killed := filepath.Join(t.dir, "grid"), filepath.Join(t.dir, "killed-grid")
	compared := 0
	t.meet(r, t.often(10, 60), e.took, args("killed-grid"), func() {
		compared++
		for _, d := range append(differences(whole, killed), differences(whole+"-docs", killed+"-docs")...) {
			if !strings.HasPrefix(d, "grid.md") { // whose words have the seconds
				r.fault("%s", d)
			}
		}
		os.RemoveAll(killed)
		os.RemoveAll(killed + "-docs")
	})
	r.note("%d grids compared", compared)
}
