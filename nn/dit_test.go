package nn

import (
	"strings"
	"testing"
)

var smallDiT = Config{Dim: 6 * 4 * 2, Classes: 3, DiT: &DiT{Image: []int{6, 4, 2}, Width: 8, Depth: 2, Heads: 2}}

func TestBadDiTsAreNamed(t *testing.T) {
	for want, change := range map[string]func(*DiT){
		"dit.patch -1":                   func(d *DiT) { d.Patch = -1 },
		"dit.patch 4 does not divide":    func(d *DiT) { d.Patch = 4 },
		"dit.patch 3 does not divide":    func(d *DiT) { d.Patch = 3 },
		"dit.width is 6":                 func(d *DiT) { d.Width = 6 },
		"and of dit.heads 3":             func(d *DiT) { d.Heads = 3 },
		"dit.depth -2":                   func(d *DiT) { d.Depth = -2 },
		"dit.mlp_ratio is 0.1; the hidd": func(d *DiT) { d.MLPRatio = 0.1 },
	} {
		d := *smallDiT.DiT
		change(&d)
		cfg := smallDiT.Defaults()
		cfg.DiT = &d
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
