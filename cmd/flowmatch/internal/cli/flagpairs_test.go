package cli

import (
	"strings"
	"testing"
)

// Flags that would have no effect beside others are usage errors, and are found before the
// run is opened: here there is none, which is what is reported of flags that go together.
func TestFlagsWithoutEffectAreUsageErrors(t *testing.T) {
	const fine = "not a run's folder"
	type pair struct{ flags, want string }
	var cases []pair
	add := func(command string, pairs ...pair) {
		for _, p := range pairs {
			cases = append(cases, pair{command + " nowhere " + p.flags, p.want})
		}
	}
	// Every flag that only some solvers look at, with a solver of each kind.
	flags := []string{"--eta 0.5", "--diffusion sigma", "--logp", "--guidance 2", "--condition test --mask left",
		"--rtol 1e-3", "--atol 1e-3", "--steps 5"}
	for solver, looksAt := range map[string]string{
		"":               strings.Join(flags, " "), // that of the run, which is known when it is opened
		"dopri5":         "--logp --guidance --condition --rtol --atol --steps",
		"euler":          "--logp --guidance --condition --steps",
		"average":        "--steps",
		"interval":       "--steps",
		"ddpm":           "--guidance --steps",
		"ddim":           "--eta --guidance --steps",
		"euler_maruyama": "--diffusion --guidance --steps",
		"heun_sde":       "--diffusion --guidance --steps",
	} {
		for _, f := range flags {
			name, _, _ := strings.Cut(f, " ")
			want := fine
			if !strings.Contains(looksAt, name) {
				want = strings.Replace(name, "--condition", "--mask", 1) + " "
			}
			if solver != "" {
				f += " --solver " + solver
			}
			add("sample", pair{"--n 1 --out x.csv " + f, want})
		}
	}
	add("sample",
		pair{"--n 1 --out x.csv --logp --guidance 2", "--logp cannot be used with --guidance"},
		pair{"--n 1 --out x.csv --logp --guidance 1", "--logp cannot be used with --guidance"},
		pair{"--n 1 --out x.csv --logp --condition test --mask left", "--logp cannot be used with --mask"},
		pair{"--n 1 --out x.csv --mask left", "--mask needs --condition"},
		pair{"--n 1 --out x.csv --condition test --mask lft", `did you mean "left"?`},
		pair{"--n 1 --out x.csv --guidance NaN", "finite"},
		pair{"--n 1 --out x.csv --guidance 0", fine},
		pair{"--grid 2 --out x.png --condition test", "--grid is only for samples"},
		pair{"--grid 2 --out x.csv", "--grid draws a picture"},
		pair{"--n 1 --out x.png --logp", "--logp needs a file of numbers"},
		pair{"--n 1 --out x.csv --rtol 0", "--rtol is 0"},
		pair{"--n 1 --out x.csv --atol -1", "--atol is -1"},
		pair{"--n 1 --out x.csv --solver eular", `did you mean "euler"?`},
		pair{"--n 1 --out x.csv --solver=", "--solver is empty"},
		pair{"--n 1 --out x.csv --solver dopri5 --steps 3 --rtol 1e-3", "steps"},
	)
	add("logp",
		pair{"--data x.csv --solver average", "--solver average has no effect here"},
		pair{"--data x.csv --solver interval", "--solver interval has no effect here"},
		pair{"--data x.csv --solver ddpm", "only flowmatch sample"},
		pair{"--data x.csv --solver euler --rtol 1e-3", "error estimate"},
		pair{"--data x.csv --solver rk5", `unknown solver "rk5"`},
		pair{"--data x.csv --label 1 --labels y", "give one of them"},
		pair{"--data x.csv --divergence exact --probes 2", "--probes are for"},
		pair{"--data x.csv --divergence hutchinson --probes 0", "--probes is 0"},
		pair{"--data x.csv --divergence hutchinsn", `did you mean "hutchinson"?`},
		pair{"--dataset moons --n 2 --labels y", "--labels is for --data"},
		pair{"--dataset mons --n 2", `did you mean "moons"?`},
		pair{"--data x.csv --n 2", "dataset n"},
		pair{"--data x.csv --divergence hutchinson --probes 2 --seed 3", fine},
	)
	for _, k := range plotKinds {
		for _, f := range []string{"--solver dopri5", "--steps 5", "--rtol 1e-3", "--atol 1e-3", "--n 5", "--seed 5",
			"--backend go", "--log", "--title x", "--dpi 90", "--limits 0,1,1,2"} {
			name, _, _ := strings.Cut(f[2:], " ")
			want := fine
			if strings.Contains(" "+strings.Join(k.without, " ")+" ", " "+name+" ") {
				want = "--" + name + " has no effect on a picture of kind " + k.name
			}
			add("plot", pair{"--out x.png --kind " + k.name + " " + f, want})
		}
	}
	add("plot",
		pair{"--kind samples --out x.png --solver average", fine},
		pair{"--kind samples --out x.png --solver average --rtol 1e-3", "error estimate"},
		pair{"--kind density --out x.png --solver average", "--solver average has no effect here"},
		pair{"--kind samples --out x.png --solver ddpm", "only flowmatch sample"},
		pair{"--kind sampels --out x.png", `did you mean "samples"?`},
	)
	add("eval",
		pair{"--only likelihood --samples 5", "--samples has no effect on --only likelihood"},
		pair{"--only likelihood --solver average", "--solver average has no effect here"},
		pair{"--only samples --test 5", "--test has no effect on --only samples"},
		pair{"--only samples --dequantizations 5", "--dequantizations has no effect"},
		pair{"--only samples --solver average --rtol 1e-3", "error estimate"},
		pair{"--only samples,likelihood --classifier c", "--classifier has no effect on --only samples,likelihood"},
		pair{"--only samples --features f", "--features has no effect"},
		pair{"--only features", "--only features needs"},
		pair{"--only judgement", "--only features needs"},
		pair{"--only sampels", `did you mean "samples"?`},
		pair{"--guidance 2", "--guidance needs"},
		pair{"--classifier c --guidance Inf", "finite"},
		pair{"--reference r", "--reference needs"},
		pair{"--features-range 0..1", "--features-range needs --features"},
		pair{"--classifier c --features f", "classifier features"},
		pair{"--only features --classifier c --test 3", "--test has no effect"},
		pair{"--solver average --rtol 1e-3", fine}, // that of the likelihood
		pair{"--only features --classifier c --samples 3 --guidance 2", fine},
	)
	add("export",
		pair{"--out x.onnx --raw --average", "average"},
		pair{"--out x.onnx --check -1", "--check is -1"},
	)
	add("config",
		pair{"--template", "--template writes a whole run file"},
	)
	for _, c := range cases {
		t.Run(c.flags, func(t *testing.T) {
			code, stdout, stderr := invoke(t, strings.Fields(c.flags)...)
			if code != exitUsage || !strings.Contains(stderr, c.want) || stdout != "" {
				t.Errorf("exit code %d, standard output %q, standard error %q; want 2, none and %q", code, stdout,
					stderr, c.want)
			}
		})
	}
}

