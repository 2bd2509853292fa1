package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/cluster/clustertest"
)

// A rank that reads other examples, or computes by another program, would go unseen into the weights of all,
// which are the same.
func TestUnlikeRanksAreAnError(t *testing.T) {
	ranks := clustertest.In(t, 2)
	if ranks == nil {
		return
	}
	dir := t.TempDir()
	csv, copied := filepath.Join(dir, "t.csv"), filepath.Join(dir, "copied.csv")
	for _, file := range []string{csv, copied} {
		if err := os.WriteFile(file, []byte(strings.Repeat("1,2\n3,5\n2,1\n", 20)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ set, want string }{
		{"seed=2", "setting seed of rank 1 is 2"},
		{"train.lr=0.02", "setting train.lr of rank 1 is 0.02"},
		{"data.standardize=none", "setting data.standardize of rank 1 is none"},
		{"data.val=0.2", "setting data.val of rank 1 is 0.2"},
		{"data.path=" + copied, ""},
		{"data.memory=disk", ""},
		{"eval.steps=7", ""},
	} {
		set := []string{"data.path=" + csv, "train.steps=3", "train.batch=8", "net.hidden=[8]", "backend=native"}
		if ranks.Rank() == 1 {
			set = append(set, c.set)
		}
		cfg, err := ParseConfig([]byte("seed: 1\n"), set)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "run")
		_, err = Train(t.Context(), cfg, out, TrainOptions{Ranks: ranks})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, errUnlike) ||
			!strings.Contains(err.Error(), c.want)) {
			t.Errorf("rank 1 with %s: %v", c.set, err)
		}
		if c.want != "" && exists(filepath.Join(out, ConfigFile)) {
			t.Errorf("rank 1 with %s: the folder is that of a run, and the next training cannot begin there", c.set)
		}
	}
	own := likeness{Program: "v1", Bits: "sha256:1"}
	if ranks.Rank() == 1 {
		own.Bits = "sha256:2"
	}
	if err := own.alike(ranks); !errors.Is(err, errUnlike) || !strings.Contains(err.Error(),
		"the fingerprint of the program of rank 1 is sha256:2, of rank 0 sha256:1") {
		t.Errorf("another build of the same version: %v", err)
	}
	if bits, err := programBits(); err != nil || !strings.HasPrefix(bits, "sha256:") {
		t.Errorf("the program's own is %q (%v)", bits, err)
	}
}
