package run

import (
	"testing"

	"github.com/goccy/go-yaml"
)

// No text is a panic, and what is accepted is written and read again as the same.
func FuzzParseConfig(f *testing.F) {
	for _, text := range []string{
		text, tiny, shown,
		"data: {path: x.csv, label: 3}\npath: {name: ve, sigma_max: 20}\n",
		"data: {name: moons}\ntrain: {objective: ml, ml: {solver: rk4, steps: 20}}\n",
		"data: {name: mixture, means: [[0, 1], [2, 3]]}\nsource: {name: moons}\n",
		"data: {path: a-idx}\nnet: {unet: {channels: 8}}\ncondition: {kind: superres, factor: 2}\n",
	} {
		f.Add([]byte(text), "train.lr=3e-4")
	}
	f.Fuzz(func(t *testing.T, text []byte, setting string) {
		c, err := ParseConfig(text, []string{setting})
		if err != nil {
			return
		}
		written, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseConfig(written, nil)
		if err != nil {
			t.Fatalf("%s\n%v", written, err)
		}
		if rewritten, _ := yaml.Marshal(again); string(rewritten) != string(written) {
			t.Errorf("written once:\n%s\ntwice:\n%s", written, rewritten)
		}
	})
}
