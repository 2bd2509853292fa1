package run

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/flow"
)

// writeArray writes numbers as an NPY array of any shape.
func writeArray(t *testing.T, file string, shape []int, x []float64) {
	t.Helper()
	axes := strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]")
	header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }\n", axes)
	var b bytes.Buffer
	b.WriteString("\x93NUMPY\x01\x00")
	if err := errors.Join(binary.Write(&b, binary.LittleEndian, uint16(len(header))),
		binary.Write(&b, binary.LittleEndian, []byte(header)), binary.Write(&b, binary.LittleEndian, x),
		os.WriteFile(file, b.Bytes(), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// manyObservations writes n parameters a ~ N(0, 1), each seen up to 4 times as 10 + 3a + noise of
// deviation 1.5: of k observations of mean m the posterior is N(4k(m-10)/3/(1+4k), 1/(1+4k)).
func manyObservations(t *testing.T, n int) (dir string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 5))
	a, x := make([]float64, n), make([]float64, n*4*2)
	for i := range a {
		a[i] = rng.NormFloat64()
		for k := range 1 + rng.IntN(4) {
			x[8*i+2*k], x[8*i+2*k+1] = 10+3*a[i]+1.5*rng.NormFloat64(), 1
		}
	}
	dir = t.TempDir()
	writeArray(t, filepath.Join(dir, "a.npy"), []int{n, 1}, a)
	writeArray(t, filepath.Join(dir, "x.npy"), []int{n, 4, 2}, x)
	return dir
}

func TestAPosteriorOfSetsIsLearntFromTwoFiles(t *testing.T) {
	dir := manyObservations(t, 6000)
	file := filepath.Join(dir, "run.yaml")
	text := "seed: 2\ndata: {path: a.npy, context_path: x.npy}\n" +
		"net: {residual: {width: 32, blocks: 2, embed: {kind: set, hidden: [32, 32], width: 16}}}\n" +
		"train: {steps: 900, batch: 128}\n"
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg, err := ReadConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), cfg, filepath.Join(dir, "run"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = Open(r.Dir, ""); err != nil {
		t.Fatal(err)
	}
	if shape := r.Config.Net.Residual.Embed.Shape; len(shape) != 2 || shape[0] != 4 || shape[1] != 2 {
		t.Errorf("the shape of the file is not that of the network: %v", shape)
	}
	for _, k := range []int{1, 4} {
		// Padding far from the data counts for nothing.
		c := flow.Batch{N: 1, D: 8, X: []float64{16, 1, -99, 0, -99, 0, -99, 0}}
		for j := range k {
			copy(c.X[2*j:], []float64{16, 1})
		}
		z, err := r.Model.Contexts(c)
		if err != nil {
			t.Fatal(err)
		}
		if why := r.Model.FarContext(z); why != "" {
			t.Errorf("%d observations: %s", k, why)
		}
		p, err := posterior(t, r, flow.Given{Context: z})
		mean, std := 4*float64(k)*2/(1+4*float64(k)), math.Sqrt(1/(1+4*float64(k)))
		if err != nil || math.Abs(p[0]-mean) > 0.15 || math.Abs(p[1]-std) > 0.1 {
			t.Errorf("%d observations: mean %.3f and deviation %.3f, want %.3f and %.3f (%v)", k, p[0], p[1], mean, std,
				err)
		}
	}
	// It can be resumed, also from files that have moved, but not with other contexts.
	x, err := os.ReadFile(filepath.Join(dir, "x.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "moved.npy"), x, 0o666); err != nil {
		t.Fatal(err)
	}
	cfg.Data.ContextPath = filepath.Join(dir, "moved.npy")
	if _, err := Train(t.Context(), cfg, r.Dir, TrainOptions{Resume: true}); err != nil {
		t.Errorf("resuming with a file that has moved: %v", err)
	}
	x[len(x)-16*4] ^= 1 // the last bits of an observation that is there
	if err := os.WriteFile(filepath.Join(dir, "moved.npy"), x, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), cfg, r.Dir, TrainOptions{Resume: true}); !errors.Is(err, ErrChanged) {
		t.Errorf("resuming with other contexts: %v", err)
	}
}

func TestARunFindsItsContextsByName(t *testing.T) {
	dir := t.TempDir()
	var b, swapped strings.Builder
	b.WriteString("a,x,y\n")
	swapped.WriteString("y,a,x\n")
	for i := range 200 {
		a, x, y := math.Sin(float64(i)), math.Cos(float64(3*i)), float64(i%17)
		fmt.Fprintf(&b, "%g,%g,%g\n", a, x, y)
		fmt.Fprintf(&swapped, "%g,%g,%g\n", y, a, x)
	}
	sims := filepath.Join(dir, "sims.csv")
	if err := os.WriteFile(sims, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg, err := ParseConfig([]byte("data: {path: "+sims+", target: [a]}\ntrain: {steps: 3, batch: 16}\n"+
		"net: {residual: {width: 8, blocks: 1}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), cfg, filepath.Join(dir, "run"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	was, err := r.Data()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sims, []byte(swapped.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	if r, err = Open(r.Dir, ""); err != nil {
		t.Fatal(err)
	}
	is, err := r.Data()
	if err != nil || fmt.Sprint(is.ContextColumns) != "[x y]" || is.Fingerprint != was.Fingerprint {
		t.Errorf("columns in another order: %v, and other data: %v (%v)", is.ContextColumns,
			is.Fingerprint != was.Fingerprint, err)
	}
}

func TestAContextOfUnknownShapeIsAnError(t *testing.T) {
	const text = "data: {path: x.csv, context: [x]}\nnet: {residual: {embed: {kind: series}}}\n"
	if _, err := ParseConfig([]byte(text), nil); err == nil || !strings.Contains(err.Error(), "shape is not set") {
		t.Errorf("a series without a shape: %v", err)
	}
	dir := t.TempDir()
	x, y := flow.NewBatch(40, 1), flow.NewBatch(40, 3)
	for i := range x.X {
		x.X[i] = float64(i)
		copy(y.Row(i), []float64{float64(i * i), 1 + float64(i), 5 - float64(i)})
	}
	for name, b := range map[string]flow.Batch{"x.npy": x, "y.npy": y} {
		if err := table.WriteNPY(filepath.Join(dir, name), b); err != nil {
			t.Fatal(err)
		}
	}
	for want, embed := range map[string]string{
		"of shape [3], and the network wants 3 axes": "{kind: image}",
		"shape [2 1] is of 2 numbers":                "{kind: series, shape: [2, 1]}",
	} {
		cfg, err := ParseConfig(fmt.Appendf(nil, "data: {path: %s/x.npy, context_path: %[1]s/y.npy}\n"+
			"net: {residual: {embed: %s}}\n", dir, embed), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Train(t.Context(), cfg, filepath.Join(dir, "run"), TrainOptions{}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", embed, err, want)
		}
	}
}
