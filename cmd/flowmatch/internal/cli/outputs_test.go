package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/run"
)

// A file that cannot be written is told before the work that it is to hold.
func TestAMissingOutputFolderIsToldBeforehand(t *testing.T) {
	dir, none := trained(t), filepath.Join(t.TempDir(), "none")
	config := writeText(t, "run.yaml", tinyRun)
	for _, args := range []string{
		"sample " + dir + " --n 5 --out " + none + "/x.csv", "sample " + dir + " --n 5 --out " + none + "/x.png",
		"plot " + dir + " --kind samples --out " + none + "/x.png", "export " + dir + " --out " + none + "/x.onnx",
		"logp " + dir + " --dataset moons --n 5 --out " + none + "/x.npy",
		"classifier " + config + " --out " + none + "/x.safetensors",
		"compare " + dir + " " + dir + " --out " + none + "/x.png",
	} {
		code, stdout, stderr := invoke(t, strings.Fields(args)...)
		if code != exitFailure || stdout != "" || !strings.Contains(stderr, "no such folder") ||
			strings.Contains(stderr, "drawing") || strings.Contains(stderr, "evaluating") {
			t.Errorf("%s: exit code %d, %q", args, code, stderr)
		}
	}
	folder := filepath.Join(t.TempDir(), "x.csv")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := invoke(t, "sample", dir, "--n", "5", "--out", folder)
	if code != exitFailure || !strings.Contains(stderr, "is a folder; give the name of a file") {
		t.Errorf("a folder: exit code %d, %q", code, stderr)
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("n", 300)+".csv")
	code, _, stderr = invoke(t, "sample", dir, "--n", "5", "--out", long)
	if code != exitFailure || !strings.Contains(stderr, "cannot be written") || strings.Contains(stderr, "drawing") {
		t.Errorf("a name that is too long: exit code %d, %q", code, stderr)
	}
}

// What is written must not replace what is read, or the files of a run.
func TestAnOutputReplacesNoInput(t *testing.T) {
	trainingData := writeText(t, "t.csv", "x,y\n"+strings.Repeat("0.5,0.25\n1.5,2\n2.5,0.75\n", 10))
	config, points := writeText(t, "run.yaml", tinyRun), writeText(t, "points.csv", "x,y\n0.5,0.25\n")
	dir := filepath.Join(t.TempDir(), "run")
	succeed(t, "train", config, "--set", "data={path: "+trainingData+"}", "--out", dir, "-q")
	for _, c := range []struct{ args, want string }{
		{"logp " + dir + " --data " + points + " --out " + points, "would replace"},
		{"logp " + dir + " --data " + points + " --out " + trainingData, "would change the data"},
		{"sample " + dir + " --n 5 --out " + trainingData, "would change the data"},
		{"sample " + dir + " --n 5 --out " + dir + "/pairs.npy", "is a file of the run in that folder"},
		{"classifier " + config + " --out " + dir + "/" + run.CheckpointFile, "is a file of the run"},
		{"classifier " + config + " --out " + dir + "/" + run.BestFile, "is a file of the run"},
	} {
		code, _, stderr := invoke(t, strings.Fields(c.args+" -q")...)
		if code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, %q; want 2 and %q", c.args, code, stderr, c.want)
		}
	}
	succeed(t, "sample", dir, "--n", "5", "--out", dir+"/samples.csv", "-q")
}

// A picture in the folder of training images would be one of them, and a run's folder a class.
func TestNothingIsWrittenAmongTrainingImages(t *testing.T) {
	dir := folderRun(t)
	config := filepath.Join(dir, run.ConfigFile)
	cfg, err := run.ReadConfig(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	images := cfg.Data.Path
	code, _, stderr := invoke(t, "train", config, "--out", filepath.Join(images, "run"))
	if code != exitUsage || !strings.Contains(stderr, "lies in that of its data") {
		t.Errorf("a run among its images: exit code %d, %q", code, stderr)
	}
	link := filepath.Join(t.TempDir(), "link.onnx")
	if err := os.Symlink(filepath.Join(images, "cat", "0.png"), link); err != nil {
		t.Skip(err)
	}
	for _, args := range []string{
		"plot " + dir + " --kind samples --out " + images + "/cat/0.png",
		"plot " + dir + " --kind loss --out " + images + "/x.svg",
		"sample " + dir + " --n 4 --out " + images + "/cat/new.png", "export " + dir + " --out " + link,
		"compare " + dir + " " + dir + " --no-eval --out " + images + "/cat/1.png",
	} {
		if code, _, stderr := invoke(t, strings.Fields(args)...); code != exitUsage ||
			!strings.Contains(stderr, "would change the data in") {
			t.Errorf("%s: exit code %d, %q", args, code, stderr)
		}
	}
}

// A run of an engine that this program lacks says with which it can be used.
func TestARunOfAnotherEngineNamesOneThatIsHere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	succeed(t, "train", writeText(t, "run.yaml", tinyRun), "--out", dir, "-q")
	file := filepath.Join(dir, "run.yaml")
	text := strings.Replace(string(readFile(t, file)), "backend: native", "backend: xla", 1)
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := invoke(t, "sample", dir, "--n", "5", "--out", filepath.Join(dir, "s.csv")); code == 0 {
		t.Skip("XLA is there")
	} else if code != exitFailure || !strings.Contains(stderr, "--backend native") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	succeed(t, "sample", dir, "--n", "5", "--out", filepath.Join(dir, "s.csv"), "--backend", "native")
}

// A setting of one value is a list of one.
func TestASettingOfOneValueIsAListOfOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	succeed(t, "train", writeText(t, "run.yaml", tinyRun), "--out", dir, "-q", "--set", "net.hidden=5")
	if text := string(readFile(t, filepath.Join(dir, "run.yaml"))); !strings.Contains(text, "hidden: [5]") {
		t.Errorf("run.yaml is\n%s", text)
	}
}
