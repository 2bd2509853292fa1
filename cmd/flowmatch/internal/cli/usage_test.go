package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsageErrorsExitWithTwoAndSayWhatIsWrong(t *testing.T) {
	dir := trained(t)
	yaml := writeText(t, "run.yaml", tinyRun)
	bad := writeText(t, "bad.yaml", "seed: 1\ndata:\n  name: moons\ntrain:\n  step: 10\n")
	broken := writeText(t, "broken.yaml", "seed: [1\n")
	three := writeText(t, "three.csv", "a,b,c\n1,2,3\n")
	for _, c := range []struct{ args, want string }{
		{"", "command is missing"},
		{"trian", `did you mean "train"`},
		{"--nonsense", "unknown flag"},
		{"data", "must be one of describe, list"},
		{"data lst", "must be one of describe, list"},
		{"help trian", `unknown command "trian"; did you mean "train"?`},
		{"help train foo", `unknown command "train foo"`},
		{"completion", "a command is missing; it must be one of bash"},
		{"completion foo", `unknown command "foo"; it must be one of bash`},
		{"experiment couplings --out=", "--out is empty"},
		{"experiment couplings --seeds 0", "--seeds is 0; it must be from 1 to"},
		{"bench train --budget 0s", "--budget is 0s"},
		{"export " + dir + " --out x.onnx --check 0", "--check is 0; it must be at least 1"},
		{"version extra", "unexpected argument"},
		{"train", "RUN.yaml is missing"},
		{"train " + yaml, `"out" not set`},
		{"train " + yaml + " extra --out x", "unexpected argument"},
		{"train " + yaml + " --out x --nonsense", "unknown flag"},
		{"sample x --n abc --out x.csv", `--n "abc": want a whole number`},
		{"sample x --seed -1 --out x.csv", `--seed "-1": want a whole number from 0`},
		{"plot x --limits 1,a --out x.png", `--limits "1,a": want numbers`},
		{"eval x --json=ja", "want true or false"},
		{"serve x --drain-delay 5", "want a time such as 1m30s"},
		{"train nowhere.yaml --out x", "nowhere.yaml"},
		{"train " + bad + " --out x", `line 5: unknown key "train.step"; did you mean "train.steps"?`},
		{"train " + broken + " --out x", "broken.yaml"},
		{"train " + yaml + " --out x --set train.lr", "key=value"},
		{"train " + yaml + " --out x --set train.lrr=1", `did you mean "train.lr"`},
		{"train " + yaml + " --out x --set train.lr=fast", "lr"},
		{"train " + yaml + " --out x --set train.batch=-1", "batch is -1"},
		{"train " + yaml + " --out x --set data.name=moon", "moon"},
		{"train " + yaml + " --out x --set backend=abacus", "abacus"},
		{"train " + yaml + " --out x --backend abacus", "abacus"},
		{"train " + yaml + " --out " + dir, "already holds a run"},
		{"sample " + dir + " --out x.csv", "[n grid map infill]"},
		{"sample " + dir + " --grid 2x2 --out x.csv", "--grid draws a picture"},
		{"sample " + dir + " --grid 2x2 --out x.png", "--grid is for images"},
		{"sample " + dir + " --n 1", `"out" not set`},
		{"sample " + dir + " --n 0 --out x.csv", "at least 1"},
		{"sample " + dir + " --n many --out x.csv", "many"},
		{"sample " + dir + " --n 1 --out x.txt", ".csv, .npy, .png"},
		{"sample " + dir + " --n 1 --logp --out x.png", "--logp"},
		{"sample " + dir + " --n 1 --label 0 --out x.csv", "conditional"},
		{"sample " + dir + " --n 1 --solver eular --out x.csv", "eular"},
		{"sample " + dir + " --n 1 --steps 0 --out x.csv", "--steps is 0"},
		{"sample " + dir + " --n 1 --steps 5 --rtol 1e-3 --out x.csv", "steps"},
		{"sample " + dir + " --n 1 --solver euler --rtol 1e-3 --out x.csv", "error estimate"},
		{"sample " + dir + " --n 1 --solver dopri5 --rtol -1 --out x.csv", "must be positive"},
		{"sample " + dir + " --n 1 --backend abacus --out x.csv", "abacus"},
		{"sample " + dir + " --n 1 --solver ddpm --logp --out x.csv", "--logp needs an ODE solver"},
		{"sample " + dir + " --n 1 --solver ddpm --rtol 1e-3 --out x.csv", "use --steps"},
		{"sample " + dir + " --n 1 --solver ddpm --steps 0 --out x.csv", "--steps is 0"},
		{"sample " + dir + " --n 1 --solver ddpm --eta 1 --out x.csv", "--eta is for --solver ddim, not ddpm"},
		{"sample " + dir + " --n 1 --solver ddim --eta 2 --out x.csv", "in [0, 1]"},
		{"sample " + dir + " --n 1 --solver ddim --diffusion own --out x.csv",
			"for --solver euler_maruyama, heun_sde, not ddim"},
		{"sample " + dir + " --n 1 --solver heun_sde --diffusion owm --out x.csv", "own, constant, sigma"},
		{"sample " + dir + " --n 1 --solver euler --eta 1 --out x.csv", "samplers with noise"},
		{"logp " + dir + " --dataset moons --n 1 --solver ddpm", "only flowmatch sample"},
		{"eval " + dir + " --solver heun_sde", "only flowmatch sample"},
		{"sample " + t.TempDir() + " --n 1 --out x.csv", "not a run's folder"},
		{"logp " + dir, "data dataset"},
		{"logp " + dir + " --data a.csv --dataset moons --n 1", "data dataset"},
		{"logp " + dir + " --dataset moons", "dataset n"},
		{"logp " + dir + " --dataset moon --n 1", "moon"},
		{"logp " + dir + " --dataset moons --n 0", "at least 1"},
		{"logp " + dir + " --data nowhere.csv", "nowhere.csv"},
		{"logp " + dir + " --data " + three, `3 columns ("a", "b", "c")`},
		{"logp " + dir + " --dataset moons --n 1 --divergence rough", "rough"},
		{"logp " + dir + " --dataset moons --n 1 --probes 3", "--probes"},
		{"logp " + dir + " --dataset moons --n 1 --label 1", "conditional"},
		{"logp " + dir + " --dataset moons --n 1 --labels l.gz", "--labels"},
		{"logp " + dir + " --dataset moons --n 1 --out x.png", ".csv, .npy"},
		{"eval", "DIR is missing"},
		{"eval nowhere", "not a run's folder"},
		{"eval " + dir + " --only speed",
			"likelihood, samples, c2st, marginals, correlations, forest, closest, efficacy, calibration, features"},
		{"eval " + dir + " --test 0", "--test is 0; it must be at least 1"},
		{"eval " + dir + " --test some", `"some" is no number of points; want one from 1 on, or all`},
		{"logp " + dir + " --data x.csv --points 0", "--points is 0; it must be at least 1"},
		{"logp " + dir + " --data x.csv --points 5 --out y.csv", "--points are drawn at random for the mean"},
		{"logp " + dir + " --dataset moons --n 5 --points 5", "--points are some of --data"},
		{"eval " + dir + " --only judgement", "--classifier FILE"},
		{"plot " + dir + " --kind portrait --out x.png", "portrait"},
		{"plot " + dir + " --kind samples --dark --out x.pdf", "--dark is for .png and .gif"},
		{"plot " + dir + " --kind denoising --out x.png", "is for runs of images"},
		{"plot " + dir + " --kind trajectories --beside x --out x.png", "a file that ends in .gif"},
		{"plot " + dir + " --kind trajectories --beside " + dir + "/none --out x.gif", "none"},
		{"plot " + dir + " --kind samples --out x.gif", ".png, .svg, .pdf for a picture of kind samples"},
		{"plot " + dir + " --kind trajectories --out x.jpg", ".png, .svg, .pdf, .gif"},
		{"plot " + dir + " --kind samples --n 0 --out x.png", "at least 1"},
		{"plot " + dir + " --kind samples --limits 1,2,3 --out x.png", "--limits has 3 numbers"},
		{"plot " + dir + " --kind samples --limits 2,1,0,1 --out x.png", "XMIN < XMAX"},
		{"plot " + dir + " --kind samples --limits 0,1,0,NaN --out x.png", "finite"},
		{"plot " + dir + " --kind loss --log --limits 0,1,0,1 --out x.png", "above 0"},
		{"plot " + dir + " --kind samples --dpi 0 --out x.png", "30 to 600 for a .png"},
		{"plot " + dir + " --kind trajectories --dpi 300 --out x.gif", "30 to 200 for a .gif"},
		{"bench", "missing"},
		{"bench everything", "everything"},
		{"bench train --backend abacus", "abacus"},
		{"bench train --budget -1s", "--budget is -1s"},
		{"bench train --out page.txt", ".md"},
		{"bench train --out nowhere/page.md", "no such folder"},
		{"bench train --peers nowhere/python", "scripts/setup-peers.sh DIR"},
		{"experiment peers", "trained by flow-matching and torchcfm: give --peers PYTHON"},
		{"experiment peers --peers nowhere/python", "nowhere/python"},
		{"experiment peers --peers nowhere/python", "scripts/setup-peers.sh DIR"},
		{"experiment batch --peers nowhere/python", `--peers is "nowhere/python"; no method of batch has a peer`},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Chdir(t.TempDir())
			code, stdout, stderr := invoke(t, strings.Fields(c.args)...)
			if code != exitUsage || !strings.Contains(stderr, c.want) || stdout != "" {
				t.Errorf("exit code %d, want 2; standard output %q, want none; standard error %q, want %q in it",
					code, stdout, stderr, c.want)
			}
			if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
				t.Errorf("a mistaken command left %v behind (%v)", left, err)
			}
		})
	}
}

