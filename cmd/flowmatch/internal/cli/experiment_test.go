package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tinyGrid is two runs that take a moment.
const tinyGrid = `
title: Tiny
question: Is it reported?
seeds: [1]
base:
  data: {name: moons, val: 20, test: 40}
  net: {hidden: [8]}
  train: {steps: 10, batch: 8, log_every: 5, val_every: 10}
  eval: {solver: euler, steps: 4, samples: 20}
tasks: [{name: moons}]
methods: [{name: FM}, {name: OT-CFM, set: {coupling.name: ot}}]
measure: [samples]
tables: [{title: Distances, value: w2}]
pictures: [{kind: samples, file: samples, caption: Samples.}]
`

func TestAnExperimentWritesItsPage(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tiny.yaml")
	if err := os.WriteFile(file, []byte(tinyGrid), 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"experiment", file, "--out", filepath.Join(dir, "runs"), "--docs", filepath.Join(dir, "docs"),
		"--json"}
	got := succeedJSON(t, args...)
	goldenJSON(t, "experiment", got)
	if got["runs"] != 2.0 || got["made"] != 2.0 {
		t.Errorf("%v runs, %v made, want 2 and 2", got["runs"], got["made"])
	}
	page := string(readFile(t, filepath.Join(dir, "docs", "tiny.md")))
	for _, want := range []string{"# Tiny", "| OT-CFM | ", "](tiny/samples.png)", "flowmatch experiment tiny"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for _, name := range []string{"tiny.json", "tiny/samples.png"} {
		if _, err := os.Stat(filepath.Join(dir, "docs", name)); err != nil {
			t.Error(err)
		}
	}
	if again := succeedJSON(t, args...); again["made"] != 0.0 {
		t.Errorf("the second time %v runs were made, want none", again["made"])
	}
	if check := succeedJSON(t, append(args, "--check")...); check["runs"] != 2.0 || check["checked"] != true {
		t.Errorf("--check reports %v, want that 2 runs are checked", check)
	}
	code, _, stderr := invoke(t, append(args, "--set", "train.lr=1e-4")...)
	if code != exitFailure || !strings.Contains(stderr, "other settings") {
		t.Errorf("other settings in the same folder: exit code %d, %s", code, stderr)
	}
}

// A page with a gap is written, and the exit code says so unless that is allowed.
func TestAnExperimentWithoutSomeFiguresFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tiny.yaml")
	grid := strings.Replace(tinyGrid, "set: {coupling.name: ot}", "set: {train.lr: 1e30}", 1)
	if err := os.WriteFile(file, []byte(grid), 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"experiment", file, "--out", filepath.Join(dir, "runs"), "--docs", filepath.Join(dir, "docs")}
	code, stdout, stderr := invoke(t, args...)
	if code != exitFailure || !strings.Contains(stdout, "OT-CFM on moons, seed 1, failed in training: ") ||
		!strings.Contains(stderr, "not everything could be measured") || !strings.Contains(stderr, "--allow-missing") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	page := string(readFile(t, filepath.Join(dir, "docs", "tiny.md")))
	if !strings.Contains(page, "- OT-CFM on moons, seed 1, failed in training: ") {
		t.Errorf("the page does not say it:\n%s", page)
	}
	got := succeedJSON(t, append(args, "--allow-missing", "--json")...)
	if missing, _ := got["missing"].([]any); len(missing) != 2 || got["made"] != 0.0 {
		t.Errorf("allowed, and read again: %v", got)
	}
}

// More seeds than a grid has are the numbers after its own.
func TestAnExperimentTakesMoreSeeds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tiny.yaml")
	if err := os.WriteFile(file, []byte(tinyGrid), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		seeds string
		runs  float64
	}{{"1", 2}, {"3", 6}, {"5", 10}} { // of two methods
		got := succeedJSON(t, "experiment", file, "--check", "--seeds", c.seeds, "--json")
		if got["runs"] != c.runs {
			t.Errorf("--seeds %s: %v runs, want %g", c.seeds, got["runs"], c.runs)
		}
	}
}

// Data files are where --data says, and a command without it is told of it.
func TestAnExperimentFindsItsDataFiles(t *testing.T) {
	dir := t.TempDir()
	table := "a,b\n"
	for i := range 60 {
		table += fmt.Sprintf("%d,%d\n", i%7, i%5)
	}
	grid := strings.Replace(tinyGrid, "name: moons, val: 20, test: 40", "path: t.csv, val: 20, test: 20", 1)
	for name, text := range map[string]string{"grid.yaml": grid, "t.csv": table} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"experiment", filepath.Join(dir, "grid.yaml"), "--out", filepath.Join(dir, "runs"), "--docs",
		filepath.Join(dir, "docs"), "--seeds", "1", "--set", "eval.steps=2", "--set", "net.hidden=[4, 4]", "--json"}
	for _, args := range [][]string{args, append(args, "--check")} {
		code, _, stderr := invoke(t, args...)
		if code != exitFailure || !strings.Contains(stderr, "t.csv") ||
			!strings.Contains(stderr, "; --data DIR says where") {
			t.Errorf("no data file here: exit code %d, %s", code, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "runs")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made without data (%v)", err)
	}
	if got := succeedJSON(t, append(args, "--data", dir)...); got["made"] != 2.0 {
		t.Errorf("%v runs were made, want 2", got["made"])
	}
	again := "flowmatch experiment grid.yaml --data DIR --seeds 1 --set eval.steps=2 --set 'net.hidden=[4, 4]'\n"
	if page := string(readFile(t, filepath.Join(dir, "docs", "grid.md"))); !strings.Contains(page, again) {
		t.Errorf("the page does not say what makes it again:\n%s", page)
	}
}

