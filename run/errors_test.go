package run

import (
	"regexp"
	"strings"
	"testing"
)

// badRunFiles are run files with a mistake that is known before the data are read.
var badRunFiles = []string{
	"", "seed: x", "data: {name: mons}", "data: {name: moons, noise: -1}", "data: {name: moons, n: -1}",
	"data: {name: moons, scale: -1}", "data: {name: mixture, stds: [1]}", "data: {name: mixture, means: []}",
	"data: {name: moons, val: 0.5}", "data: {name: moons, test: -1}", "data: {name: moons, standardize: x}",
	"data: {name: copula, dim: 0}", "data: {name: gmm, components: 0}", "data: {name: checkerboard, noise: 1}",
	"data: {path: x}", "data: {path: x, kind: y}", "data: {path: x.csv, name: moons}", "data: {uci: pwr, path: x}",
	"data: {uci: power}", "data: {path: x.csv, delimiter: ab}", "data: {path: x-idx, standardize: columns}",
	"data: {kind: folder, path: x}", "data: {kind: folder, path: x, size: 8, channels: 2}",
	"data: {kind: folder, path: x, size: 8, corrupt: z}", "data: {kind: cifar10, path: x, size: 3}",
	"@source: {name: mons}", "@source: {name: moons, noise: -1}", "@source: {name: moons, dim: 3}",
	"@source: {name: circles, noise: 0}", "@source: {name: gaussian, dim: 3}", "@source: {noise: 1}",
	"@source: {name: moons}\npath: {name: vp}", "@source: {name: moons}\ntrain: {prediction: noise}",
	"@path: {name: vpp}", "@path: {name: vp, beta_min: -1}", "@path: {sigma_min: 2}", "@path: {name: ve, sigma_max: 0}",
	"@path: {name: icfm}\ntrain: {prediction: noise}", "@path: {name: bridge}\ntrain: {objective: meanflow}",
	"@coupling: {name: otx}", "@coupling: {name: sinkhorn, reg: -1}", "@coupling: {name: sinkhorn, tol: 2}",
	"@coupling: {name: ot, batch: -1}", "@coupling: {name: sinkhorn, reg: 1, epsilon: 1}",
	"@net: {hidden: [0]}", "@net: {activation: swish}", "@net: {dim: -1}", "@net: {classes: -1}",
	"@net: {condition: -1}", "@net: {time_frequencies: -1}", "@net: {space_scale: -1}", "@net: {unet: {}, dit: {}}",
	"@net: {unet: {embedding: x}}", "@net: {unet: {dropout: 2}}", "@net: {dit: {width: 5}}",
	"@net: {dit: {image: [8, 8]}}", "@condition: {kind: x}", "@condition: {kind: superres, factor: 1}",
	"data: {path: x-idx}\ncondition: {kind: inpaint, mask: x}",
	"data: {path: x-idx}\ncondition: {kind: superres, factor: 2}\ncoupling: {name: ot}",
	"data: {path: x-idx}\ncondition: {kind: superres, factor: 2}\ntrain: {objective: fm}",
	"@train: {objective: x}", "@train: {prediction: x}", "@train: {times: {name: x}}", "@train: {weighting: x}",
	"@train: {schedule: x}", "@train: {precision: x}", "@train: {steps: -1}", "@train: {lr: -1}",
	"@train: {lr_min: 1}", "@train: {warmup: 20000}", "@train: {batch: -1}", "@train: {accumulate: 3}",
	"@train: {accumulate: -1}", "@train: {devices: -1}", "@train: {label_dropout: 2}", "@train: {patience: -1}",
	"@train: {optimizer: {beta1: 2}}", "@train: {optimizer: {eps: 0}}", "@train: {optimizer: {clip_norm: -1}}",
	"@train: {objective: ml, ml: {solver: x}}", "@train: {objective: ml, ml: {divergence: x}}",
	"@train: {objective: ml, ml: {kinetic: -1}}", "@train: {objective: ml, ml: {rtol: -1}}",
	"@train: {objective: reflow}", "@train: {objective: reflow, teacher: x, pairs: 3}",
	"@train: {objective: distill, teacher: x, distill_steps: -1}", "@train: {objective: fm}",
	"@train: {objective: meanflow, intervals: {ratio: 2}}", "@train: {objective: shortcut, intervals: {finest: 3}}",
	"@train: {objective: meanflow, prediction: noise}", "@train: {objective: reflow, teacher: x}\npath: {name: vp}",
	"@eval: {solver: x}", "@eval: {steps: -1}", "@eval: {rtol: -1}", "@eval: {max_nfe: -1}", "@eval: {probes: -1}",
	"@eval: {divergence: x}", "@eval: {samples: -1}", "@eval: {test: -1}", "@eval: {dequantizations: -1}",
	"@eval: {solver: average}", "@eval: {solver: euler, rtol: 1e-3}",
}

