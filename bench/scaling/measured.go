package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"flowmatch/nn"
)

// measuredCase is a network that scripts/scaling.sh trains.
type measuredCase struct {
	name, words string
	net         nn.Config
	batch       int
}

// cases are those of scripts/scaling.sh, which has them as run files.
var cases = []measuredCase{
	{"perceptron", "5 layers of 512", nn.Config{Dim: 2, Hidden: []int{512, 512, 512, 512, 512}}, 4096},
	{"unet", "UNet, 32 channels", nn.Config{Dim: 784, UNet: &nn.UNet{Image: []int{28, 28, 1}, Channels: 32}}, 64},
}

// trained is what `flowmatch train --json` says of a training.
type trained struct {
	Weights int     `json:"parameters"`
	Steps   int     `json:"steps"`
	Seconds float64 `json:"seconds"`
	Ranks   *struct {
		Bytes   float64 `json:"bytes_per_step"`
		Seconds float64 `json:"seconds_per_step"`
		Hidden  float64 `json:"hidden_per_step"`
	} `json:"ranks"`
}

// step is the seconds of a step.
func (t trained) step() float64 { return t.Seconds / float64(t.Steps) }

// measurement is a case, measured: one process of one core, one of two, and two ranks of one core.
type measurement struct {
	measuredCase
	cost            nn.Cost
	one, two, ranks trained
}

// read returns the measurements in a folder.
func read(dir string) (all []measurement, err error) {
	for _, c := range cases {
		m := measurement{measuredCase: c}
		if m.cost, err = c.net.Defaults().Cost(); err != nil {
			return nil, err
		}
		for _, f := range []struct {
			name string
			into *trained
		}{{"one", &m.one}, {"two", &m.two}, {"ranks", &m.ranks}} {
			file := filepath.Join(dir, c.name+"-"+f.name+".json")
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			if err := json.Unmarshal(text, f.into); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			switch {
			case f.into.Weights != m.cost.Weights:
				return nil, fmt.Errorf("%s is of %d weights, and the %s has %d", file, f.into.Weights, c.name,
					m.cost.Weights)
			case f.into.Steps < 1 || f.into.Seconds <= 0:
				return nil, fmt.Errorf("%s has no steps, or no seconds", file)
			}
		}
		if m.ranks.Ranks == nil {
			return nil, fmt.Errorf("%s-ranks.json in %s is not of ranks", c.name, dir)
		}
		all = append(all, m)
	}
	return all, nil
}

// efficiency is that of two ranks beside one process of one core.
func (m measurement) efficiency() float64 { return m.one.step() / 2 / m.ranks.step() }

// core is the operations a second of one core in a step.
func (m measurement) core() float64 {
	return (m.cost.Forward + m.cost.Backward) * float64(m.batch) / m.one.step()
}

// adding is the seconds of a byte of the gradient in the sums of two ranks of this machine.
func (m measurement) adding() float64 { return m.ranks.Ranks.Seconds / (4 * float64(m.cost.Weights)) }

// predicted is the time of a step of two ranks by the model, with the seconds of a byte of another case.
func (m measurement) predicted(adding float64) stepTime {
	here := host{flops: m.core(), link: 1e18, adding: adding}
	return training{m.cost, m.batch}.onHosts(2, here)
}
