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
			stopped, stop := context.WithCancel(ctx)
			_, err = Train(stopped, cfg, half, TrainOptions{Step: func(step int, _ float64) {
				if step == 3 {
					stop()
				}
			}})
			if stop(); !errors.Is(err, train.ErrInterrupted) {
				t.Fatalf("got %v", err)
			}
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
