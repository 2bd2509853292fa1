package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/nn"
)

func TestTheModelIsWhatItSays(t *testing.T) {
	h := host{flops: 1e12, link: 1e9, message: 1e-6, adding: 1e-9}
	of := training{nn.Cost{Weights: block + 1, Forward: 1e9, Backward: 2e9}, 64}
	x := of.onHosts(4, h)
	// 3 GFLOP for each of 16 examples; 6 bytes a weight over the link; 6 messages for each of two blocks;
	// 4 bytes a weight to add up.
	sum := float64(block+1)*(6/1e9+4e-9) + 12e-6
	if math.Abs(x.compute-0.048) > 1e-12 || math.Abs(x.sum/sum-1) > 1e-12 || x.hidden != 0 {
		t.Errorf("%+v, want 0.048 s and %g s", x, sum)
	}
	if one := of.onHosts(1, h); one.sum != 0 || of.efficiency(1, h) != 1 {
		t.Errorf("one host sums for %g s", one.sum)
	}
	of.Early, of.Late = block, 1e6
	if y := of.onHosts(4, h); math.Abs(y.hidden-16e-6) > 1e-12 {
		t.Errorf("a short stage hides %g s, want all of its 16 µs", y.hidden)
	}
	of.Late = 1e12
	if y := of.onHosts(4, h); y.hidden <= 0 || y.hidden >= y.sum {
		t.Errorf("a long stage hides %g s of %g s, and cannot hide the sum of what it computes", y.hidden, y.sum)
	}
	// Slower links and more hosts never gain efficiency.
	slow := h
	slow.link /= 10
	if !(of.efficiency(4, slow) < of.efficiency(4, h)) || !(of.efficiency(8, h) < of.efficiency(4, h)) {
		t.Error("a slower link, or more hosts, are as efficient")
	}
	if k := of.half(0.5, h); k < 2 || of.efficiency(k, h) < 0.5 || k < of.batch && of.efficiency(k+1, h) >= 0.5 {
		t.Errorf("half of a step is computing up to %d hosts", k)
	}
}

func TestThePageIsWritten(t *testing.T) {
	dir := t.TempDir()
	for _, c := range cases {
		cost, err := c.net.Defaults().Cost()
		if err != nil {
			t.Fatal(err)
		}
		for name, seconds := range map[string]float64{"one": 2, "two": 1.1, "ranks": 1.05} {
			ranks := ""
			if name == "ranks" {
				ranks = `, "ranks": {"bytes_per_step": 4e6, "seconds_per_step": 0.002, "hidden_per_step": 0.001}`
			}
			text := fmt.Sprintf(`{"parameters": %d, "steps": 10, "seconds": %g%s}`, cost.Weights, seconds, ranks)
			if err := os.WriteFile(filepath.Join(dir, c.name+"-"+name+".json"), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	var b strings.Builder
	s := settings{measured: dir, cores: 64, core: 150, message: 2, adding: 0.5}
	if err := page(&b, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 0.95 | 4.00 | 2 ms | 50 % |", "| 128 | 100 Gb/s |", "million weights",
		"gradients sent in bfloat16"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, b.String())
		}
	}
	other := filepath.Join(dir, "unet-two.json")
	if err := os.WriteFile(other, []byte(`{"parameters": 3, "steps": 1, "seconds": 1}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := page(&b, s); err == nil || !strings.Contains(err.Error(), "is of 3 weights") {
		t.Errorf("figures of another network: %v", err)
	}
}
