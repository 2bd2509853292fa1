package cli

import (
	"bytes"
	"image/gif"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/nn"
)

func TestEveryCommandPrintsOneJSONObjectWithItsFields(t *testing.T) {
	dir, tmp := trained(t), t.TempDir()
	yaml := writeText(t, "run.yaml", tinyRun)
	for _, c := range []struct {
		args   string
		fields string
	}{
		{"version", "flowmatch go platform"},
		{"doctor", "flowmatch go platform cores threads cpu_features default_backend backends machine sizes cache"},
		{"data list", "datasets"},
		{"train " + yaml + " --out " + tmp + "/run --set train.steps=3",
			"run step steps loss val_loss seconds backend data parameters resumed_from stopped_early model_step"},
		{"sample " + dir + " --n 3 --out " + tmp + "/s.csv", "run files n dim seed solver nfe seconds backend"},
		{"sample " + dir + " --n 3 --logp --out " + tmp + "/s.npy", "mean_logp divergence"},
		{"logp " + dir + " --dataset checkerboard --n 5",
			"run data solver seed backend seconds points nll std_err divergence nfe optimum gap"},
		{"eval " + dir, "run step data backend seed solver likelihood samples"},
		{"plot " + dir + " --kind loss --out " + tmp + "/l.png", "run kind file"},
		{"export " + dir + " --out " + tmp + "/f.onnx --check 2", "run file step inputs output nodes weights check"},
	} {
		t.Run(c.args, func(t *testing.T) {
			got := succeedJSON(t, strings.Fields(c.args)...)
			for _, f := range strings.Fields(c.fields) {
				if _, ok := got[f]; !ok {
					t.Errorf("the object has no field %q: %v", f, got)
				}
			}
		})
	}
}

func TestErrorsAreJSONToo(t *testing.T) {
	code, stdout, stderr := invoke(t, "sample", "nowhere", "--n", "1", "--out", "x.csv", "--json")
	got := oneObject(t, stdout)
	if code != exitUsage || got["code"] != float64(exitUsage) ||
		!strings.Contains(got["error"].(string), "nowhere") || !strings.Contains(stderr, "nowhere") {
		t.Errorf("exit code %d, standard output %v, standard error %q; want code 2 in both and the folder in all",
			code, got, stderr)
	}
}

func TestTextOutputNamesWhatTheFiguresDependOn(t *testing.T) {
	dir, tmp := trained(t), t.TempDir()
	for _, c := range []struct {
		args string
		want []string
	}{
		{"version", []string{"flowmatch", "go1"}},
		{"doctor", []string{"backend go", "available, the default", "backend xla", "L2 cache", "tile=", "KiB"}},
		{"data list", []string{"checkerboard", "moons", "8gaussians", "gmm", "copula", "power", "bsds300", "uci path"}},
		{"eval " + dir, []string{"euler 5 steps", "checkerboard", "seed", "NFE 5", "exact", "NLL", "W2",
			"straightness"}},
		{"eval " + dir + " --solver heun2 --steps 4", []string{"heun2 4 steps", "NFE 8"}},
		{"eval " + dir + " --solver dopri5 --rtol 1e-2 --atol 1e-3", []string{"dopri5 rtol=0.01 atol=0.001"}},
		{"logp " + dir + " --dataset checkerboard --n 9 --divergence hutchinson --probes 2 --seed 5",
			[]string{"hutchinson, 2", "seed", "9 points of checkerboard", "optimum"}},
		{"logp " + dir + " --dataset moons --n 9", []string{"9 points of moons"}},
		{"sample " + dir + " --n 7 --seed 11 --logp --out " + tmp + "/s.csv",
			[]string{"7 of 2 dimensions", "seed 11", "euler 5 steps", "mean log-density"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			got := succeed(t, strings.Fields(c.args)...)
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("standard output lacks %q:\n%s", w, got)
				}
			}
		})
	}
}

