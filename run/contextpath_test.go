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
	if _, err := r.Model.Contexts(flow.Batch{N: 1, D: 8, X: []float64{16, 1, 16, 0.5, 0, 0, 0, 0}}); err == nil ||
		!strings.Contains(err.Error(), "the mark of observation 2 is 0.5") {
		t.Errorf("a mark that is none: %v", err)
	}
	// No context is both of a sample and of a held-out point: beside the wide context a classifier of
	// twins said 0.27.
	s, err := r.Subject(true)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := s.TwoSample(t.Context()); err != nil || c.Points != 300 || math.Abs(c.Accuracy-0.5) > 0.1 {
		t.Errorf("C2ST of a posterior: %+v (%v)", c, err)
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

// TestAPosteriorKeepsWithinItsPrior: a ~ U(-1, 1) seen as x = a + noise of deviation 0.3 has, at x = 1,
// the posterior N(1, 0.09) of which only the half below 1 is left.
func TestAPosteriorKeepsWithinItsPrior(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	var b strings.Builder
	b.WriteString("a,x\n")
	for range 4000 {
		a := 2*rng.Float64() - 1
		fmt.Fprintf(&b, "%g,%g\n", a, a+0.3*rng.NormFloat64())
	}
	dir := t.TempDir()
	sims := filepath.Join(dir, "sims.csv")
	if err := os.WriteFile(sims, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	text := "data: {path: " + sims + ", context: [x], bounds: {a: [-1, 1]}, test: 60}\n" +
		"net: {residual: {width: 32, blocks: 2}}\ntrain: {steps: 900, batch: 128}\n"
	cfg, err := ParseConfig([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), cfg, filepath.Join(dir, "run"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	z, err := r.Model.Contexts(flow.Batch{N: 1, D: 1, X: []float64{1}})
	if err != nil {
		t.Fatal(err)
	}
	given := flow.Given{Context: z}
	p, err := posterior(t, r, given)
	if mean := 1 - 0.3*math.Sqrt(2/math.Pi); err != nil || math.Abs(p[0]-mean) > 0.04 {
		t.Errorf("the mean of the posterior is %.3f, want %.3f (%v)", p[0], mean, err)
	}
	s, err := r.Subject(true)
	if err != nil {
		t.Fatal(err)
	}
	// The density within the bounds has mass 1.
	const cells = 200
	x := flow.NewBatch(cells+1, 1)
	for i := range cells {
		x.X[i] = -1 + (2*float64(i)+1)/cells
	}
	x.X[cells] = 1.2
	logp, l, err := s.LogProb(t.Context(), x, given)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, v := range logp {
		sum += math.Exp(v) * 2 / cells
	}
	if math.Abs(sum-1) > 0.02+4*l.Mass.StdErr || !math.IsInf(logp[cells], -1) || l.Mass.Outside != 1 {
		t.Errorf("the density within the bounds has mass %.3f, and log p %g outside; %+v", sum, logp[cells], *l.Mass)
	}
	points, held, err := s.TestPoints(0)
	if err != nil {
		t.Fatal(err)
	}
	whole, _, err := s.Likelihood(t.Context(), points, held)
	if err != nil || whole.Mass == nil || whole.Mass.Contexts != 60 || whole.Points != 60 {
		t.Errorf("the likelihood of held-out points: %+v (%v)", whole, err)
	}
}

func TestRowsOutOfTheirBoundsAreNamed(t *testing.T) {
	sims := linearGaussian(t, 300)
	for want, bounds := range map[string]string{
		`column "a": `:                    "{a: [-0.5, 0.5]}",
		`no column "x" is learnt`:         "{x: [0, 1]}",
		"must be less than the second":    "{a: [1, 0]}",
		"want two numbers, the least and": "{a: [1]}",
	} {
		cfg, err := ParseConfig([]byte("data: {path: "+sims+", context: [x], bounds: "+bounds+"}\n"), nil)
		if err == nil {
			_, err = cfg.Open()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("bounds %s: %v, want %q", bounds, err, want)
		}
	}
}
