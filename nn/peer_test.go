package nn

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"flowmatch/engine/onnx"
	"flowmatch/flow"
)

// peerVar names a folder with networks of PyTorch: NAME.onnx, the images NAME.x and
// what the network makes of them NAME.y (float32). scripts/check-onnx.sh makes it.
const peerVar = "FLOWMATCH_ONNX_PEERS"

func TestNetworksOfPyTorch(t *testing.T) {
	dir := os.Getenv(peerVar)
	if dir == "" {
		t.Skipf("%s is not set; see scripts/check-onnx.sh", peerVar)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no networks in %s, error %v", dir, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m, err := onnx.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e, err := NewExtractor(openNative(t), m)
			if err != nil {
				t.Fatal(err)
			}
			c, h, w := e.Image()
			x := numbers(t, file[:len(file)-len("onnx")]+"x", c*h*w)
			out, err := e.Extract(x)
			if err != nil {
				t.Fatal(err)
			}
			want := numbers(t, file[:len(file)-len("onnx")]+"y", out[0].D)
			worst, scale := 0.0, 0.0
			for i, v := range want.X {
				worst, scale = max(worst, math.Abs(v-out[0].X[i])), max(scale, math.Abs(v))
			}
			t.Logf("%d images, %d outputs: difference %.2g, of outputs up to %.2g", x.N, want.D, worst, scale)
			if !(scale > 0 && worst <= 1e-3*scale) {
				t.Errorf("difference %g, of outputs up to %g", worst, scale)
			}
		})
	}
}

// numbers reads rows of d float32.
func numbers(t *testing.T, file string, d int) flow.Batch {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	x := flow.NewBatch(len(raw)/4/d, d)
	for i := range x.X {
		x.X[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	return x
}
