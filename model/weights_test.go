package model

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/model/weights"
)

func TestWeightsOfAnotherProgramAreRead(t *testing.T) {
	net := newNet(t, planar.Net)
	theta, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "w.safetensors")
	write := func(change func(map[string]weights.Array)) {
		t.Helper()
		tensors := map[string]weights.Array{}
		for _, l := range net.Tensors() {
			tensors[l.Name] = weights.Array{Dims: l.Shape, Numbers: theta[l.Offset : l.Offset+l.Size()]}
		}
		change(tensors)
		if err := writeTensors(file, tensors, nil); err != nil {
			t.Fatal(err)
		}
	}
	write(func(map[string]weights.Array) {})
	got, err := ReadWeights(file, net.Engine(), planar.Net)
	if err != nil {
		t.Fatal(err)
	}
	if w, err := got.Weights(); err != nil || !slices.Equal(w, theta) {
		t.Errorf("the weights differ (%v)", err)
	}
	for want, change := range map[string]func(map[string]weights.Array){
		`tensor "net.4.bias" is missing`: func(m map[string]weights.Array) { delete(m, "net.4.bias") },
		`tensor "net.2.bias" is F32 [6]; the network needs F32 [5]`: func(m map[string]weights.Array) {
			m["net.2.bias"] = m["net.0.bias"]
		},
		`tensor "net.6.bias" is none of the network's, which are [net.0.bias net.0.weight`: func(
			m map[string]weights.Array) {
			m["net.6.bias"] = m["net.0.bias"]
		},
	} {
		write(change)
		_, err := ReadWeights(file, net.Engine(), planar.Net)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v, want an error with the file and %q", err, want)
		}
	}
	if err := os.WriteFile(file, []byte("weights"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadWeights(file, net.Engine(), planar.Net); err == nil ||
		!strings.Contains(err.Error(), "not a whole safetensors file") {
		t.Errorf("got %v, want an error of a file that is no safetensors", err)
	}
}