func TestTheOptimumIsThatOfTheRunsOwnData(t *testing.T) {
	other := succeedJSON(t, "logp", trained(t), "--dataset", "moons", "--n", "5")
	if _, ok := other["optimum"]; ok {
		t.Errorf("points of moons under a run of checkerboard have an optimum: %v", other)
	}
	own := succeedJSON(t, "logp", trained(t), "--dataset", "checkerboard", "--n", "5")
	if got, want := own["optimum"].(float64), math.Log(32); math.Abs(got-want) > 1e-12 {
		t.Errorf("optimum %.15g, want ln 32 = %.15g", got, want)
	}
}

func TestPicturesAreWhatTheirNamesSay(t *testing.T) {
	dir, tmp := trained(t), t.TempDir()
	for _, k := range plotKinds {
		if k.images {
			continue
		}
		file := filepath.Join(tmp, k.name+".png")
		args := []string{"plot", dir, "--kind", k.name, "--out", file, "-q"}
		if !slices.Contains(k.without, "n") {
			args = append(args, "--n", "30")
		}
		succeed(t, args...)
		if _, err := png.Decode(bytes.NewReader(readFile(t, file))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for ending, begins := range map[string]string{".svg": "<?xml", ".pdf": "%PDF-"} {
		file := filepath.Join(tmp, "loss"+ending)
		succeed(t, "plot", dir, "--kind", "loss", "--log", "--title", "mine", "--out", file, "-q")
		if got := readFile(t, file); !bytes.HasPrefix(got, []byte(begins)) {
			t.Errorf("%s begins with %q, want %q", file, got[:9], begins)
		}
		succeed(t, "compare", dir, dir, "--no-eval", "--out", file, "-q")
		if got := readFile(t, file); !bytes.HasPrefix(got, []byte(begins)) {
			t.Errorf("%s of compare begins with %q, want %q", file, got[:9], begins)
		}
	}
	file := filepath.Join(tmp, "flow.gif")
	succeed(t, "plot", dir, "--kind", "trajectories", "--n", "30", "--out", file, "-q")
	g, err := gif.DecodeAll(bytes.NewReader(readFile(t, file)))
	if err != nil || len(g.Image) < 10 {
		t.Errorf("%s: %v; want an animation of many frames", file, err)
	}
	alone := g.Config.Width
	got := succeedJSON(t, "plot", dir, "--kind", "trajectories", "--beside", dir, "--n", "30", "--out", file, "-q")
	if beside, ok := got["beside"].([]any); !ok || len(beside) != 1 || beside[0] != dir {
		t.Errorf("beside %v, want %s", got["beside"], dir)
	}
	if g, err = gif.DecodeAll(bytes.NewReader(readFile(t, file))); err != nil || g.Config.Width <= alone {
		t.Errorf("two runs beside each other: %v; want an animation wider than one of %d", err, alone)
	}
	file = filepath.Join(tmp, "points.png")
	succeed(t, "sample", dir, "--n", "20", "--out", file, "-q")
	if _, err := png.Decode(bytes.NewReader(readFile(t, file))); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

func readFile(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSamplesFollowTheSeed(t *testing.T) {
	dir, tmp := trained(t), t.TempDir()
	draw := func(file string, args ...string) string {
		file = filepath.Join(tmp, file)
		succeed(t, append([]string{"sample", dir, "--n", "5", "--out", file, "-q"}, args...)...)
		return string(readFile(t, file))
	}
	a, b, c := draw("a.csv", "--seed", "3"), draw("b.csv"), draw("c.csv", "--seed", "4")
	if a != b {
		t.Errorf("seed 3 is the run's own, but gives\n%s\nand without --seed\n%s", a, b)
	}
	if a == c {
		t.Errorf("seeds 3 and 4 give the same samples\n%s", a)
	}
}

func TestSamplersWithNoise(t *testing.T) {
	dir, file := trained(t), filepath.Join(t.TempDir(), "s.csv")
	for _, c := range []struct {
		args, name string
		nfe        float64
		few        bool
	}{
		{"ddpm", "ddpm, 100 steps", 100, false},
		{"ddpm --steps 7", "ddpm, 7 steps", 7, true},
		{"ddim --steps 1", "ddim eta=0, 1 steps", 1, true},
		{"ddim --steps 9", "ddim eta=0, 9 steps", 9, false},
		{"ddim --steps 9 --eta 0.5", "ddim eta=0.5, 9 steps", 9, false},
		{"euler_maruyama --steps 1", "euler_maruyama g=own, 1 steps", 1, true},
		{"euler_maruyama --steps 20", "euler_maruyama g=own, 20 steps", 20, true},
		{"euler_maruyama --steps 60", "euler_maruyama g=own, 60 steps", 60, false},
		{"heun_sde --steps 2 --diffusion sigma", "heun_sde g=sigma, 2 steps", 3, true},
		{"heun_sde --steps 7 --diffusion sigma:0.5", "heun_sde g=sigma:0.5, 7 steps", 13, false},
	} {
		got := succeedJSON(t, strings.Fields("sample "+dir+" --n 6 --seed 4 -q --out "+file+" --solver "+c.args)...)
		if got["solver"] != c.name || got["nfe"] != c.nfe || got["seed"] != 4.0 {
			t.Errorf("%s: solver %v, NFE %v, seed %v; want %s and %g", c.args, got["solver"], got["nfe"], got["seed"],
				c.name, c.nfe)
		}
		if (got["warnings"] != nil) != c.few {
			t.Errorf("%s: warnings %v", c.args, got["warnings"])
		}
		first := string(readFile(t, file))
		if rows := strings.Count(first, "\n"); rows != 7 {
			t.Errorf("%s: %d lines, want a header and 6 points", c.args, rows)
		}
		succeed(t, strings.Fields("sample "+dir+" --n 6 --seed 4 -q --out "+file+" --solver "+c.args)...)
		if string(readFile(t, file)) != first {
			t.Errorf("%s: the same seed gives other samples", c.args)
		}
	}
}

func TestNPYAndCSVHoldTheSameSamples(t *testing.T) {
	dir, tmp := trained(t), t.TempDir()
	csv, npy := filepath.Join(tmp, "s.csv"), filepath.Join(tmp, "s.npy")
	succeed(t, "sample", dir, "--n", "6", "--logp", "--out", csv, "-q")
	got := succeedJSON(t, "sample", dir, "--n", "6", "--logp", "--out", npy, "-q")
	if files := got["files"].([]any); len(files) != 2 || files[1] != filepath.Join(tmp, "s.logp.npy") {
		t.Errorf("files %v, want s.npy and s.logp.npy", files)
	}
	table := readTable(t, csv)
	if want := []string{"c0", "c1", "logp"}; !slices.Equal(table.Columns, want) {
		t.Errorf("columns %v, want %v", table.Columns, want)
	}
	points, logp := readTable(t, npy), readTable(t, filepath.Join(tmp, "s.logp.npy"))
	for i := range 6 {
		want := append(slices.Clone(points.X.Row(i)), logp.X.Row(i)...)
		if got := table.X.Row(i); !slices.Equal(got, want) {
			t.Errorf("row %d is %v in the CSV file and %v in the NPY files", i, got, want)
		}
	}
}

func readTable(t *testing.T, file string) table.Table {
	t.Helper()
	read, err := table.Read(file, table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestDoctorNamesTheDefaultBackend(t *testing.T) {
	got := succeedJSON(t, "doctor")
	if got["default_backend"] != nn.DefaultBackend {
		t.Errorf("default backend %v, want %s", got["default_backend"], nn.DefaultBackend)
	}
	for _, b := range got["backends"].([]any) {
		b := b.(map[string]any)
		if b["detail"] == "" {
			t.Errorf("backend %v has no detail", b["name"])
		}
	}
}

func TestQuietIsSilentAndOthersShowProgress(t *testing.T) {
	yaml := writeText(t, "run.yaml", tinyRun)
	_, _, loud := invoke(t, "train", yaml, "--out", t.TempDir()+"/run")
	if !strings.Contains(loud, "step 20/20") {
		t.Errorf("standard error %q, want a line of the last step", loud)
	}
	if _, _, quiet := invoke(t, "train", yaml, "--out", t.TempDir()+"/run", "--quiet"); quiet != "" {
		t.Errorf("standard error %q with --quiet, want nothing", quiet)
	}
}