// room is what a package writes before its errors.
var room = regexp.MustCompile(`\b(run|data|synth|eval|train|model|nn|path|coupling|ode|sde|likelihood|settings|flow): `)

// doubled returns a room that stands twice in a line of an error.
func doubled(message string) string {
	for line := range strings.Lines(message) {
		seen := map[string]bool{}
		for _, m := range room.FindAllString(line, -1) {
			if seen[m] {
				return m
			}
			seen[m] = true
		}
	}
	return ""
}

func TestErrorsNameTheirRoomOnce(t *testing.T) {
	for _, text := range badRunFiles {
		if rest, ok := strings.CutPrefix(text, "@"); ok {
			text = "data: {name: moons}\n" + rest
		}
		_, err := ParseConfig([]byte(text), nil)
		if err == nil {
			t.Errorf("%q: no error", text)
		} else if d := doubled(err.Error()); d != "" {
			t.Errorf("%q: %q stands twice in\n%v", text, d, err)
		}
	}
}

// The same of errors that only training comes to.
func TestErrorsOfTrainingNameTheirRoomOnce(t *testing.T) {
	dir := t.TempDir()
	small := "\nnet: {hidden: [4]}\n"
	for _, text := range []string{
		"data: {path: nowhere.csv}" + small, "data: {path: nowhere-idx}" + small,
		"data: {kind: folder, path: nowhere, size: 8}" + small, "data: {kind: cifar10, path: nowhere}" + small,
		"data: {uci: power, path: nowhere}" + small, "data: {name: gaussian}\nconditional: true" + small,
		"data: {name: moons}" + small + "train: {objective: reflow, teacher: nowhere}",
		"data: {name: moons}" + small + "train: {objective: reflow, teacher: " + dir + "}",
		"data: {name: moons}" + small + "backend: tpu",
		"data: {name: moons}\nnet: {hidden: [4], dim: 3}",
		"data: {name: moons}\nnet: {unet: {}}",
		"data: {name: moons}" + small + "eval: {probes: 3}",
		"data: {name: gaussian, dim: 40}" + small + "train: {sample_every: 5}",
		"data: {name: gaussian}" + small + "coupling: {name: ot, label_aware: true}\ntrain: {steps: 2}",
	} {
		_, err := Train(t.Context(), parseText(t, text), t.TempDir(), TrainOptions{})
		if err == nil {
			t.Errorf("%q: no error", text)
		} else if d := doubled(err.Error()); d != "" {
			t.Errorf("%q: %q stands twice in\n%v", text, d, err)
		}
	}
}

// Whatever a run file holds, an error quotes the beginning of it only.
func TestErrorsQuoteLittle(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, text := range []string{
		"data: {name: X}", "X: 3", "data: {X: 3}", "data: {name: moons, path: X}", "data: {path: X}",
		"data: {path: X, kind: X}", "data: {uci: X, path: a}", "data: {path: a.csv, delimiter: X}",
		"data: {path: a.csv, standardize: X}", "data: {kind: folder, path: x, size: 8, corrupt: X}", "X", "seed: X",
		"seed: [X", "seed: *X", "seed: !X 3", "seed: \"X\"", "@source: {name: X}", "@path: {name: X}",
		"@path: {params: {X: X}}", "@path: {params: {X: 3}}", "@coupling: {name: X}", "@net: {activation: X}",
		"@net: {hidden: X}", "@net: {hidden: [X]}", "@net: {unet: {embedding: X}}",
		"@condition: {kind: X}", "data: {path: x-idx}\ncondition: {kind: inpaint, mask: X}",
		"@train: {objective: X}", "@train: {prediction: X}", "@train: {times: {name: X}}", "@train: {weighting: X}",
		"@train: {schedule: X}", "@train: {precision: X}", "@train: {teacher: X}", "@eval: {solver: X}",
		"@train: {objective: ml, ml: {solver: X}}", "@eval: {divergence: X}", "@conditional: X", "@X: &X *X",
	} {
		if rest, ok := strings.CutPrefix(text, "@"); ok {
			text = "data: {name: moons}\n" + rest
		}
		_, err := ParseConfig([]byte(strings.ReplaceAll(text, "X", long)), nil)
		if err == nil || strings.Contains(err.Error(), long[:81]) {
			t.Errorf("%q: got error %.300v", text, err)
		}
	}
	for _, setting := range []string{"X", "X=3", "data.X=3", "data.name=X", "seed=X", "seed.X=3", "seed=[X"} {
		_, err := ParseConfig([]byte("data: {name: moons}"), []string{strings.ReplaceAll(setting, "X", long)})
		if err == nil || strings.Contains(err.Error(), long[:81]) {
			t.Errorf("setting %q: got error %.300v", setting, err)
		}
	}
}