// A flag that the run has no use for is found when it is opened.
func TestFlagsThatTheRunHasNoUseFor(t *testing.T) {
	euler := trained(t) // eval.solver is euler
	average := averages(t)
	for _, c := range []struct{ args, want string }{
		{"sample " + euler + " --n 1 --out x.csv --rtol 1e-3",
			"--rtol needs a solver with an error estimate, which euler has not"},
		{"sample " + euler + " --n 1 --out x.csv --eta 1", "samplers with noise"},
		{"sample " + euler + " --n 1 --out x.csv --solver average",
			"--solver average is for runs that learnt average velocities (train.objective meanflow or shortcut)"},
		{"sample " + euler + " --n 1 --out x.csv --guidance 1", "train.label_dropout"},
		{"sample " + euler + " --n 1 --out x.csv --guidance 2 --solver ddpm", "train.label_dropout"},
		{"sample " + euler + " --n 1 --out x.csv --condition test --mask left", "--mask is for images"},
		{"sample " + euler + " --n 1 --out x.csv --condition test", "trained without a condition"},
		{"logp " + euler + " --dataset moons --n 1 --rtol 1e-3", "error estimate"},
		{"logp " + euler + " --data x.csv --labels y", "--labels is for conditional models"},
		{"eval " + euler + " --solver average", "--solver average is for runs"},
		{"eval " + euler + " --solver interval", "--solver interval is for runs"},
		{"eval " + euler + " --dequantizations 2", "--dequantizations is for images"},
		{"plot " + euler + " --kind samples --out x.png --solver average", "--solver average is for runs"},
		{"sample " + average + " --n 1 --out x.csv --logp", "--logp needs an ODE solver"},
		{"sample " + average + " --n 1 --out x.csv --rtol 1e-3", "--rtol needs an ODE solver"},
		{"sample " + average + " --n 1 --out x.csv --guidance 2",
			"--guidance is for ODE solvers and samplers with noise"},
		{"sample " + average + " --n 1 --out x.csv --solver ddpm", "needs the score"},
	} {
		code, stdout, stderr := invoke(t, strings.Fields(c.args)...)
		if code != exitUsage || !strings.Contains(stderr, c.want) || stdout != "" {
			t.Errorf("flowmatch %s: exit code %d, standard output %q, standard error %q; want 2, none and %q", c.args,
				code, stdout, stderr, c.want)
		}
	}
}
