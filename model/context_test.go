package model

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// shifts is a model whose velocity is its context, so x_1 = x_0 + c, and
// p(x | c) is N(c, I): relu(c) - relu(-c) = c.
func shifts(t *testing.T) *Model {
	t.Helper()
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{4}, Activation: "relu", Context: 2})
	w := make([]float32, net.NumWeights())
	for i, tensor := range net.Tensors() { // inputs: x, t, c
		for k := range 2 {
			switch i {
			case 0:
				w[tensor.Offset+2*k*5+3+k], w[tensor.Offset+(2*k+1)*5+3+k] = 1, -1
			case 2:
				w[tensor.Offset+k*4+2*k], w[tensor.Offset+k*4+2*k+1] = 1, -1
			}
		}
	}
	net, err := net.WithWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	std := &data.Standardizer{Mean: []float64{1}, Std: []float64{2}}
	m, err := New(Spec{Path: path.Config{Name: "condot"}, Shape: []int{2}, Standardizer: std}, net)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTheConditionalDensityOfAShift(t *testing.T) {
	m, ctx := shifts(t), t.Context()
	context := flow.Batch{N: 3, D: 2, X: []float64{0.5, -1, 2, 0, -0.25, 3}}
	given := flow.Given{Context: context}
	x := flow.Batch{N: 3, D: 2, X: []float64{1, 1, 0, -2, 3, 5}}
	solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(2)}
	ddim := func(steps int) Sampler { return SDE{Sampler: sde.Sampler{Method: sde.DDIM, Steps: steps}} }
	logp, _, err := m.LogProb(ctx, x, LikelihoodOptions{Given: given, Solver: solver})
	if err != nil {
		t.Fatal(err)
	}
	density := func(x, c []float64) float64 {
		sum := -math.Log(2*math.Pi) - 2*math.Log(2)
		for d := range x {
			z := (x[d]-1)/2 - c[d]
			sum -= z * z / 2
		}
		return sum
	}
	for i, got := range logp {
		if want := density(x.Row(i), context.Row(i)); math.Abs(got-want) > 1e-5 {
			t.Errorf("log p of point %d is %g, want %g", i, got, want)
		}
	}
	s, err := m.Sample(ctx, SampleOptions{N: 3, Seed: 2, Given: given, Sampler: Density{Solver: solver}})
	if err != nil {
		t.Fatal(err)
	}
	noisy, err := m.Sample(ctx, SampleOptions{N: 3, Seed: 2, Given: given, Sampler: ddim(50)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		for d, x0 := range s.X0.Row(i) {
			want := 1 + 2*(x0+context.Row(i)[d])
			if got := s.X.Row(i)[d]; math.Abs(got-want) > 1e-5 {
				t.Errorf("sample %d is %g, want %g", i, got, want)
			}
			if got := noisy.X.Row(i)[d]; math.Abs(got-want) > 1e-2 { // DDIM stops short of t=1
				t.Errorf("sample %d of DDIM is %g, want %g", i, got, want)
			}
		}
		if want := density(s.X.Row(i), context.Row(i)); math.Abs(s.LogP[i]-want) > 1e-5 {
			t.Errorf("log p of sample %d is %g, want %g", i, s.LogP[i], want)
		}
	}
	for name, err := range map[string]error{
		"field":      second(m.Field(flow.Given{})),
		"sample":     second(m.Sample(ctx, SampleOptions{N: 3, Sampler: ODE{Solver: solver}})),
		"SDE":        second(m.Sample(ctx, SampleOptions{N: 3, Sampler: ddim(5)})),
		"likelihood": third(m.LogProb(ctx, x, LikelihoodOptions{Solver: solver})),
		"too many":   second(m.Sample(ctx, SampleOptions{N: 2, Given: given, Sampler: ODE{Solver: solver}})),
	} {
		if !errors.Is(err, flow.ErrContext) {
			t.Errorf("%s without its context: %v, want flow.ErrContext", name, err)
		}
	}
}

// On every path a solve that is held ends at what is known, and what is not known of
// the image given does not matter.
func TestKnownPartsAreHeld(t *testing.T) {
	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-6, ATol: 1e-6}}
	for _, name := range []string{"condot", "vp", "cosine"} {
		spec := planar
		spec.Path.Name = name
		m, err := trained(t, spec).Model()
		if err != nil {
			t.Fatal(err)
		}
		known := flow.Batch{N: 2, D: 2, X: []float64{3, math.NaN(), math.NaN(), -1}}
		held := ODE{Solver: solver, Hold: &Hold{X: known, Known: []bool{true, false, false, true}}}
		s, err := m.Sample(t.Context(), SampleOptions{N: 2, Seed: 1, Sampler: held})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.X.X; math.Abs(got[0]-3) > 1e-2 || math.Abs(got[3]+1) > 1e-2 || math.IsNaN(got[1]+got[2]) {
			t.Errorf("path %s: %v, want 3 and -1 at the ends", name, got)
		}
		if _, err := m.Sample(t.Context(), SampleOptions{N: 3, Sampler: held}); err == nil {
			t.Error("three points, of which two are held")
		}
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }

