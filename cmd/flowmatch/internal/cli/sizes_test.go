package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Sizes that do not fit into the memory are an error before anything is made, which names
// what was asked for and an estimate; nothing is wrong with the usage.
func TestSizesThatDoNotFitAreToldBeforehand(t *testing.T) {
	dir, out := trained(t), filepath.Join(t.TempDir(), "out")
	config := writeText(t, "run.yaml", tinyRun)
	train := "train " + config + " --out " + out + " --set "
	images := writeIDX(t, filepath.Join(t.TempDir(), "idx3"), make([]byte, 80), 20, 2, 2)
	label := make([]byte, 20)
	label[1] = 1
	labels := writeIDX(t, filepath.Join(t.TempDir(), "idx1"), label, 20)
	digits := writeText(t, "images.yaml", fmt.Sprintf(`data: {path: %q, labels_path: %q}`, images, labels))
	deep := writeText(t, "deep.yaml", "data: {name: moons}\nnet: {residual: {blocks: 1000000000000}}")
	for _, c := range []struct{ args, want string }{
		{train + "net.hidden=[1000000,1000000]", "net.hidden [1000000 1000000], 1e+12 weights, needs"},
		{train + "net.hidden=[100000000000]", "hidden[0] 100000000000 needs"},
		{"train " + deep + " --out " + out, "residual.blocks 1000000000000 needs"},
		{train + "net.time_frequencies=9000000000000000000", "time_frequencies 9000000000000000000 needs"},
		{train + "net.time_frequencies=1000000000", "of 2000000003 inputs needs"},
		{train + "net.space_frequencies=1000000000", "of 4000000003 inputs needs"},
		{train + "train.batch=100000000000", "train.batch 100000000000 of net.hidden [8] needs"},
		{train + "data.n=1000000000000", "data.n 1000000000000 needs"},
		{train + "data.val=1000000000000", "data.val 1000000000000 needs"},
		{train + "train.objective=reflow --set train.teacher=" + dir + " --set train.pairs=1000000000000",
			"train.pairs 1000000000000 needs"},
		{"classifier " + digits + " --out " + out + ".safetensors --batch 1000000000000", "batch 1000000000000 needs"},
		{"sample " + dir + " --n 1000000000000 --out " + out + ".csv", "--n 1000000000000 needs"},
		{"plot " + dir + " --kind samples --n 1000000000000 --out " + out + ".png", "--n 1000000000000 needs"},
		{"plot " + dir + " --kind trajectories --n 100000000000 --out " + out + ".gif", "--n 100000000000 needs"},
		{"logp " + dir + " --dataset moons --n 1000000000000", "--n 1000000000000 needs"},
		{"logp " + dir + " --dataset moons --n 9 --divergence hutchinson --probes 1000000000000",
			"probes 1000000000000, of 9 points, needs"},
	} {
		code, _, stderr := invoke(t, strings.Fields(c.args+" -q")...)
		want := c.want + " more memory than there is: at least "
		if code != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q; want 1 and %q", c.args, code, stderr, want)
		}
	}
}