// The command on the page of a grid with peers has their flag, even where all was made before.
func TestAPageWithPeersSaysWhatMakesItAgain(t *testing.T) {
	_, g, err := readGrid("peers")
	if err != nil {
		t.Fatal(err)
	}
	want := "flowmatch experiment peers --peers DIR/bin/python --seeds 2"
	if got := (experimentFlags{grid: "peers", seeds: 2}).again(g); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExperimentRefusesBadGrids(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	bad := strings.Replace(tinyGrid, "coupling.name: ot", "coupling.name: otp", 1)
	if err := os.WriteFile(file, []byte(bad), 0o666); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`experiment "coupling"; did you mean "couplings"? it must be one of`: {"experiment", "coupling"},
		`method OT-CFM: line 11: coupling: unknown coupling`:                 {"experiment", file},
		"--seeds is -1; it must be from 1 to 10000": {
			"experiment", "couplings", "--seeds", "-1"},
		"--seeds is 0; it must be from 1 to 10000": {
			"experiment", "couplings", "--seeds", "0"},
		"--data is for grids that name data files by relative paths; couplings": {
			"experiment", "couplings", "--data", "."},
		"no such file": {"experiment", "none.yaml"},
	} {
		if code, _, stderr := invoke(t, args...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %s, want 2 and %q", args, code, stderr, want)
		}
	}
}

// This program learns a table as a program of its own, draws samples and fills in holes, which are measured.
func TestAnExperimentOfTables(t *testing.T) {
	t.Setenv(childEnv, "1")
	dir := t.TempDir()
	table := "size,count,kind\n"
	for i := range 120 {
		table += fmt.Sprintf("%.1f,%d,%s\n", float64(i%3)+0.1*float64(i%7), 10*(i%3)+i%5, []string{"a", "b", "c"}[i%3])
	}
	grid := `
title: Tables
kind: tables
seeds: [1]
base: {file: t.csv}
tasks: [{name: t}]
methods: [{name: ours, set: {options: [train.steps=60, data.test=0]}}]
measure: [samples, imputation]
`
	for name, text := range map[string]string{"grid.yaml": grid, "t.csv": table} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got := succeedJSON(t, "experiment", filepath.Join(dir, "grid.yaml"), "--data", dir, "--out",
		filepath.Join(dir, "runs"), "--docs", filepath.Join(dir, "docs"), "--json")
	results, _ := got["results"].([]any)
	if len(results) != 1 {
		t.Fatalf("%d results of %v", len(results), got)
	}
	values, _ := results[0].(map[string]any)["values"].(map[string]any)
	for name, want := range map[string][2]float64{"c2st": {0.2, 1}, "impossible": {0, 0}, "rmse": {0.01, 2},
		"wrong":   {0, 1},
		"seconds": {0.01, 300}, "impute_seconds": {0.01, 300}} {
		if v, ok := values[name].(float64); !ok || v < want[0] || v > want[1] {
			t.Errorf("%s is %v, want %g to %g", name, values[name], want[0], want[1])
		}
	}
}

func TestShardsOfAnExperimentMakeItsRuns(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tiny.yaml")
	if err := os.WriteFile(file, []byte(tinyGrid), 0o666); err != nil {
		t.Fatal(err)
	}
	docs := filepath.Join(dir, "docs")
	args := []string{"experiment", file, "--out", filepath.Join(dir, "runs"), "--docs", docs, "--json"}
	for _, shard := range []string{"1/3", "2/3", "3/3"} {
		want := 1.0
		if shard == "3/3" { // there are two runs
			want = 0
		}
		got := succeedJSON(t, append(args, "--shard", shard)...)
		if got["made"] != want || got["shard"] != shard || got["page"] != nil {
			t.Errorf("shard %s made %v runs (%v), want %g and no page", shard, got["made"], got, want)
		}
	}
	if _, err := os.Stat(docs); err == nil {
		t.Error("a shard has made the folder of the page")
	}
	if got := succeedJSON(t, args...); got["made"] != 0.0 || got["page"] == nil {
		t.Errorf("after the shards %v runs were made (page %v), want none", got["made"], got["page"])
	}
	code, _, stderr := invoke(t, append(args, "--shard", "4/3")...)
	if code != exitUsage || !strings.Contains(stderr, "from 1 to their count") {
		t.Errorf("--shard 4/3: exit code %d, %s", code, stderr)
	}
}
