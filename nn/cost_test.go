package nn

import (
	"math"
	"testing"
)

func TestCostIsCountedOnTheGraph(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want Cost // zero fields are not compared
	}{
		{"perceptron", Config{Dim: 2, Hidden: []int{64, 48}},
			Cost{Weights: 3*64 + 64 + 64*48 + 48 + 48*2 + 2, Forward: 2 * (3*64 + 64*48 + 48*2),
				Backward: 2 * (3*64 + 2*64*48 + 2*48*2)}},
		// The UNet of examples/digits.yaml, as PyTorch counts it.
		{"unet", Config{Dim: 784, UNet: &UNet{Image: []int{28, 28, 1}, Channels: 32, Mult: []int{1, 2, 2}, Blocks: 1,
			Attention: []int{7}, HeadChannels: 32}, Classes: 10}, Cost{Forward: 380_234_752}},
		// Table 3 of arXiv 2210.02747, ImageNet-64, whose paper gives no number of weights.
		{"imagenet 64", Config{Dim: 64 * 64 * 3, UNet: &UNet{Image: []int{64, 64, 3}, Channels: 192,
			Mult: []int{1, 2, 3, 4}, Blocks: 3, Attention: []int{32, 16, 8}, HeadChannels: 64, GroupChannels: 1}},
			Cost{}},
	} {
		got, err := c.cfg.Cost()
		if err != nil {
			t.Fatal(c.name, err)
		}
		tensors, err := c.cfg.Tensors()
		last := tensors[len(tensors)-1]
		if err != nil || got.Weights != last.Offset+last.Size() {
			t.Errorf("%s: %d weights, the tensors have %d (%v)", c.name, got.Weights, last.Offset+last.Size(), err)
		}
		t.Logf("%s: %+v", c.name, got)
		if w := c.want; w.Forward > 0 && math.Abs(got.Forward/w.Forward-1) > 0.001 ||
			w.Backward > 0 && got.Backward != w.Backward || w.Weights > 0 && got.Weights != w.Weights {
			t.Errorf("%s: %+v, want %+v", c.name, got, w)
		}
		if r := got.Backward / got.Forward; r < 1.5 || r > 2.1 {
			t.Errorf("%s: the backward pass takes %.3g times the forward pass", c.name, r)
		}
		if unet := c.cfg.UNet != nil; unet != (got.Early > 0) || unet != (got.Late > 0) || got.Early > got.Weights ||
			got.Late > got.Backward/2 {
			t.Errorf("%s: %d of %d weights early, %g of %g operations late", c.name, got.Early, got.Weights, got.Late,
				got.Backward)
		}
	}
	if _, err := (Config{}).Cost(); err == nil {
		t.Error("the cost of a network of no dimension is no error")
	}
}
