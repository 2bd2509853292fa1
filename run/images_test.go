package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/train"
)

// imagesFile writes 60 grey images of 4 by 8 pixels and returns its name.
func imagesFile(t *testing.T) string {
	t.Helper()
	raw := []byte{0, 0, 8, 3}
	for _, n := range []uint32{60, 4, 8} {
		raw = binary.BigEndian.AppendUint32(raw, n)
	}
	for i := range 60 * 4 * 8 {
		raw = append(raw, byte(i*i))
	}
	name := filepath.Join(t.TempDir(), "images-idx3-ubyte")
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Both networks of images get their shape from the data, come back from their
// checkpoint, and resume as if they had not stopped, dropout included.
func TestNetworksOfImagesTrainOpenAndResume(t *testing.T) {
	file, ctx := imagesFile(t), context.Background()
	for name, net := range map[string]string{
		"unet": "unet: {channels: 4, mult: [1, 2], blocks: 1, dropout: 0.3}",
		"dit":  "dit: {width: 8, depth: 1, heads: 2}",
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := ParseConfig(fmt.Appendf(nil, "data: {path: %q, val: 10, test: 10}\nnet: {%s}\n"+
				"train: {steps: 8, batch: 8, val_every: 8, checkpoint_every: 2}\n", file, net), nil)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := Train(ctx, cfg, filepath.Join(t.TempDir(), "whole"), TrainOptions{})
			if err != nil {
				t.Fatal(err)
			}
			half := filepath.Join(t.TempDir(), "half")
			stopAt(t, cfg, half, 3)
			if _, err := Train(ctx, cfg, half, TrainOptions{Resume: true}); err != nil {
				t.Fatal(err)
			}
			resumed, err := Open(half, "")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(weights(t, whole), weights(t, resumed)) {
				t.Error("a resumed run differs from one that never stopped")
			}
			cfg.Data.Path, cfg.Data.Name = "", "8gaussians"
			if _, err := Train(ctx, cfg, filepath.Join(t.TempDir(), "points"), TrainOptions{}); err == nil ||
				!strings.Contains(err.Error(), "net.unet and net.dit are for images") {
				t.Errorf("points in the plane: got %v", err)
			}
		})
	}
}

// What a run file leaves out of a network of images and its training fits the images and
// their number, and is written down.
func TestANetworkOfImagesFitsTheData(t *testing.T) {
	cfg, err := ParseConfig(fmt.Appendf(nil, "data: {path: %q}\nnet: {unet: {}}\n", imagesFile(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	dir := t.TempDir()
	var is Config
	_, err = Train(ctx, cfg, dir, TrainOptions{Opened: func(_ *data.Set, c Config) { is = c; stop() }})
	if !errors.Is(err, context.Canceled) && !errors.Is(err, train.ErrInterrupted) {
		t.Fatal(err)
	}
	u := is.Net.UNet
	if is.Train.Steps != 2000 || is.Train.Batch != 64 || !slices.Equal(u.Mult, []int{1}) ||
		!slices.Equal(u.Attention, []int{4}) {
		t.Errorf("%d steps of %d, mult %v, attention %v; want 2000 of 64, [1], [4]", is.Train.Steps, is.Train.Batch,
			u.Mult, u.Attention)
	}
	if written, err := readRunConfig(dir); err != nil || written.Train.Steps != 2000 || written.Net.UNet.Mult == nil {
		t.Errorf("run.yaml has %d steps, mult %v (%v)", written.Train.Steps, written.Net.UNet.Mult, err)
	}
	if cfg, err = ParseConfig(fmt.Appendf(nil, "data: {path: %q}\nnet: {unet: {}}\ntrain: {warmup: 3000}\n",
		imagesFile(t)), nil); err != nil {
		t.Fatal(err)
	}
	_, err = Train(t.Context(), cfg, filepath.Join(dir, "other"), TrainOptions{})
	if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "warmup of 3000 steps leaves none of 2000") {
		t.Errorf("a warm-up that is longer: got %v", err)
	}
}