// small is a model of images of 4x4 pixels, given them at half the resolution.
var small = Spec{
	Net: nn.Config{Dim: 16, Classes: 2, Context: 16,
		UNet: &nn.UNet{Image: []int{4, 4, 1}, Channels: 2, Mult: []int{1, 1}, Blocks: 1}},
	Path: path.Config{Name: "condot"}, Shape: []int{4, 4},
	Standardizer: &data.Standardizer{Mean: []float64{0.2}, Std: []float64{0.5}},
	Condition:    &image.ConditionConfig{Kind: image.SuperRes, Factor: 2},
}

func drawn(t *testing.T, spec Spec) (*Model, error) {
	t.Helper()
	return New(spec, newNet(t, spec.Net))
}

func TestAModelMakesItsContextsOfImages(t *testing.T) {
	m, err := drawn(t, small)
	if err != nil {
		t.Fatal(err)
	}
	x := flow.NewBatch(2, 16)
	for i := range x.X {
		x.X[i] = math.Sin(float64(i))
	}
	cond, err := m.ContextOf(x, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Conditioner()
	want := flow.NewBatch(2, 16)
	low, err := c.Shrink(x)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Enlarge(want, low); err != nil {
		t.Fatal(err)
	}
	for i, v := range cond.X { // Shrink takes x as it is, the context the middles of its levels
		if math.Abs(v-want.X[i]) > 1.5/128/0.5 {
			t.Errorf("value %d is %g, want about %g", i, v, want.X[i])
		}
	}
	// Guidance has the context on both sides.
	given := flow.Given{Label: []int32{1}, Context: cond}
	o := SampleOptions{N: 2, Given: given, Sampler: ODE{Solver: euler(2), Guidance: new(2.0)}}
	if _, err := m.Sample(t.Context(), o); err != nil {
		t.Error(err)
	}
	// In batches every point keeps its own context.
	o.Sampler = ODE{Solver: euler(2)}
	together, err := m.Sample(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Batch = 1
	apart, err := m.Sample(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range together.X.X {
		if math.Abs(v-apart.X.X[i]) > 1e-5 {
			t.Fatalf("number %d is %g of a batch and %g of points apart", i, v, apart.X.X[i])
		}
	}
}

func TestTheContextOfASpec(t *testing.T) {
	m, err := drawn(t, small)
	if err != nil {
		t.Fatal(err)
	}
	x := flow.NewBatch(2, 16)
	for i := range x.X {
		x.X[i] = math.Sin(float64(i))
	}
	text, err := json.Marshal(m.Spec())
	var back Spec
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || back.Condition == nil || *back.Condition != *small.Condition {
		t.Errorf("the condition comes back as %v (%v)", back.Condition, err)
	}
	other := small
	other.Condition = &image.ConditionConfig{Kind: image.Inpaint, Mask: "left"}
	if _, err := drawn(t, other); err == nil || !strings.Contains(err.Error(), "inpaint makes 32") {
		t.Errorf("a condition of another size: %v", err)
	}
	other.Condition = nil
	free, err := drawn(t, other)
	if err != nil {
		t.Fatal(err)
	}
	if none, err := free.ContextOf(x, 1); err != nil || none.N != 0 || free.Conditioner() != nil {
		t.Errorf("a model whose caller makes the context: %v", err)
	}
	random := small
	random.Net.Context, random.Condition = 32, &image.ConditionConfig{Kind: image.Inpaint, Mask: "random"}
	if m, err = drawn(t, random); err != nil {
		t.Fatal(err)
	}
	all, err := m.ContextOf(x, 4)
	if err != nil {
		t.Fatal(err)
	}
	if one, err := m.ContextOf(x.Slice(0, 1), 4); err != nil || !slices.Equal(one.X, all.Row(0)) {
		t.Error("the mask of an image depends on the others")
	}
}

func TestAnONNXFileSaysHowItsContextsAreStandardised(t *testing.T) {
	m := shifts(t)
	spec := m.Spec()
	spec.ContextColumns = []string{"x", "y"}
	spec.ContextStandardizer = &data.Standardizer{Mean: []float64{1, 2}, Std: []float64{3, 4}}
	spec.Bounds = data.Bounds{{0, 3}, {-1, math.Inf(1)}}
	m, err := New(spec, m.Net())
	if err != nil {
		t.Fatal(err)
	}
	file, err := m.ONNX(ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		metaContext: `{"mean":[1,2],"std":[3,4]}`, metaContextColumns: `["x","y"]`, metaBounds: `[[0,3],[-1,null]]`,
	} {
		if got := file.Metadata[key]; got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if got := file.Metadata[metaContextUnits]; !strings.Contains(got, "condition = (context - mean) / std") {
		t.Errorf("%s: %s", metaContextUnits, got)
	}
	spec.ContextStandardizer.Squash = true
	if m, err = New(spec, m.Net()); err != nil {
		t.Fatal(err)
	}
	if file, err = m.ONNX(ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := file.Metadata[metaContextUnits]; !strings.Contains(got, "= 2 asinh((context - mean) / (2 std)), with") {
		t.Errorf("%s of a context that is squashed: %s", metaContextUnits, got)
	}
	plain, err := shifts(t).ONNX(ExportOptions{})
	if err != nil || plain.Metadata[metaContext] != "" || plain.Metadata[metaContextUnits] == "" {
		t.Errorf("contexts as they are in the data: %v (%v)", plain.Metadata, err)
	}
}
