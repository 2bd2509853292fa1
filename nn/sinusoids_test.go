package nn

import (
	"strings"
	"testing"
)

func TestBadTimesAndNormsAreNamed(t *testing.T) {
	image := []int{4, 4, 1}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Dim: 16, UNet: &UNet{Image: image, Time: &TimeFeatures{}}}, "scale must not be 0"},
		{Config{Dim: 16, UNet: &UNet{Image: image, Channels: 8, Time: &TimeFeatures{Scale: 1, FrequencyShift: 4}}},
			"it must be from 0 to 3"},
		{Config{Dim: 16, UNet: &UNet{Image: image, Resample: "max"}}, "unknown resample"},
		{Config{Dim: 16, UNet: &UNet{Image: image, Resample: "mean", ResblockUpdown: true}}, "leave one out"},
		{Config{Dim: 16, UNet: &UNet{Image: image, NormEps: 1}}, "norm_eps"},
		{Config{Dim: 16, UNet: &UNet{Image: image, NormGroups: -1}}, "norm_groups"},
		{Config{Dim: 15, UNet: &UNet{Image: []int{5, 3, 1}, Mult: []int{1, 2}, Resample: "conv_end"}},
			"resample conv_end"},
		{Config{Dim: 16, DiT: &DiT{Image: image, MLPNormEps: -1}}, "mlp_norm_eps"},
		{Config{Dim: 16, DiT: &DiT{Image: image, Time: &TimeFeatures{Scale: 1e9}}}, "at most 1e6"},
	} {
		if err := c.cfg.Defaults().Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestTheTensorsOfAConfigAreThoseOfItsNetwork(t *testing.T) {
	cfg := Config{Dim: 16, Classes: 3, DiT: &DiT{Image: []int{4, 4, 1}, Width: 8, Depth: 1, Heads: 2}}
	eng, err := Open("native")
	if err != nil {
		t.Fatal(err)
	}
	net, err := New(eng, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	all, err := cfg.Tensors()
	if err != nil || len(all) != len(net.Tensors()) || all[3].Name != net.Tensors()[3].Name {
		t.Errorf("got %v (%v), want %v", all, err, net.Tensors())
	}
}