func TestFailuresExitWithOne(t *testing.T) {
	dir := trained(t)
	yaml := writeText(t, "run.yaml", "data: {path: nowhere.csv}\n")
	nan := writeText(t, "nan.csv", "a,b\n1,2\n3,NaN\n")
	for _, c := range []struct{ args, want string }{
		{"train " + yaml + " --out " + t.TempDir() + "/run", "nowhere.csv"},
		{"sample " + dir + " --n 1 --out " + filepath.Join(t.TempDir(), "no", "such", "x.csv"), "no"},
		{"logp " + dir + " --data " + nan, "NaN"},
		{"plot " + dir + " --kind loss --out " + t.TempDir() + "/no/such.png", "no"},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, stdout, stderr := invoke(t, append(strings.Fields(c.args), "-q")...)
			if code != exitFailure || !strings.Contains(stderr, c.want) || stdout != "" {
				t.Errorf("exit code %d, want 1; standard output %q, want none; standard error %q, want %q in it",
					code, stdout, stderr, c.want)
			}
		})
	}
}

func TestHelpGoesToStandardOutput(t *testing.T) {
	for _, args := range []string{"--help", "help", "train --help", "help sample", "--version"} {
		code, stdout, stderr := invoke(t, strings.Fields(args)...)
		if code != 0 || stdout == "" || stderr != "" {
			t.Errorf("flowmatch %s: exit code %d, %d bytes of standard output, standard error %q; want help and 0",
				args, code, len(stdout), stderr)
		}
	}
}
